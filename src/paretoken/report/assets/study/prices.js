/* The one price basis of the page, and what tokens cost at it. */
import { rate } from "../base/format.js";
import { usdPerMtok } from "./money.js";
import { marketPrice, ownerPrice, servingLoad } from "./owner.js";
import { state } from "./state.js";
import { data, tariffs } from "./study.js";

/* Every basis to choose from: [id, name]. */
export const bases = () => [
  ...data.tariffs.map((t) => [t.id, `${t.name} (${t.set})`]),
  ...data.money.terms.map((term) => [`market:${term}`, `Rental market, ${term}`]),
  ["owner", "Owner’s cost, your inputs"],
];

/* The basis in force, with the prices that the reader has typed. */
export function basisName() {
  const own = [...state.prices].map(([a, usd]) => `${a} ${rate(usd)}`);
  const name = new Map(bases()).get(state.basis) || state.basis;
  return own.length ? `${name}, with your price of ${own.join(", ")}` : name;
}

/* USD per GPU-hour of an accelerator at the selected basis, the reader's own price first; null where there is none. */
export function priceOf(a) {
  if (state.prices.has(a)) return state.prices.get(a);
  if (state.basis === "owner") return ownerPrice(a);
  if (state.basis.startsWith("market:")) return marketPrice(a, state.basis.slice("market:".length));
  return tariffs.get(state.basis).usd[a] ?? null;
}

/* USD per million tokens at a throughput, tok/s/GPU; null without price or throughput. */
export function costOf(a, tput) {
  const usd = priceOf(a);
  return usd && tput ? usdPerMtok(usd, tput, servingLoad()) : null;
}

/* The term of the rental market that is shown beside other prices. */
export const marketTerm = () =>
  state.basis.startsWith("market:")
    ? state.basis.slice("market:".length)
    : data.money.terms.includes("on-demand")
      ? "on-demand"
      : data.money.terms[0];
