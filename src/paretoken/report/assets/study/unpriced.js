/* Runs on accelerators without any price, such as the reader's own machine: a strip of their own beside the ranking. */
import { byId, el } from "../base/dom.js";
import { short } from "../base/format.js";
import { panelsShown, select } from "./state.js";
import { accelerators, word } from "./study.js";

const isPriced = (a) => accelerators.get(a).priced;

/* Whether a panel has an accelerator that can be ranked by cost. */
export const ranks = (p) => p.points.a.some((a) => isPriced(word(a)));

/* The best throughput of each accelerator without a price, by panel: [{p, a, t}]. */
function unpriced(panels) {
  return panels.flatMap((p) => {
    const best = new Map();
    p.points.a.forEach((index, i) => {
      const a = word(index);
      if (!isPriced(a)) best.set(a, Math.max(best.get(a) ?? 0, p.points.t[i]));
    });
    return [...best].map(([a, t]) => ({ p, a, t }));
  });
}

export function drawUnpriced() {
  const runs = unpriced(panelsShown());
  const node = byId("unpriced");
  node.hidden = runs.length === 0;
  const button = ({ p, a, t }) => {
    const text = `${a}: ${p.modelName} ${p.precision.toUpperCase()}, ${p.workload}, up to ${short(t)} tok/s/GPU`;
    const own = el("button", { type: "button", class: "quiet" }, text);
    own.addEventListener("click", () => {
      select({ model: p.model, precision: p.precision, workload: p.workload });
      byId("four").scrollIntoView();
    });
    return own;
  };
  node.replaceChildren("Without a price, not ranked: ", ...runs.map(button));
}
