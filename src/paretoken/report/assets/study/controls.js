/* The bar of controls: what is compared, the one limit and the one price basis. */
import { byId, el, fill } from "../base/dom.js";
import { AXES } from "./axes.js";
import { bases, ownWords } from "./prices.js";
import { choices, limit, panel, select, state } from "./state.js";
import { accelerators, data } from "./study.js";

const STEPS = 200;

/* The slider is logarithmic: its place in steps ↔ the limit. */
const toStep = (value, [low, high]) => Math.round((Math.log(value / low) / Math.log(high / low)) * STEPS);
const toLimit = (step, [low, high]) => Number((low * (high / low) ** (step / STEPS)).toPrecision(2));

export function drawControls() {
  const named = new Map(data.panels.map((p) => [p.model, p.modelName]));
  const titled = new Map(data.panels.map((p) => [p.scenario, p.scenarioShort]));
  fill(
    "model",
    choices(0).map((m) => [m, named.get(m)]),
    state.model,
  );
  fill(
    "precision",
    choices(1).map((v) => [v, v.toUpperCase()]),
    state.precision,
  );
  fill(
    "workload",
    choices(2).map((v) => [v, v]),
    state.workload,
  );
  fill("scenario", [...titled], state.scenario);
  fill(
    "axis",
    Object.entries(AXES).map(([id, a]) => [id, a.name]),
    state.axis,
  );
  fill("basis", bases(), state.basis);
  for (const id of ["lines", "scale", "view", "measure"]) byId(id).value = state[id];
  fill(
    "reference",
    data.accelerators.filter((a) => a.priced).map((a) => [a.id, a.id]),
    state.reference,
  );
  const axis = AXES[state.axis];
  byId("limit").value = toStep(limit(), axis.range);
  byId("limit").setAttribute("aria-valuetext", `${axis.limit} ${limit()} ${axis.unit}`);
  if (document.activeElement !== byId("limit-value")) byId("limit-value").value = limit();
  byId("limit-sign").textContent = axis.sign;
  byId("limit-unit").textContent = axis.unit;
  drawOwnPrices();
  drawChips();
}

/* Says that the reader's own prices or serving load are in force, on the whole page. */
function drawOwnPrices() {
  const own = ownWords();
  byId("own-prices").hidden = own.length === 0;
  byId("own-prices").firstElementChild.textContent = own.join(", ");
}

/* Buttons are kept, not rebuilt, so that the keyboard's focus stays where it is. */
function drawChips() {
  const group = byId("accelerators");
  if (!group.children.length) group.append(...data.accelerators.map(chip));
  const here = new Set(panel().points.a.map((i) => data.text[i]));
  for (const button of group.children) {
    const id = button.dataset.accelerator;
    button.setAttribute("aria-pressed", String(!state.off.has(id)));
    button.classList.toggle("absent", !here.has(id));
    button.hidden = !here.has(id) && !accelerators.get(id).priced;
  }
}

function chip(a) {
  const button = el(
    "button",
    { type: "button", "data-accelerator": a.id, title: a.name },
    el("i", { "aria-hidden": "true" }, a.glyph),
    a.id,
  );
  button.style.setProperty("--c", a.light);
  button.style.setProperty("--cd", a.dark);
  return button;
}

export function wireControls() {
  for (const id of [
    "model",
    "precision",
    "workload",
    "scenario",
    "axis",
    "basis",
    "lines",
    "scale",
    "view",
    "measure",
    "reference",
  ])
    byId(id)?.addEventListener("change", (event) => select({ [id]: event.target.value }));
  byId("limit").addEventListener("input", (event) =>
    select({ [state.axis]: toLimit(Number(event.target.value), AXES[state.axis].range) }),
  );
  byId("limit-value").addEventListener("input", (event) => {
    const value = event.target.valueAsNumber;
    const good = value > 0 && Number.isFinite(value);
    event.target.setAttribute("aria-invalid", String(!good));
    if (good) select({ [state.axis]: value });
  });
  byId("clear-prices").addEventListener("click", () => select({ prices: new Map(), load: null }));
  byId("accelerators").addEventListener("click", (event) => {
    const button = event.target.closest("button[data-accelerator]");
    if (!button) return;
    const off = new Set(state.off);
    if (!off.delete(button.dataset.accelerator)) off.add(button.dataset.accelerator);
    select({ off });
  });
  for (const form of document.querySelectorAll("form"))
    form.addEventListener("submit", (event) => event.preventDefault());
}
