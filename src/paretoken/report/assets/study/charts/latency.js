/* Lines and marks of a panel over a latency axis, for any figure that a curve's throughput gives: the base of the four
   charts. */
import { rangeOf } from "../../base/scale.js";
import { isDark } from "../../base/theme.js";
import { aboutPoint, runOf } from "../about.js";
import { AXES } from "../axes.js";
import { curvesOf, latenciesOf, STRETCH } from "../curves.js";
import { state, withoutLimits } from "../state.js";
import { accelerators, data, engineName, labelTint, tint, word } from "../study.js";

const SAMPLES = 90;
const DASH = { predicted: "dashed", emulated: "dashed" };
const { JOINED, FLAT } = STRETCH;

/* `figure(a, t)` is what is drawn of an accelerator's throughput, null where there is none. `says(a, value)` is the
   first row of what a mark says. */
export function overLatency(panel, axis, what) {
  const { title, key, engine } = what;
  const of = [data.panels.indexOf(panel), axis, title, key, engine, isDark(), withoutLimits()].join("|");
  if (!drawn.has(of)) {
    if (drawn.size >= MOST_KEPT) drawn.clear();
    drawn.set(of, overLimits(panel, axis, what));
  }
  const plot = drawn.get(of);
  return { ...plot, still: plot, rules: limitRule(axis, plot.x) };
}

/* Plots that a change of limit leaves as they are. */
const drawn = new Map();
const MOST_KEPT = 40;

function overLimits(panel, axis, { figure, says, title, prefix = "", key = "t", engine = null }) {
  const shown = curvesOf(panel, axis).filter((c) => !state.off.has(c.a) && figure(c.a, c.within(c.end, key)) !== null);
  const curves = engine === null ? shown : shown.filter((c) => c.engine === engine);
  const log = state.scale === "log";
  const placed = pointsOf(panel, axis, figure, key);
  const x = {
    title: AXES[axis].title,
    log,
    ...ends(
      rangeOf(
        placed.all.map((p) => p.x),
        log,
        false,
      ),
    ),
  };
  const lines = bestLines(curves, axis, x, figure, key);
  const y = {
    title,
    prefix,
    log,
    ...ends(
      rangeOf(
        [...placed.all.map((p) => p.y), ...lines.flatMap((l) => l.points.filter(Boolean).map(([, v]) => v))],
        log,
      ),
    ),
  };
  const onCurve = new Set(curves.flatMap((c) => c.points));
  const marks = placed.shown
    .filter(({ i }) => engine === null || word(panel.points.e[i]) === engine)
    .map((p) => mark(panel, p, onCurve.has(p.i), says));
  const newer = engine === null && key === "t" ? newerMarks(panel, axis, figure, says) : [];
  return {
    x,
    y,
    lines,
    marks: [...marks, ...newer],
    table: tableOf(panel, placed.shown, axis, title),
  };
}

const ends = (range) => (range ? { min: range[0], max: range[1] } : { min: 1, max: 10 });

/* The limit that the chart's title is at. */
const limitRule = (axis, x) =>
  state[axis] > x.min && state[axis] < x.max
    ? [{ x: state[axis], text: `limit ${AXES[axis].sign} ${state[axis]}` }]
    : [];

function pointsOf(panel, axis, figure, key) {
  const at = latenciesOf(panel, axis);
  const c = panel.points;
  const all = at.flatMap((latency, i) => {
    const a = word(c.a[i]);
    const y = latency === null || c[key][i] === null ? null : figure(a, c[key][i]);
    if (y === null) return [];
    const interval = key === "t" && c.tl && c.tl[i] !== null ? [figure(a, c.tl[i]), figure(a, c.th[i])] : null;
    return [{ i, a, x: AXES[axis].latency(latency), y, interval }];
  });
  return { all, shown: all.filter((p) => !state.off.has(p.a)) };
}

function mark(panel, { i, a, x, y, interval }, strong, says) {
  const origin = word(panel.points.r[i]);
  return {
    group: a,
    key: `${data.panels.indexOf(panel)}|${i}`,
    x,
    y,
    shape: accelerators.get(a).shape,
    color: tint(a),
    hollow: origin === "predicted" || origin === "emulated",
    faint: !strong,
    interval: strong ? interval : null,
    along: "y",
    thin: true,
    about: aboutPoint(panel, i, says(a, y)),
  };
}

/* Points of releases that are newer than the curve's but not ranked: crosses that no line joins. */
function newerMarks(panel, axis, figure, says) {
  return panel.newer.flatMap((n) => {
    const a = word(n.a);
    if (state.off.has(a) || axis === "ttft") return [];
    const x = axis === "e2e" ? n.e2e : n.inter;
    return n.t.flatMap((t, i) => {
      const y = figure(a, t);
      if (x[i] === null || y === null) return [];
      const rows = [
        says(a, y),
        `${word(n.w)}${word(n.d) ? `, ${word(n.d)}` : ""}: newer release, not ranked`,
        `the curve is of ${word(n.of)}`,
        word(n.load[i]),
      ];
      const about = { title: `${a} ${engineName(word(n.e))}`, rows };
      return [{ group: a, key: null, x: x[i], y, shape: "cross", color: tint(a), size: 8, about }];
    });
  });
}

/* Every point drawn, for the table view and the CSV. */
function tableOf(panel, shown, axis, title) {
  const c = panel.points;
  const heads = ["Accelerator", "Engine", "Software", "Run", AXES[axis].title, title, "Origin", "Source", "Date"];
  const rows = shown.map(({ i, a, x, y }) => [
    a,
    engineName(word(c.e[i])),
    word(c.w[i]),
    runOf(c, i),
    Number(x.toPrecision(4)),
    Number(y.toPrecision(4)),
    word(c.r[i]),
    word(c.s[i]),
    word(c.d[i]),
  ]);
  return { heads, rows };
}

/* For each accelerator and origin its best within every limit, broken where the engine, its software, the source or the
   basis of latency changes, dotted beyond the last point. */
function bestLines(curves, axis, x, figure, key) {
  const groups = new Map();
  for (const c of curves) groups.set(`${c.a}|${c.origin}`, [...(groups.get(`${c.a}|${c.origin}`) || []), c]);
  const grid = sampled(curves, axis, x);
  const lines = [...groups.values()].flatMap((own) => bestLine(own, grid, axis, figure, key));
  return lines.sort((a, b) => Number(a.dash !== "solid") - Number(b.dash !== "solid"));
}

function sampled(curves, axis, { min, max, log }) {
  const latency = AXES[axis].latency;
  const even = Array.from({ length: SAMPLES }, (_, k) => {
    const share = k / (SAMPLES - 1);
    return log ? min * (max / min) ** share : min + (max - min) * share;
  });
  const corners = curves.flatMap((c) => c.x.map(latency)).filter((v) => v >= min && v <= max);
  return [...new Set([...even, ...corners])].filter((v) => v > 0).sort((a, b) => a - b);
}

function bestLine(own, grid, axis, figure, key) {
  const [{ a, origin }] = own;
  const samples = grid.map((at) => {
    const seconds = AXES[axis].latency(at);
    const best = own.reduce(
      (top, c) => {
        const t = c.within(seconds);
        return t !== null && t > top.t ? { t, c } : top;
      },
      { t: -1, c: null },
    );
    const y = best.c ? figure(a, best.c.within(seconds, key)) : null;
    return { at, y, c: best.c, state: best.c ? best.c.stretch(seconds) : null };
  });
  const part = (kind) => {
    const points = [];
    samples.forEach((s, i) => {
      const before = samples[i - 1];
      const after = samples[i + 1];
      const starts =
        kind === FLAT && s.state === JOINED && [before, after].some((n) => n && n.c === s.c && n.state === FLAT);
      const here = s.y !== null && (s.state === kind || starts);
      if (here && before && before.c && before.c !== s.c) points.push(null);
      points.push(here ? [s.at, s.y] : null);
    });
    return points;
  };
  const style = {
    group: a,
    origin,
    name: origin === "predicted" || origin === "emulated" ? `${a} ${origin}` : a,
    color: tint(a),
    labelColor: labelTint(a),
    label: true,
  };
  return [
    { ...style, dash: DASH[origin] || "solid", points: part(JOINED) },
    { ...style, dash: "dotted", width: 1.6, label: false, points: part(FLAT) },
  ].filter((l) => l.points.some(Boolean));
}
