/* The owner's inputs with what the reader adjusts, and the rental market. */
import { itKw, ownerTotal } from "./money.js";
import { ADJUSTABLE, DEFAULTS, onSettle, state } from "./state.js";
import { data } from "./study.js";

export const market = data.money;
export const PERCENT = new Set(["cost_of_capital_per_year", "sold_share", "load"]);

export const operator = () => market.operators.find((o) => o.id === state.operator);
export const ownerOf = (id) => operator().inputs[id];
export const owned = () => data.accelerators.map((a) => a.id).filter((id) => ownerOf(id));

/* The inputs of one accelerator, the reader's values over the operator's. */
export function inputsOf(id) {
  const adjusted = market.adjustable.filter((key) => state[key] !== null).map((key) => [key, state[key]]);
  return { ...ownerOf(id).values, ...Object.fromEntries(adjusted) };
}

/* The ranges of the inputs that the reader has not adjusted: an adjusted value is certain, as in the files. */
export const openRanges = (id) =>
  Object.fromEntries(Object.entries(ownerOf(id).ranges).filter(([key]) => (state[key] ?? null) === null));

export const servingLoad = () => (state.load === null ? data.study.load : state.load);
export const ownerPrice = (id) => (ownerOf(id) ? ownerTotal(inputsOf(id)) : null);

/* The operator's own value of an input, of the first accelerator; undefined if it owns none. */
export function operatorValue(key) {
  if (key === "load") return data.study.load;
  const [first] = owned();
  return first === undefined ? undefined : ownerOf(first).values[key];
}

/* Whether a value is possible for an input; the same rules as the library's. */
export function allowed(key, value) {
  if (!Number.isFinite(value)) return false;
  if (key === "load") return value > 0 && value <= 1;
  const p = market.parameters[key];
  return (p.open ? value > p.least : value >= p.least) && (p.most === null || value <= p.most);
}

/* The market's cell of an accelerator at a term, and its median rent; null without one. */
export const cellOf = (id, term) => (market.cells[id] && market.cells[id][term]) || null;
export const marketPrice = (id, term) => cellOf(id, term)?.median ?? null;

onSettle(() => {
  if (!operator()) state.operator = DEFAULTS.operator;
  for (const key of ADJUSTABLE) if (state[key] !== null && !allowed(key, state[key])) state[key] = null;
  const ids = owned();
  if (!ids.includes(state.tornadoOf)) state.tornadoOf = ids.includes(state.reference) ? state.reference : ids[0] || "";
});

/* Power of a GPU with its share of everything at the utility's meter, kW: of the owner's inputs where they are the
   prices, else as `compare` takes it; null where it is not known. */
export function kwOf(id) {
  if (state.basis !== "owner") return stated().kw[id] ?? null;
  return ownerOf(id) ? itKw(inputsOf(id)) * inputsOf(id).pue : null;
}

/* What that power is made of, in words. */
export function powerBasis() {
  if (state.basis !== "owner") return stated().basis;
  return `utility power: IT power times PUE ${state.pue ?? operatorValue("pue")} (${operator().name}’s inputs)`;
}

/* The power that goes with a price tier; rented GPUs stand in the sites of those who rent them out. */
const stated = () => data.power[state.basis] || data.power.market;
