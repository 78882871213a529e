/* Conversations: the turns of sessions over time, and the time to the first token of each turn. */
import { figure } from "../../base/figure.js";
import { counted, short } from "../../base/format.js";
import { barHeight, requestBars } from "../shapes.js";
import { data, level, levelName, run, tint } from "../state.js";
import { LEFT, right, requestColors, requestKey, requestRows, secondsAxis, shadedWindow } from "./timeline.js";

const MOST_PX = 420;
const ABSENT = "No session of this level has a second turn.";

export const hasSessions = data.runs.some((r) => r.levels.some((l) => l.sessions));

const base = () => ({ subtitle: levelName(), source: `Source: ${run().source}.`, lines: [], marks: [] });

function overTime() {
  const bars = level().sessions?.bars;
  const common = { ...base(), x: secondsAxis("Seconds from the start of the level"), left: LEFT, room: right() };
  if (!bars) return { ...common, title: "Turns of sessions", y: { min: 0, max: 1 }, empty: ABSENT };
  const colors = requestColors();
  const room = Math.min(MOST_PX, Math.max(70, bars.rows * 12));
  const numbers = new Map(bars.row.map((row, i) => [row, String(bars.session[i])]));
  const y = { title: "session", min: -0.6, max: bars.rows - 0.4, whole: true, format: (row) => numbers.get(row) ?? "" };
  const about = (i) => ({
    title: `Session ${bars.session[i]}, turn ${bars.turn[i]}`,
    rows: [bars.isl[i] === null ? null : `${short(bars.isl[i])} input tokens`, ...requestRows(bars, i)].filter(Boolean),
  });
  return {
    ...common,
    title:
      bars.rows === bars.of
        ? `The turns of ${counted(bars.of, "session")}`
        : `The turns of ${bars.rows} of ${counted(bars.of, "session")}, evenly picked`,
    y,
    bars: requestBars(bars, colors, barHeight(bars.rows, room), about),
    bands: shadedWindow(y),
    height: room + 80,
    key: requestKey(colors),
    table: {
      heads: ["Session", "Turn", "Input tokens", "Due, s", "First token, s", "End, s", "Status"],
      rows: bars.due.map((due, i) => [
        bars.session[i],
        bars.turn[i],
        bars.isl[i],
        due,
        bars.first[i],
        bars.end[i],
        bars.status[i],
      ]),
    },
  };
}

function byTurn() {
  const turns = level().sessions?.turns || [];
  const last = turns.at(-1);
  const most = Math.max(1e-9, ...turns.map((t) => t.p90 ?? t.p50));
  const title =
    turns.length > 1
      ? `TTFT p50 is ${short(turns[0].p50)} ms of calls number ${turns[0].turn} and ${short(last.p50)} ms of number ${last.turn}`
      : "TTFT by call number";
  const color = tint(run());
  return {
    ...base(),
    title,
    subtitle: `${levelName()}. Calls by their number in the session; those of sub-agents may run side by side. Medians of the window, with p10 to p90 from 5 requests on`,
    x: { title: "number of the call in its session", min: 0.5, max: (last?.turn ?? 1) + 0.5, whole: true },
    y: { title: "TTFT, ms", min: 0, max: most * 1.1 },
    lines: [{ name: "TTFT p50", group: run().name, color, width: 1.6, points: turns.map((t) => [t.turn, t.p50]) }],
    marks: turns.map((t) => ({
      group: run().name,
      x: t.turn,
      y: t.p50,
      shape: run().shape,
      color,
      interval: t.p90 === undefined ? null : [t.p10, t.p90],
      along: "y",
      about: { title: `Turn ${t.turn}`, rows: aboutTurn(t) },
    })),
    left: LEFT,
    height: 240,
    empty: turns.length ? null : ABSENT,
    table: {
      heads: ["Turn", "Requests", "TTFT p10, ms", "p50", "p90", "Mean input tokens", "Of them cached"],
      rows: turns.map((t) => [t.turn, t.n, t.p10 ?? null, t.p50, t.p90 ?? null, t.isl, t.cached]),
    },
  };
}

const aboutTurn = (t) =>
  [
    `TTFT p50 ${short(t.p50)} ms${t.p90 === undefined ? "" : `, p10 ${short(t.p10)} ms, p90 ${short(t.p90)} ms`}`,
    t.isl === null ? null : `${short(t.isl)} input tokens on average`,
    t.cached === null ? null : `${short(t.cached * 100)} % of them read from the prefix cache`,
    counted(t.n, "request"),
  ].filter(Boolean);

export const sessionIds = ["chart-sessions", "chart-turns"];

export function sessionCharts() {
  figure("chart-sessions", overTime);
  figure("chart-turns", byTurn);
}
