/* The data, what is selected, and the link that keeps the selection. */
import { readData } from "../base/data.js";
import { keepLink, linkParameters } from "../base/link.js";
import { isDark } from "../base/theme.js";
import { scaleFor } from "./shapes.js";

export const data = await readData();
export const CHOICES = {
  axis: ["e2e", "inter"],
  side: ["out", "total"],
  scale: ["linear", "log"],
  overlay: ["question", "all"],
  behind: ["shown", "hidden"],
  tail: ["within", "beyond"],
};
/* All tokens where published points, which lie behind the run, state those alone. */
const published = data.questions.flatMap((q) => q.published.flatMap((c) => Object.values(c.points).flat()));
const side = published.length && published.every((p) => p.out === null) ? "total" : "out";
/* A scale on which the runs fill the chart although published points may reach far beyond them. */
const levels = data.runs.flatMap((r) => r.levels);
const scale = ["e2e", side].some((key) => {
  const values = (points) => points.map((p) => p[key]).filter((v) => v !== null);
  return scaleFor(values(levels), values(published)) === "log";
})
  ? "log"
  : "linear";
export const state = {
  axis: "e2e",
  side,
  scale,
  overlay: "question",
  behind: "shown",
  tail: "within",
  run: 0,
  level: data.runs[0].best,
  session: "slowest",
};
const START = { ...state };

export const run = () => data.runs[state.run];
export const level = () => run().levels[state.level];
export const several = data.runs.length > 1;
export const tint = (r) => r[isDark() ? "dark" : "light"];
export const kind = (l) => (l.failed ? "failed" : l.limited ? "client-limited" : l.steady ? "steady" : "not steady");
export const levelName = () => `${several ? `${run().name}, ` : ""}${level().name}`;

/* Puts what exists where the selection names what does not. */
export function settle() {
  for (const key of Object.keys(CHOICES)) if (!CHOICES[key].includes(state[key])) state[key] = START[key];
  if (!data.runs[state.run]) state.run = 0;
  if (!run().levels[state.level]) state.level = run().best;
}

/* The link's parameters, or null where it holds none. */
export function readLink() {
  const link = linkParameters();
  if (!link) return null;
  for (const key of Object.keys(START)) {
    const value = link.get(key);
    state[key] = value === null ? START[key] : typeof START[key] === "string" ? value : Number(value);
  }
  settle();
  return link;
}

export function writeLink() {
  const link = new URLSearchParams();
  for (const key of Object.keys(START)) if (state[key] !== START[key]) link.set(key, state[key]);
  keepLink(link);
}
