/* The answer in dollars for the selected model and workload, at the limit and price basis in force. */
import { byId, el } from "../base/dom.js";
import { dollars, more, rate } from "../base/format.js";
import { priceOf, unpricedOf } from "./prices.js";
import { panel } from "./state.js";
import { accelerators } from "./study.js";
import { limitText, rentNeeded, verdictAt } from "./verdict.js";
import { who } from "./who.js";

/* The cheapest accelerator of another vendor than the winner's; null where none meets the limit. */
export function rivalOf(verdict) {
  const vendor = (a) => accelerators.get(a).vendor;
  return verdict.ranked.find((l) => l.usd !== null && vendor(l.a) !== vendor(verdict.winner.a)) || null;
}

/* Why the winner stands alone: who else meets the limit has no price, or nobody does. */
function aloneWords(verdict) {
  const unpriced = unpricedOf(verdict.ranked.map((l) => l.a));
  return unpriced.length
    ? `. No other accelerator with a price meets this limit; no price: ${unpriced.join(", ")}.`
    : ". Nobody else meets this limit.";
}

export function drawAnswer() {
  const p = panel();
  const v = verdictAt(p);
  const node = byId("answer-dollars");
  const subject = `${p.modelName} ${p.precision.toUpperCase()}, ${p.workload}, ${limitText()}: `;
  if (!v.winner) {
    node.replaceChildren(subject, "no accelerator with a price meets this limit.");
    return;
  }
  const rival = rivalOf(v) || v.second;
  const needed = rival && !v.withheld && rentNeeded(v, rival.a);
  node.replaceChildren(
    subject,
    who(v.winner.a),
    " makes a million tokens for ",
    el("b", null, dollars(v.winner.usd)),
    ...(needed
      ? [
          ", ",
          who(rival.a),
          ` for ${dollars(rival.usd)} (${more(rival.usd / v.winner.usd - 1)}). To equal that, ${rival.a} would have to cost `,
          el("b", null, rate(needed)),
          ` per GPU-hour instead of ${rate(priceOf(rival.a))}.`,
        ]
      : v.withheld
        ? [`. Verdict withheld: ${v.withheld}.`]
        : [aloneWords(v)]),
    ...(v.fragile && !v.withheld ? [` Fragile: ${v.fragile}.`] : []),
  );
}
