/* Who has the cheapest tokens within a limit, and how firmly: the twin of frontier/verdict.py at one limit. */
import { AXES } from "./axes.js";
import { curvesOf, leadersAt } from "./curves.js";
import { breakEvenRent } from "./money.js";
import { costOf, priceOf } from "./prices.js";
import { limit, state } from "./state.js";
import { data, tariffs, word } from "./study.js";

const { bounds } = data;

/* The word for a margin: tie, likely or clear, with "thin" where a curve has few points and "predicted" where one is. */
export function confidence(margin, nPoints, origins) {
  const predicted = origins.includes("predicted");
  const [tie, likely] = predicted ? bounds.predicted : bounds.run;
  const words = [margin < tie ? "tie" : margin < likely ? "likely" : "clear"];
  if (nPoints < bounds.thin) words.push("thin");
  if (predicted) words.push("predicted");
  return words.join(", ");
}

/* All accelerators within a limit by cost, those without a price last:
   {ranked: [{a, curve, t, usd, point}], winner, second, margin, sure, fragile, withheld, dataEnd}. */
export function verdictAt(panel, axis = state.axis, value = limit()) {
  const ranked = leadersAt(panel, axis, value)
    .map((l) => ({ ...l, usd: costOf(l.a, l.t), point: l.curve.bestPoint(l.latency) }))
    .sort((x, y) => (x.usd ?? Infinity) - (y.usd ?? Infinity) || y.t - x.t);
  const [winner, second] = ranked.filter((l) => l.usd !== null);
  const none = {
    ranked,
    winner: null,
    second: null,
    margin: null,
    sure: null,
    fragile: null,
    withheld: null,
    dataEnd: null,
  };
  if (!winner) return none;
  if (!second) return { ...none, winner, sure: "uncontested" };
  const margin = second.usd / winner.usd - 1;
  const stated = segmentAt(panel, axis, value);
  return {
    ...none,
    winner,
    second,
    margin,
    sure: confidence(margin, Math.min(winner.curve.x.length, second.curve.x.length), [
      winner.curve.origin,
      second.curve.origin,
    ]),
    fragile: fragileAt(panel, axis, value, winner, second),
    withheld: stated ? stated.withheld : null,
    dataEnd: stated && stated.winner === winner.a ? stated.dataEnd : null,
    acceptance: stated ? stated.acceptance : null,
    daysApart: stated ? stated.daysApart : null,
  };
}

/* Why a limit 5 % away, or one load level less, would change the winner; null if it would not. */
function fragileAt(panel, axis, value, winner, second) {
  for (const near of [value / bounds.near, value * bounds.near]) {
    const [first] = leadersAt(panel, axis, near)
      .filter((l) => priceOf(l.a))
      .sort((x, y) => priceOf(x.a) / x.t - priceOf(y.a) / y.t);
    if (!first || first.a !== winner.a) return "a limit 5 % away changes the winner";
  }
  const { curve, latency } = winner;
  const others = curvesOf(panel, axis).filter((c) => c.a === winner.a && c !== curve && c.origin !== "emulated");
  const most = (curves) => Math.max(0, ...curves.map((c) => c.within(latency) ?? 0));
  const least = (priceOf(winner.a) / priceOf(second.a)) * second.t;
  for (const point of curve.around(latency))
    if (most([...others, ...curve.without([point])]) < least) return "one load level decides it";
  return null;
}

const SEGMENT = [
  "low",
  "high",
  "winner",
  "engine",
  "origin",
  "second",
  "margin",
  "least",
  "most",
  "sure",
  "n",
  "fragile",
  "withheld",
  "daysApart",
  "dataEnd",
  "acceptance",
];
const TEXTS = new Set(["winner", "engine", "origin", "second", "sure", "fragile", "withheld", "dataEnd", "acceptance"]);

/* The segments of a panel's verdict at the selected tier, as objects; none for a price basis that is no tier. */
export function segmentsOf(panel, axis = state.axis) {
  const verdict = panel.axes[axis] && tariffs.has(state.basis) && panel.axes[axis].verdicts[state.basis];
  const named = (s) => Object.fromEntries(SEGMENT.map((key, i) => [key, TEXTS.has(key) ? word(s[i]) : s[i]]));
  return verdict ? verdict.segments.map(named) : [];
}

/* What the study says of a limit beyond what the page can work out, at the tier that it priced. */
function segmentAt(panel, axis, value) {
  const within = (s) => value >= Math.min(s.low, s.high) && value <= Math.max(s.low, s.high);
  return state.prices.size ? null : segmentsOf(panel, axis).find(within) || null;
}

/* The rent at which an accelerator's tokens cost what the winner's do; null where one of the two has no data. */
export function rentNeeded(verdict, a) {
  const own = verdict.ranked.find((l) => l.a === a);
  const { winner } = verdict;
  return own && winner && winner.a !== a ? breakEvenRent(priceOf(winner.a), winner.t, own.t) : null;
}

export const limitText = (axis = state.axis, value = limit()) =>
  `${AXES[axis].sign} ${value.toLocaleString("en-US", { maximumSignificantDigits: 3 })} ${AXES[axis].unit}`;
