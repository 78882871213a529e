/* The one price basis of the page, and what tokens cost at it. */
import { rate, short } from "../base/format.js";
import { usdPerMtok } from "./money.js";
import { market, marketPrice, operator, ownerPrice, servingLoad } from "./owner.js";
import { ADJUSTABLE, state } from "./state.js";
import { data, tariffs } from "./study.js";

/* Every basis to choose from: [id, name]. */
export const bases = () => [
  ...data.tariffs.map((t) => [t.id, `${t.name} (${t.set})`]),
  ...data.money.terms.map((term) => [`market:${term}`, `Rental market, ${term}`]),
  ["owner", `Owner’s cost: ${operator().name}`],
];

/* The basis in force, with what the reader has typed and the serving load. */
export function basisName() {
  const name = new Map(bases()).get(state.basis) || state.basis;
  return [name, ...yours(), ...loadWords()].join(", ");
}

const share = (load) => `${short(load * 100)} %`;
const loadWords = () => (servingLoad() < 1 ? [`serving load ${share(servingLoad())}`] : []);

/* The reader's own inputs and prices that are in force, in words. */
function yours() {
  const inputs = ADJUSTABLE.filter((key) => key !== "load" && state[key] !== null && state.basis === "owner");
  const titles = inputs.map((key) => inText(market.parameters[key].title));
  return [...(titles.length ? [`with your ${titles.join(", ")}`] : []), ...priceWords()];
}

/* A title within a sentence: `cost of capital`, but `PUE`. */
export const inText = (title) => (/^[A-Z]{2}/.test(title) ? title : title.charAt(0).toLowerCase() + title.slice(1));

function priceWords() {
  const prices = [...state.prices].map(([a, usd]) => `${a} ${rate(usd)}`);
  return prices.length ? [`with your price of ${prices.join(", ")}`] : [];
}

/* What the reader has set that counts on the whole page at every basis: prices and the serving load. */
export const ownWords = () => [
  ...priceWords(),
  ...(state.load === null ? [] : [`with your serving load of ${share(state.load)}`]),
];

/* The accelerators of a list that have no price at the selected basis. */
export const unpricedOf = (names) => names.filter((a) => priceOf(a) === null);

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
