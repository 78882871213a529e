/* Throughput against latency: a line for each run, a mark for each level, published curves behind them. One figure for
   each question, and one of all runs where there are several questions. */
import { byId } from "../../base/dom.js";
import { figure } from "../../base/figure.js";
import { more, short } from "../../base/format.js";
import { rangeOf, scale } from "../../base/scale.js";
import { inks } from "../../base/theme.js";
import { around, roomyTexts } from "../shapes.js";
import { data, kind, several, state, tint } from "../state.js";

const AXES = { e2e: { title: "End-to-end latency p50, s" }, inter: { title: "Interactivity p50, tok/s/user" } };
const SIDES = { out: "output tok/s/GPU", total: "total tok/s/GPU" };
const HEIGHT = 480;

const sound = (l) => kind(l) === "steady";
const drawable = (l) =>
  l[state.axis] !== null && l[state.side] !== null && (l[state.side] > 0 || state.scale === "linear");
const placed = (r) => r.levels.map((l, i) => ({ ...l, i })).filter(drawable);
const rangeOfLevel = (l) => l[`${state.side}Range`] || [l[state.side], l[state.side]];

function curveOf(places, questions) {
  const runs = places.map((i) => data.runs[i]);
  const all = state.behind === "shown" ? questions.flatMap((q) => q.published) : [];
  const published = all.map((c) => ({
    ...c,
    points: (c.points[state.axis] || []).filter((p) => p[state.axis] !== null && p[state.side] !== null),
  }));
  const marks = [...published.flatMap(publishedMarks), ...runs.flatMap((r) => placed(r).map((l) => mark(r, l)))];
  const log = state.scale === "log";
  const xs = marks.map((m) => m.x);
  const ys = marks.flatMap((m) => (m.interval && (!log || m.interval[0] > 0) ? m.interval : [m.y]));
  const [left, right] = (xs.length && (log ? rangeOf(xs, true) : around(xs))) || [0, 1];
  const [bottom, top] = rangeOf(ys, log) || [0, 1];
  const x = { title: AXES[state.axis].title, log, min: left, max: right };
  const y = { title: SIDES[state.side].replace(/^./, (c) => c.toUpperCase()), log, min: bottom, max: top };
  return {
    title: finding(runs),
    subtitle: `${questions.length > 1 ? "Different questions in one chart" : questions[0].title}. Figures of the steady window.${behind(questions, published)}`,
    source: `Source: ${[...runs.map((r) => r.source), ...sourcesOf(published)].join("; ")}.`,
    x,
    y,
    lines: [...published.map(publishedLine), ...runs.map((r) => line(r))],
    marks,
    texts: names(runs, x, y),
    empty: marks.length ? null : "No level has both figures.",
    table: tableOf(runs, published),
  };
}

/* What is drawn behind the runs, or why published points are not. */
function behind(questions, published) {
  if (published.some((c) => c.points.length)) return " Squares on dashed lines are published.";
  return state.behind === "shown" && questions.some((q) => q.published.length)
    ? " Published points state all tokens alone; choose All tokens to see them."
    : "";
}

/* The run with the highest sound throughput, and its lead over the next. */
function finding(runs) {
  const best = (r) =>
    placed(r)
      .filter(sound)
      .sort((a, b) => b[state.side] - a[state.side])[0];
  const ranked = runs
    .map((r) => ({ r, l: best(r) }))
    .filter(({ l }) => l)
    .sort((a, b) => b.l[state.side] - a.l[state.side]);
  if (!ranked.length) return "No level is steady and unlimited by the client";
  const [{ r, l }, second] = ranked;
  const lead = second ? `, ${more(l[state.side] / second.l[state.side] - 1)} over ${second.r.name}` : "";
  return `${several ? `${r.name} reaches` : "Up to"} ${short(l[state.side], 4)} ${SIDES[state.side]} at ${l.name}${lead}`;
}

/* The levels in order of load, repeats as their mean. */
function line(r) {
  const byLoad = new Map();
  for (const l of placed(r).filter((one) => !one.failed)) byLoad.set(l.load, [...(byLoad.get(l.load) || []), l]);
  const mean = (ls, key) => ls.reduce((sum, l) => sum + l[key], 0) / ls.length;
  const points = [...byLoad].sort((a, b) => a[0] - b[0]).map(([, ls]) => [mean(ls, state.axis), mean(ls, state.side)]);
  return { group: r.name, name: r.name, color: tint(r), width: 1.6, points, label: several };
}

function mark(r, l) {
  const chosen = r === data.runs[state.run] && l.i === state.level;
  return {
    group: r.name,
    key: `${r.name}|${l.i}`,
    run: r.name,
    level: l.i,
    x: l[state.axis],
    y: l[state.side],
    shape: r.shape,
    color: tint(r),
    hollow: !sound(l),
    size: chosen ? 15 : 9,
    interval: rangeOfLevel(l),
    along: "y",
    thin: true,
    about: { title: several ? `${r.name}: ${l.about[0]}` : l.about[0], rows: l.about.slice(1) },
  };
}

/* The users or the rate of each level beside its mark, where they have room. */
function names(runs, x, y) {
  const node = byId("curve");
  const [across, down] = [scale(x, 0, node.clientWidth), scale(y, HEIGHT, 0)];
  const texts = runs.flatMap((r) =>
    placed(r).map((l) => ({
      x: l[state.axis],
      y: l[state.side],
      text: l.name.replace(/ users?$/, ""),
      color: tint(r),
      align: "right",
      dx: -8,
      dy: -8,
    })),
  );
  return roomyTexts(texts, (t) => [across(t.x), down(t.y)]);
}

const sourcesOf = (published) => [
  ...new Set(published.filter((c) => c.points.length).map((c) => `published points of ${c.source}`)),
];

const publishedLine = (c) => ({
  group: c.name,
  name: c.label,
  color: inks().muted,
  width: 1.4,
  dash: "dashed",
  label: true,
  points: c.points.map((p) => [p[state.axis], p[state.side]]),
});

const publishedMarks = (c) =>
  c.points.map((p) => ({
    group: c.name,
    x: p[state.axis],
    y: p[state.side],
    shape: "square",
    color: inks().muted,
    size: 6,
    about: { title: p.about[0], rows: p.about.slice(1) },
  }));

function tableOf(runs, published) {
  const head = ["Run", "Load", AXES[state.axis].title, SIDES[state.side], "95 % from", "to", "State"];
  const own = runs.flatMap((r) =>
    placed(r).map((l) => [r.name, l.name, l[state.axis], l[state.side], ...rangeOfLevel(l), kind(l)]),
  );
  const others = published.flatMap((c) =>
    c.points.map((p) => [c.name, p.about[2], p[state.axis], p[state.side], null, null, "published"]),
  );
  return { heads: head, rows: [...own, ...others] };
}

export const curveIds = [
  ...data.questions.map((_, i) => `chart-curve-${i}`),
  ...(data.questions.length > 1 ? ["chart-curve-all"] : []),
];

/* Which of the figures is shown, by the choice of one chart for each question or one of all. */
export function showCurves() {
  const all = state.overlay === "all" && data.questions.length > 1;
  for (const id of curveIds) byId(id).hidden = (id === "chart-curve-all") !== all;
}

export function curveCharts(choose) {
  const pick = (m) => m.run !== undefined && choose(m.run, m.level);
  data.questions.forEach((q, i) => figure(`chart-curve-${i}`, () => curveOf(q.runs, [q]), { pick }));
  if (data.questions.length > 1)
    figure(
      "chart-curve-all",
      () =>
        curveOf(
          data.runs.map((_, i) => i),
          data.questions,
        ),
      { pick },
    );
}
