/* The controls of money and the decision table: own, rent, or another accelerator. */
import { byId, el, fill, table } from "../base/dom.js";
import { rate, short } from "../base/format.js";
import { breakEvenShare } from "./money.js";
import { allowed, cellOf, inputsOf, market, operatorValue, owned, ownerOf, ownerPrice, PERCENT } from "./owner.js";
import { basisName, inText, marketTerm, priceOf } from "./prices.js";
import { ADJUSTABLE, isPrice, panel, select, state } from "./state.js";
import { data } from "./study.js";
import { limitText, rentNeeded, verdictAt } from "./verdict.js";
import { who } from "./who.js";

export function drawDecide() {
  fill(
    "operator",
    market.operators.filter((o) => Object.keys(o.inputs).length).map((o) => [o.id, o.name]),
    state.operator,
  );
  fill(
    "tornadoOf",
    owned().map((id) => [id, id]),
    state.tornadoOf,
  );
  for (const key of ADJUSTABLE) drawInput(key);
  byId("money-note").textContent = moneyNote();
  drawDecision();
}

function drawInput(key) {
  const node = byId(`t-${key}`);
  const value = state[key] === null ? operatorValue(key) : state[key];
  if (document.activeElement !== node && value !== undefined)
    node.value = Number((value * (PERCENT.has(key) ? 100 : 1)).toPrecision(6));
}

function moneyNote() {
  const adjusted = ADJUSTABLE.filter((k) => state[k] !== null).map((k) =>
    k === "load" ? "serving load" : inText(market.parameters[k].title),
  );
  const without = data.accelerators
    .filter((a) => a.priced)
    .map((a) => a.id)
    .filter((id) => !owned().includes(id));
  const inputs = adjusted.length ? `Yours: ${adjusted.join(", ")}.` : "All inputs are the operator’s.";
  const use =
    state.basis === "owner"
      ? ""
      : " The serving load counts at every price basis, the other inputs once you choose “Owner’s cost” as the prices.";
  return `${inputs}${use}${without.length ? ` No owner’s inputs: ${without.join(", ")}.` : ""}`;
}

const td = (value, text) => el("td", text ? { class: "text" } : null, value);

function decisionRow(id, v) {
  const own = ownerOf(id) ? inputsOf(id) : null;
  const cell = cellOf(id, marketTerm());
  const rent = cell ? cell.median : null;
  const share = own && rent ? breakEvenShare(own, rent) : null;
  const needed = rentNeeded(v, id);
  const price = priceOf(id);
  return el(
    "tr",
    { "data-row": id },
    el("th", { scope: "row" }, who(id)),
    el("td", state.prices.has(id) ? { class: "yours" } : null, priceInput(id, price)),
    td(rate(ownerPrice(id))),
    td(cell ? `${rate(rent ?? cell.listed)}${rent === null ? " listed" : ""}` : "–"),
    td(share === null ? "–" : share > 1 ? "never" : `${short(share * 100, 2)} %`),
    td(rate(needed)),
    el("td", { class: "text long" }, verdictOf(id, v, needed, price)),
    el("td", { class: "text long" }, el("small", null, cell ? cell.evidence : "no market price")),
  );
}

function priceInput(id, price) {
  return el("input", {
    type: "number",
    min: "0.01",
    step: "0.05",
    inputmode: "decimal",
    "aria-label": `Price of ${id}, $ per GPU-hour`,
    "data-price": id,
    placeholder: "none",
    value: price === null ? "" : String(Number(price.toPrecision(5))),
  });
}

function verdictOf(id, v, needed, price) {
  if (!v.winner) return "nobody meets the limit";
  if (v.withheld && v.ranked.some((l) => l.a === id)) return "withheld: see the verdict above";
  if (id === v.winner.a) return "has the cheapest tokens";
  if (needed === null) return "no data within the limit";
  if (price === null) return `cheapest below ${rate(needed)}`;
  return `would have to cost ${short((1 - needed / price) * 100, 2)} % less`;
}

function drawDecision() {
  const p = panel();
  const v = verdictAt(p);
  byId("decide-note").textContent =
    `${p.modelName} ${p.precision.toUpperCase()}, ${p.workload}, ${limitText()}. Prices: ${basisName()}; type your own over them. ` +
    (marketTerm() ? `Market: ${marketTerm()}, newest price of ${market.newest}.` : "No market prices.");
  const ids = data.accelerators.filter((a) => a.priced && !state.off.has(a.id)).map((a) => a.id);
  const heads = [
    "Accelerator",
    "Price, $/GPU-h",
    "Owner’s cost",
    "Market",
    "Owning pays from, % of hours",
    "Needs, $/GPU-h",
    "Verdict",
    "Basis of the market price",
  ];
  const focused = document.activeElement?.dataset?.price;
  const rows = ids.map((id) => decisionRow(id, v));
  if (!focused) {
    byId("decide-table").replaceChildren(table("Own, rent, or another accelerator", heads, rows));
    return;
  }
  /* While a price is being typed its own input stays. */
  for (const next of rows) {
    const row = byId("decide-table").querySelector(`tr[data-row="${CSS.escape(next.dataset.row)}"]`);
    if (row) [...next.children].forEach((cell, i) => i > 1 && row.children[i].replaceWith(cell));
  }
}

export function wireDecide() {
  for (const id of ["operator", "tornadoOf"])
    byId(id).addEventListener("change", (event) => select({ [id]: event.target.value }));
  for (const key of ADJUSTABLE)
    byId(`t-${key}`).addEventListener("input", (event) => {
      const value = event.target.valueAsNumber / (PERCENT.has(key) ? 100 : 1);
      const good = allowed(key, value);
      event.target.setAttribute("aria-invalid", String(!good));
      if (good) select({ [key]: value });
    });
  byId("reset-inputs").addEventListener("click", () => {
    for (const key of ADJUSTABLE) byId(`t-${key}`).removeAttribute("aria-invalid");
    select(Object.fromEntries(ADJUSTABLE.map((key) => [key, null])));
  });
  byId("decide-table").addEventListener("input", (event) => {
    const id = event.target.dataset.price;
    const value = event.target.valueAsNumber;
    const good = isPrice(value);
    event.target.setAttribute("aria-invalid", String(!good && event.target.value !== ""));
    const prices = new Map(state.prices);
    if (good) prices.set(id, value);
    else if (event.target.value === "") prices.delete(id);
    else return;
    select({ prices });
  });
}
