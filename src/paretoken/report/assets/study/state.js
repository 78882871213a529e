/* What the reader selects, and the link that keeps it. */
import { unique } from "../base/dom.js";
import { keepLink, linkParameters } from "../base/link.js";
import { AXES } from "./axes.js";
import { accelerators, data, tariffs } from "./study.js";

/* The money inputs that the reader can adjust; null where the operator's own value holds. */
export const ADJUSTABLE = Object.freeze([...data.money.adjustable, "load"]);
const opening = data.panels[data.study.panel];
export const VIEWS = { t: "all", o: "output", i: "input" };
const CHOICES = {
  axis: Object.keys(AXES),
  lines: ["best", "each"],
  scale: ["log", "linear"],
  view: Object.keys(VIEWS),
  measure: ["gpu", "mw"],
};
/* For a reference without points: an accelerator with a price and a curve in the opening panel, if there is one. */
function standIn() {
  const curves = opening.axes.interactivity.curves.map((c) => data.text[c.a]);
  return curves.find((a) => data.tariffs[0].usd[a]) ?? data.accelerators[0].id;
}
export const DEFAULTS = Object.freeze({
  model: opening.model,
  precision: opening.precision,
  workload: opening.workload,
  scenario: opening.scenario,
  axis: "interactivity",
  interactivity: data.study.limits.interactivity,
  e2e: data.study.limits.e2e,
  ttft: 2,
  lines: "best",
  scale: "log",
  basis: data.tariffs[0].id,
  view: "t",
  measure: "gpu",
  reference: accelerators.has(data.study.reference) ? data.study.reference : standIn(),
  operator: data.money.operator,
  tornadoOf: "",
  ...Object.fromEntries(ADJUSTABLE.map((key) => [key, null])),
});
const NUMERIC = new Set([...Object.keys(AXES), ...ADJUSTABLE]);

/* `prices` are the reader's own, USD per GPU-hour by accelerator; `off` the accelerators switched off. */
export const state = { ...DEFAULTS, off: new Set(), prices: new Map() };

export const isPrice = (usd) => usd > 0 && Number.isFinite(usd);
export const limit = () => state[state.axis];

const KEYS = ["model", "precision", "workload", "scenario"];
const same = (a, b, keys) => keys.every((k) => a[k] === b[k]);

/* The panel of a model, precision, workload and kind of serving; a scenario that adds no point has none of its own. */
const panelOf = (what) =>
  data.panels.find((p) => same(p, what, KEYS)) || data.panels.find((p) => same(p, what, KEYS.slice(0, 3)));
export const panel = () => panelOf(state);

/* One panel for each model, precision and workload: that of the scenario, else the one it equals. */
export const panelsShown = () =>
  data.panels
    .filter((p, i) => data.panels.findIndex((q) => same(p, q, KEYS.slice(0, 3))) === i)
    .map((p) => panelOf({ ...p, scenario: state.scenario }));

export const choices = (i) =>
  unique(data.panels.filter((p) => same(p, state, KEYS.slice(0, i))).map((p) => p[KEYS[i]]));

/* Puts the nearest existing value where the selection names something that is not there. */
function settle() {
  for (let i = 0; i < 3; i++) {
    const values = choices(i);
    if (!values.includes(state[KEYS[i]])) state[KEYS[i]] = values[0];
  }
  const scenarios = unique(data.panels.map((p) => p.scenario));
  if (!scenarios.includes(state.scenario)) [state.scenario] = scenarios;
  for (const [key, values] of Object.entries(CHOICES)) if (!values.includes(state[key])) state[key] = DEFAULTS[key];
  for (const key of Object.keys(AXES)) if (!isPrice(state[key])) state[key] = DEFAULTS[key];
  if (!tariffs.has(state.basis) && !["owner", ...data.money.terms.map((t) => `market:${t}`)].includes(state.basis))
    state.basis = DEFAULTS.basis;
  if (!accelerators.get(state.reference)?.priced) state.reference = DEFAULTS.reference;
  for (const settleMore of settlers) settleMore();
}

const settlers = [];
const listeners = [];
/* `settleMore` puts right what another module keeps in the state. */
export const onSettle = (settleMore) => settlers.push(settleMore);
/* `listener(changed keys)` runs after every change. */
export const onChange = (listener) => listeners.push(listener);

/* Changes the selection; charts and link follow. */
export function select(changes) {
  Object.assign(state, changes);
  settle();
  writeLink();
  for (const listener of listeners) listener(new Set(Object.keys(changes)));
}

export function readLink() {
  const parameters = linkParameters();
  if (!parameters) {
    settle();
    return null;
  }
  for (const key of Object.keys(DEFAULTS)) {
    const value = parameters.get(key);
    state[key] = value === null ? DEFAULTS[key] : NUMERIC.has(key) ? Number(value) : value;
  }
  state.off = new Set((parameters.get("off") || "").split(",").filter((a) => accelerators.has(a)));
  const prices = [...accelerators.keys()].map((a) => [a, Number(parameters.get(`price-${a}`))]);
  state.prices = new Map(prices.filter(([, usd]) => isPrice(usd)));
  settle();
  return parameters;
}

/* What the link keeps; empty where nothing differs from the study's own. */
export function selection() {
  const parameters = new URLSearchParams();
  for (const key of Object.keys(DEFAULTS)) if (state[key] !== DEFAULTS[key]) parameters.set(key, state[key]);
  if (state.off.size) parameters.set("off", [...state.off].join(","));
  for (const [a, usd] of state.prices) parameters.set(`price-${a}`, usd);
  return parameters.toString();
}

/* What is selected but for the limits. */
export function withoutLimits() {
  const parameters = new URLSearchParams(selection());
  for (const key of Object.keys(AXES)) parameters.delete(key);
  return parameters.toString();
}

export const writeLink = () => keepLink(selection());
