/* Who has the cheapest tokens within a limit, and how firmly: the twin of frontier/verdict.py at one limit. */
import { limitWords } from "./axes.js";
import { daysApart } from "./consistency.js";
import { leadersAt } from "./curves.js";
import { acceptanceOf, dataEndOf, fragileAt, withheldBetween } from "./doubts.js";
import { breakEvenRent } from "./money.js";
import { costOf, priceOf } from "./prices.js";
import { limit, state } from "./state.js";
import { data, tariffs, word } from "./study.js";

const { bounds } = data;

/* The word for a margin: tie, likely or clear, with "few points" where a curve has under four and "predicted" where one is. */
export function confidence(margin, nPoints, origins) {
  const predicted = origins.includes("predicted");
  const [tie, likely] = predicted ? bounds.predicted : bounds.run;
  const words = [margin < tie ? "tie" : margin < likely ? "likely" : "clear"];
  if (nPoints < bounds.thin) words.push("few points");
  if (predicted) words.push("predicted");
  return words.join(", ");
}

/* The accelerators shown within a limit by cost, those without a price last:
   {ranked: [{a, curve, t, usd, point}], winner, second, margin, sure, fragile, withheld, dataEnd, acceptance,
   daysApart}. */
export function verdictAt(panel, axis = state.axis, value = limit()) {
  const leaders = leadersAt(panel, axis, value);
  const ranked = leaders
    .filter((l) => !state.off.has(l.a))
    .map((l) => ({ ...l, usd: costOf(l.a, l.t), point: l.curve.bestPoint(l.latency) }))
    .sort((x, y) => (x.usd ?? Infinity) - (y.usd ?? Infinity) || y.t - x.t);
  const [winner = null, second = null] = ranked.filter((l) => l.usd !== null);
  const verdict = { ...NONE, ranked, winner, second };
  if (!winner) return verdict;
  if (!second) return { ...verdict, sure: "uncontested" };
  const margin = second.usd / winner.usd - 1;
  const [own, other] = [winner.curve, second.curve];
  const priced = leaders.filter((l) => priceOf(l.a) !== null);
  return {
    ...verdict,
    margin,
    sure: confidence(margin, Math.min(own.x.length, other.x.length), [own.origin, other.origin]),
    fragile: fragileAt(panel, axis, value, winner, second),
    withheld: withheldBetween(panel, axis, value, priced, winner, second),
    dataEnd: dataEndOf(panel, axis, winner.latency, winner),
    acceptance: acceptanceOf(panel, winner, second, winner.latency),
    daysApart: daysApart(own, other),
  };
}

const NONE = Object.freeze({
  margin: null,
  sure: null,
  fragile: null,
  withheld: null,
  dataEnd: null,
  acceptance: null,
  daysApart: null,
});

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

/* The segments of a panel's verdict at the selected tier, as objects; none at other prices. */
export function segmentsOf(panel, axis = state.axis) {
  const verdict =
    panel.axes[axis] && tariffs.has(state.basis) && !state.prices.size && panel.axes[axis].verdicts[state.basis];
  const named = (s) => Object.fromEntries(SEGMENT.map((key, i) => [key, TEXTS.has(key) ? word(s[i]) : s[i]]));
  return verdict ? verdict.segments.map(named) : [];
}

/* The rent at which an accelerator's tokens cost what the winner's do; null where one of the two has no data. */
export function rentNeeded(verdict, a) {
  const own = verdict.ranked.find((l) => l.a === a);
  const { winner } = verdict;
  return own && winner && winner.a !== a ? breakEvenRent(priceOf(winner.a), winner.t, own.t) : null;
}

export const limitText = (axis = state.axis, value = limit()) => limitWords(axis, value);

/* The title of a chart whose verdict is withheld for a reason: `Verdict withheld at ≤ 20 s: inconsistent data`. */
export const withheldTitle = (reason, axis = state.axis, value = limit()) =>
  `Verdict withheld at ${limitText(axis, value)}: ${reason.split(":")[0]}`;
