/* One level over time: in flight, output, errors and single requests, each a figure over the same axis of seconds. */
import { byId } from "../../base/dom.js";
import { figure } from "../../base/figure.js";
import { counted, short } from "../../base/format.js";
import { isDark } from "../../base/theme.js";
import { areaUnder, barHeight, binSteps, requestBars } from "../shapes.js";
import { level, levelName, run, tint } from "../state.js";

const FAILED = { light: "#c62828", dark: "#ff7b72" };
const WAIT = { light: "#9aa3af", dark: "#6d7683" };
const TOOL = { light: "#7d6636", dark: "#c9ae74" };
const WHOLE = { light: "#5b6b8c", dark: "#94a6cc" };
const STEADY = "#2ea043";
const UNSTEADY = "#c87800";
export const LEFT = 66;
const MOST_PX = 380;
/* As much room right of every figure as the names of lines need, so that their seconds stand below each other. */
export const right = () => (byId("one-level").clientWidth > 480 ? 76 : 0);

const tone = (c) => c[isDark() ? "dark" : "light"];
export const requestColors = () => ({ wait: tone(WAIT), decode: tint(run()), failed: tone(FAILED) });
export const ganttColors = () => ({ ...requestColors(), tool: tone(TOOL), whole: tone(WHOLE) });
const end = (t) => t.from + t.step * t.flight.length;

/* The axis of seconds of the level's figures; of a level without requests 0 to 1. */
export function secondsAxis(title = "") {
  const t = level().time;
  return { title, suffix: " s", ...(t ? { min: t.from, max: end(t) } : { min: 0, max: 1 }) };
}

/* The window shaded over the height of a figure. */
export function shadedWindow({ min, max }) {
  const window = level().time?.window;
  if (!window) return [];
  return [{ color: level().steady ? STEADY : UNSTEADY, points: window.map((x) => [x, min, max]) }];
}

function partNames(t, y) {
  if (!t.window)
    return [{ x: (t.from + end(t)) / 2, y, text: "no window: the level is too short", align: "center", dy: 9 }];
  const [a, z] = t.window;
  const spans = [
    ["warm-up", t.from, a],
    [level().steady ? "steady window" : "window, not steady", a, z],
    ["tail", z, end(t)],
  ];
  const room = (from, to) => ((to - from) / (end(t) - t.from)) * (byId("one-level").clientWidth - LEFT - right());
  return spans
    .filter(([name, from, to]) => room(from, to) > 7 * name.length)
    .map(([text, from, to]) => ({ x: (from + to) / 2, y, text, align: "center", dy: 9 }));
}

function series(key, { title, unit, color, height = 150, top = 0, texts = null, says }) {
  const t = level().time;
  const values = t?.[key];
  const base = {
    subtitle: levelName(),
    source: `Source: ${run().source}.`,
    x: secondsAxis(),
    left: LEFT,
    room: right(),
    height,
    marks: [],
  };
  if (!values)
    return {
      ...base,
      title,
      y: { min: 0, max: 1 },
      lines: [],
      empty: t ? "No request failed." : "No request was sent at this level.",
    };
  const points = binSteps(t.from, t.step, values);
  const y = { title: unit, min: 0, max: Math.max(1e-9, top, ...values) * (texts ? 1.4 : 1.15) };
  return {
    ...base,
    title: says(values),
    y,
    lines: [{ name: unit, color, width: 1.5, points }],
    bands: [...shadedWindow(y), { color, points: areaUnder(points) }],
    marks: values.map((v, i) => spot(t.from + (i + 0.5) * t.step, v, color, `${short(v, 4)} ${unit}`)),
    texts: texts ? texts(t, y.max) : [],
    table: { heads: ["Seconds", unit], rows: values.map((v, i) => [t.from + (i + 0.5) * t.step, v]) },
  };
}

/* A point of a line that answers the pointer. */
export const spot = (x, y, color, text, group) => ({
  x,
  y,
  color,
  group,
  shape: "none",
  about: { title: text, rows: [`at ${short(x, 4)} s`] },
});

const most = (values) => values.reduce((a, b) => Math.max(a, b), 0);
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

function flight() {
  const l = level();
  const closed = l.kind === "closed";
  const plot = series("flight", {
    title: "In flight",
    unit: "requests in flight",
    color: tint(run()),
    top: closed ? l.load : 0,
    texts: partNames,
    says: (values) => `At most ${counted(most(values), "request")} in flight`,
  });
  return closed && !plot.empty ? { ...plot, rules: [{ y: l.load, dash: "dotted" }] } : plot;
}

const tokens = () =>
  series("tok", {
    title: "Output",
    unit: "output tok/s",
    color: tint(run()),
    says: (values) => `${short(mean(values))} output tok/s on average, ${short(most(values))} at most`,
  });

function errors() {
  return series("err", {
    title: "Errors",
    unit: "failed requests",
    color: tone(FAILED),
    height: 110,
    says: (values) => `${counted(Math.round(values.reduce((a, b) => a + b, 0)), "request")} failed`,
  });
}

export const requestRows = (bars, i) => [
  `due at ${short(bars.due[i], 4)} s, ${bars.first[i] === null ? "no token" : `first token after ${short(bars.first[i] - bars.due[i])} s`}`,
  `ended after ${short(bars.end[i] - bars.due[i])} s: ${bars.status[i]}`,
];

function requests() {
  const t = level().time;
  const bars = t?.bars;
  const base = {
    subtitle: levelName(),
    source: `Source: ${run().source}.`,
    x: secondsAxis("Seconds from the start of the level"),
    left: LEFT,
    room: right(),
    lines: [],
    marks: [],
  };
  if (!bars) return { ...base, title: "Requests", y: { min: 0, max: 1 }, empty: "No request was sent at this level." };
  const closed = level().kind === "closed";
  const colors = requestColors();
  const room = Math.min(MOST_PX, Math.max(70, bars.rows * 12));
  const y = { title: closed ? "users" : "rows of requests", min: -0.6, max: bars.rows - 0.4, format: () => "" };
  const n = bars.due.length;
  return {
    ...base,
    title:
      n === bars.of
        ? `All ${counted(n, "request")}`
        : `${n.toLocaleString("en-US")} of ${counted(bars.of, "request")}, evenly picked`,
    y,
    bars: requestBars(bars, colors, barHeight(bars.rows, room), (i) => ({
      title: `Request ${i + 1}`,
      rows: requestRows(bars, i),
    })),
    bands: shadedWindow(y),
    height: room + 80,
    key: requestKey(colors),
    table: {
      heads: ["Row", "Due, s", "First token, s", "End, s", "Status"],
      rows: bars.due.map((due, i) => [bars.row[i] + 1, due, bars.first[i], bars.end[i], bars.status[i]]),
    },
  };
}

export const requestKey = ({ wait, decode, failed }) => [
  ["from due to first token", wait],
  ["from first token to end", decode],
  ["failed", failed],
];

/* What the timeline shows, in words. */
export function aboutTime() {
  const t = level().time;
  if (!t) return "No request was sent at this level.";
  const { bars } = t;
  const rows =
    level().kind === "closed"
      ? `Requests have a row for each of ${bars.rows === bars.ofRows ? "the" : `${bars.rows} of ${bars.ofRows}`} users.`
      : "Requests are packed into rows.";
  return t.window
    ? `The ${level().steady ? "steady window" : "window"} is shaded; warm-up is before it, the tail after. ${rows}`
    : rows;
}

export const timeIds = ["chart-flight", "chart-tokens", "chart-errors", "chart-requests"];

export function timeCharts() {
  figure("chart-flight", flight);
  figure("chart-tokens", tokens);
  figure("chart-errors", errors);
  figure("chart-requests", requests);
}
