/* Curves of a panel: the best throughput within any latency limit, the twin of frontier/curve.py.

   The payload says which points make a curve on the E2E and interactivity axes; on TTFT the page takes the Pareto set
   itself, of the points of the same software. */
import { AXES } from "./axes.js";
import { pchip } from "./pchip.js";
import { data, word } from "./study.js";

const COLUMNS = ["t", "o", "i"];
const JOINED = 0;
const FLAT = 1;
const APART = 2;
export const STRETCH = { JOINED, FLAT, APART };

/* Seconds on an axis of every point of a panel; null where it has none. */
export function latenciesOf(panel, axis) {
  const p = panel.points;
  return { e2e: p.e2e, ttft: p.ttft, interactivity: p.tpot }[axis];
}

const cache = new Map();

/* The curves of a panel on an axis. */
export function curvesOf(panel, axis) {
  const key = `${data.panels.indexOf(panel)}|${axis}`;
  if (!cache.has(key)) {
    const stated = axis === "ttft" ? paretoSets(panel) : panel.axes[axis].curves;
    cache.set(
      key,
      stated.map((c) => curve(panel, axis, c)),
    );
  }
  return cache.get(key);
}

function curve(panel, axis, { a, e, r, w, d = null, p: rows }) {
  /* Latencies that are one number once rounded stand for the point that serves most. */
  const at = latenciesOf(panel, axis);
  const p = rows.filter((i, k) => k === rows.length - 1 || at[i] < at[rows[k + 1]]);
  const x = p.map((i) => at[i]);
  const splines = Object.fromEntries(
    COLUMNS.map((column) => {
      const y = p.map((i) => panel.points[column][i]);
      return [column, y.includes(null) ? null : pchip(x, y)];
    }),
  );
  const last = x[x.length - 1];
  return {
    a: word(a),
    engine: word(e),
    origin: word(r),
    software: word(w),
    /* The day that its software stands for, as a number of days; null where none is stated. */
    day: d,
    points: p,
    x,
    start: x[0],
    end: last,
    /* Throughput within a limit in seconds: beyond the last point, that point's own; null where none meets it. */
    within: (limit, key = "t") =>
      splines[key] && limit >= x[0] * (1 - 1e-9) ? splines[key](Math.min(Math.max(limit, x[0]), last)) : null,
    /* The fastest-serving point that was run and meets the limit. */
    bestPoint: (limit) => p[x.reduce((best, v, k) => (v <= limit * (1 + 1e-9) ? k : best), 0)],
    /* The one or two points that the value at a limit rests on. */
    around: (limit) => {
      const k = x.findIndex((v) => v >= Math.min(limit, last) * (1 - 1e-9));
      return Math.abs(x[k] / Math.min(limit, last) - 1) < 1e-9 || k === 0 ? [p[k]] : [p[k - 1], p[k]];
    },
    stretch: (limit) => stretch(panel, axis, p, x, limit),
    /* The curves as they would be had one of these points not been run; none for the only point. */
    without: (points) =>
      points.flatMap((i) => {
        const left = groupsOf(panel, axis)
          .get(keyOf(panel.points, p[0]))
          .filter((j) => j !== i);
        return left.length ? [curve(panel, axis, { a, e, r, w, d, p: front(panel, axis, left) })] : [];
      }),
  };
}

/* Joined between points of one source and basis of latency, flat beyond the last point, else apart. */
function stretch(panel, axis, p, x, limit) {
  if (limit > x[x.length - 1] * (1 + 1e-9)) return FLAT;
  const k = x.findIndex((v) => v >= limit * (1 - 1e-9));
  if (k <= 0 || Math.abs(x[k] / limit - 1) < 1e-9) return JOINED;
  const kind = (i) => `${panel.points.s[i]}|${axis === "e2e" ? panel.points.basis[i] : ""}`;
  return kind(p[k - 1]) === kind(p[k]) ? JOINED : APART;
}

const keyOf = (c, i) => [c.a[i], c.e[i], c.r[i], c.w[i]].join("|");

/* The points of a panel that have a place on an axis, by accelerator, engine, origin and software. */
function groupsOf(panel, axis) {
  const c = panel.points;
  const groups = new Map();
  latenciesOf(panel, axis).forEach((x, i) => {
    if (x === null || c.t[i] === null) return;
    if (!groups.has(keyOf(c, i))) groups.set(keyOf(c, i), []);
    groups.get(keyOf(c, i)).push(i);
  });
  return groups;
}

/* Of these points those that no other beats in latency and throughput, by rising latency. */
function front(panel, axis, rows) {
  const [x, { t }] = [latenciesOf(panel, axis), panel.points];
  const sorted = [...rows].sort((i, j) => x[i] - x[j] || t[j] - t[i]);
  let best = -Infinity;
  return sorted.filter((i) => {
    const better = t[i] > best;
    best = Math.max(best, t[i]);
    return better;
  });
}

/* For each accelerator, engine, origin and software the points that no other beats in TTFT and throughput. */
export function paretoSets(panel) {
  const c = panel.points;
  const named = Object.values(panel.axes).flatMap((axis) => axis.curves);
  const days = new Map(named.map((s) => [[s.a, s.e, s.r, s.w].join("|"), s.d]));
  return [...groupsOf(panel, "ttft")].map(([key, rows]) => {
    const [first] = rows;
    const d = days.get(key) ?? null;
    return { a: c.a[first], e: c.e[first], r: c.r[first], w: c.w[first], d, p: front(panel, "ttft", rows) };
  });
}

/* The best curve of each accelerator within a limit in the axis' own unit: [{a, curve, t, latency}], by accelerator.
   Emulated curves do not count. */
export function leadersAt(panel, axis, value) {
  const latency = AXES[axis].latency(value);
  const best = new Map();
  for (const c of curvesOf(panel, axis)) {
    if (c.origin === "emulated") continue;
    const t = c.within(latency);
    if (t !== null && (!best.has(c.a) || t > best.get(c.a).t)) best.set(c.a, { a: c.a, curve: c, t, latency });
  }
  return [...best.values()];
}
