/* What makes a verdict within a limit less than firm: the twin of frontier/verdict.py and frontier/acceptance.py, at
   whatever prices are in force. */
import { short } from "../base/format.js";
import { runOf } from "./about.js";
import { AXES, limitWords } from "./axes.js";
import { bars, outOfOrder } from "./consistency.js";
import { curvesOf, leadersAt } from "./curves.js";
import { priceOf } from "./prices.js";
import { state } from "./state.js";
import { data, engineName, word } from "./study.js";

const { bounds } = data;
const ranked = (c) => c.origin !== "emulated";
const byCost = (x, y) => priceOf(x.a) / x.t - priceOf(y.a) / y.t;

/* The accelerators shown that meet a limit and have a price. */
const pricedAt = (panel, axis, value) =>
  leadersAt(panel, axis, value).filter((l) => priceOf(l.a) !== null && !state.off.has(l.a));

/* Why there is no verdict between two leaders of `leaders`; null where there is one. Switching an accelerator off
   does not mend its data, so `leaders` has it. */
export function withheldBetween(panel, axis, value, leaders, first, second) {
  const latency = AXES[axis].latency(value);
  const pairs = outOfOrder(leaders, curvesOf(panel, axis).filter(ranked), latency, data.order, bounds);
  const pair = pairs.find((one) => bars(one, first.a, second.a));
  return pair ? inconsistent(panel, limitWords(axis, value), pair) : unlike(panel, first, second, latency);
}

function inconsistent(panel, within, { better, worse, missing }) {
  const run = (l) =>
    `${l.a} ${engineName(l.curve.engine)} ${l.curve.software}, ${runOf(panel.points, l.curve.bestPoint(l.latency))}`;
  const reason = missing ? `; it has no points with ${engineName(missing)} there` : "";
  return (
    `inconsistent data: at ${within} ${better.a} serves ${short(better.t, 4)} tok/s/GPU and ${worse.a} ` +
    `${short(worse.t, 4)}, though ${better.a} has at least the hardware of ${worse.a}${reason} ` +
    `(runs: ${run(better)}; ${run(worse)})`
  );
}

/* The drafting of the points that a leader's value rests on, as indices of texts. */
const draftingOf = (panel, { curve }, latency) => curve.around(latency).map((i) => panel.points.spec[i]);

function unlike(panel, first, second, latency) {
  const [own, other] = [first, second].map((l) => draftingOf(panel, l, latency));
  const apart = data.drafting.unlike.map((pair) => [pair, [...pair].reverse()]).flat();
  const pair = apart.find(([a, b]) => own.includes(a) && other.includes(b));
  if (!pair) return null;
  return (
    `unlike acceptance: ${first.a} drafts with ${word(pair[0])} and ${second.a} with ${word(pair[1])}, more than ` +
    `${short(bounds.alike * 100)} % apart at the same K; measure both on the same text`
  );
}

/* Which of two leaders draft tokens without a stated acceptance length; null if neither does. */
export function acceptanceOf(panel, first, second, latency) {
  const methods = new Map(data.drafting.silent);
  const silent = [first, second].flatMap((l) =>
    draftingOf(panel, l, latency)
      .filter((text) => methods.has(text))
      .map((text) => `${l.a} (${methods.get(text)})`),
  );
  if (!silent.length) return null;
  const names = [...new Set(silent)].join(" and ");
  return `acceptance length not stated for ${names}; on another text the ranking may differ`;
}

/* Which accelerators led the winner until their own data end, well below the limit; null where none did. */
export function dataEndOf(panel, axis, latency, winner) {
  const ends = new Map();
  for (const c of curvesOf(panel, axis).filter(ranked)) ends.set(c.a, Math.max(ends.get(c.a) ?? 0, c.end));
  const led = [...ends].flatMap(([a, end]) => {
    if (a === winner.a || end * bounds.near >= latency || priceOf(a) === null || state.off.has(a)) return [];
    const value = AXES[axis].latency(end);
    const there = pricedAt(panel, axis, value);
    const [own, first] = [a, winner.a].map((name) => there.find((l) => l.a === name));
    if (first && byCost(own, first) > 0) return [];
    return [`${a} led until its data end, at ${short(value, 4)} ${AXES[axis].unit}`];
  });
  return led.join("; ") || null;
}

/* Why a limit 5 % away, or one load level less, would change the winner; null if it would not. */
export function fragileAt(panel, axis, value, winner, second) {
  for (const near of [value / bounds.near, value * bounds.near]) {
    const [first] = pricedAt(panel, axis, near).sort(byCost);
    if (!first || first.a !== winner.a) return "a limit 5 % away changes the winner";
  }
  const { curve, latency } = winner;
  const others = curvesOf(panel, axis).filter((c) => c.a === winner.a && c !== curve && ranked(c));
  const most = (curves) => Math.max(0, ...curves.map((c) => c.within(latency) ?? 0));
  const least = (priceOf(winner.a) / priceOf(second.a)) * second.t;
  for (const point of curve.around(latency))
    if (most([...others, ...curve.without([point])]) < least) return "one load level decides it";
  return null;
}
