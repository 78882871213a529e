/* Charts of figures over the time of a level, as plain plots. */
import { short } from "../report/base/format.js";
import { isDark } from "../report/base/theme.js";

const TONES = {
  blue: ["#1f6fd0", "#6fb1ff"],
  orange: ["#c25a00", "#ffa759"],
  green: ["#0b6b3a", "#37b877"],
};
export const tone = (name) => TONES[name][isDark() ? 1 : 0];

/* Pairs of two columns in which both have a figure; null between those that have none. */
export const pairs = (xs, ys) => xs.map((x, i) => (Number.isFinite(ys[i]) ? [x, ys[i]] : null));

/* A plot of lines over seconds: [name, color, points] each; `empty` says why there is nothing to draw yet. */
export function overTime({ title, unit, lines, until, empty, top = 0 }) {
  const values = lines.flatMap(([, , points]) => points.filter(Boolean).map((p) => p[1]));
  const x = { title: "Seconds from the start of the level", min: 0, max: Math.max(until || 0, 1), suffix: " s" };
  const y = { title: unit, min: 0, max: Math.max(1e-9, top, ...values) * 1.12 };
  const base = { title, x, y, left: 56, source: "Source: this run, while it measures." };
  if (!values.length) return { ...base, lines: [], marks: [], empty };
  return {
    ...base,
    lines: lines.map(([name, color, points]) => ({ name, color: tone(color), points, width: 1.8 })),
    marks: lines.flatMap(([name, color, points]) =>
      points
        .filter(Boolean)
        .map(([at, v]) => ({
          x: at,
          y: v,
          shape: "none",
          color: tone(color),
          about: { title: `${short(v, 4)} ${unit}`, rows: [name, `at ${short(at, 4)} s`] },
        })),
    ),
    key: lines.length > 1 ? lines.map(([name, color]) => [name, tone(color)]) : null,
    table: {
      heads: ["Seconds", ...lines.map(([name]) => `${name}, ${unit}`)],
      rows: [...new Set(lines.flatMap(([, , points]) => points.filter(Boolean).map((p) => p[0])))]
        .sort((a, b) => a - b)
        .map((at) => [at, ...lines.map(([, , points]) => points.find((p) => p && p[0] === at)?.[1] ?? null)]),
    },
  };
}
