/* The data, what is selected, and the link that keeps the selection. */
const data = JSON.parse(document.getElementById("data").textContent);
const word = (index) => (index === null || index === undefined ? null : data.text[index]);
const accelerators = new Map(data.accelerators.map((a) => [a.id, a]));
const tariffs = new Map(data.tariffs.map((t) => [t.id, t]));
const engineName = (id) => data.engines[id] || id;

/* The money inputs that the reader can adjust; null where the operator's own value holds. */
const ADJUSTABLE = Object.freeze([...data.money.adjustable, "load"]);
const openingPanel = data.panels[data.study.panel];
const DEFAULTS = Object.freeze({
  model: openingPanel.model,
  precision: openingPanel.precision,
  workload: openingPanel.workload,
  scenario: openingPanel.scenario,
  axis: "e2e",
  lines: "best",
  scale: "log",
  tier: data.tariffs[0].id,
  view: "t",
  reference: data.study.reference,
  rent: data.study.rent,
  operator: data.money.operator,
  tornadoOf: "",
  term: data.money.terms.includes("on-demand") ? "on-demand" : data.money.terms[0] || "",
  ...Object.fromEntries(ADJUSTABLE.map((key) => [key, null])),
});
/* What the reader selects. `absentReference` is the reference that the study or the link names while another stands
   in for it, because it has no points; null otherwise. */
const state = { ...DEFAULTS, off: new Set(), rents: new Map(), absentReference: null };

const AXIS = {
  e2e: { name: "end-to-end latency", title: "End-to-end latency, s", unit: "s", x: "e2e", error: true },
  interactivity: {
    name: "interactivity",
    title: "Interactivity, tok/s/user",
    unit: "tok/s/user",
    x: "inter",
    error: false,
  },
};
/* Keys of the selection that are numbers. */
const NUMERIC = new Set(["rent", ...ADJUSTABLE]);
const VIEWS = { t: "total", o: "output", i: "input" };

const isRent = (usd) => usd > 0 && Number.isFinite(usd);

const same = (a, b, keys) => keys.every((k) => a[k] === b[k]);
const KEYS = ["model", "precision", "workload", "scenario"];

/* The panel selected; a scenario that adds no point has none and shows the one it equals. */
function panel() {
  return data.panels.find((p) => same(p, state, KEYS)) || data.panels.find((p) => same(p, state, KEYS.slice(0, 3)));
}

/* The values of KEYS[i] that exist under the selection of the keys before it. */
function choices(i) {
  return unique(data.panels.filter((p) => same(p, state, KEYS.slice(0, i))).map((p) => p[KEYS[i]]));
}

/* Puts the nearest existing value where the selection names a panel that is not there. */
function settle() {
  for (let i = 0; i < 3; i++) {
    const values = choices(i);
    if (!values.includes(state[KEYS[i]])) state[KEYS[i]] = values[0];
  }
  const scenarios = unique(data.panels.map((p) => p.scenario));
  if (!scenarios.includes(state.scenario)) state.scenario = scenarios[0];
  if (!tariffs.has(state.tier)) state.tier = DEFAULTS.tier;
  if (!AXIS[state.axis]) state.axis = "e2e";
  if (!VIEWS[state.view]) state.view = "t";
  if (!accelerators.has(state.reference)) {
    state.absentReference = state.reference;
    state.reference = accelerators.has(DEFAULTS.reference) ? DEFAULTS.reference : data.accelerators[0].id;
  }
  if (!isRent(state.rent)) state.rent = DEFAULTS.rent;
}

function readLink() {
  const text = location.hash.slice(1);
  if (!text.includes("=")) return false;
  const parameters = new URLSearchParams(text);
  state.absentReference = null;
  for (const key of Object.keys(DEFAULTS)) {
    const value = parameters.get(key);
    state[key] = value === null ? DEFAULTS[key] : NUMERIC.has(key) ? Number(value) : value;
  }
  state.off = new Set((parameters.get("off") || "").split(",").filter((a) => accelerators.has(a)));
  const rents = [...accelerators.keys()].map((a) => [a, Number(parameters.get(`rent-${a}`))]);
  state.rents = new Map(rents.filter(([, rent]) => isRent(rent)));
  settle();
  return true;
}

/* What the link keeps; empty where nothing differs from the study's own. */
function selection() {
  const parameters = new URLSearchParams();
  const selected = { ...state, reference: state.absentReference || state.reference };
  for (const key of Object.keys(DEFAULTS)) if (selected[key] !== DEFAULTS[key]) parameters.set(key, selected[key]);
  if (state.off.size) parameters.set("off", [...state.off].join(","));
  for (const [a, rent] of state.rents) parameters.set(`rent-${a}`, rent);
  return parameters.toString();
}

function writeLink() {
  const text = selection();
  history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
}

const CENTS = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
const dollars = (v) =>
  v === null || v === undefined || !Number.isFinite(v)
    ? "–"
    : `$${v >= 1 ? v.toLocaleString("en-US", CENTS) : v.toPrecision(3)}`;
const margin = (m) =>
  m === null ? "–" : m >= 2 ? `×${(m + 1).toFixed(1)}` : `+${(m * 100).toFixed(m < 0.0995 ? 1 : 0)}\u00a0%`;
/* The cost of a million tokens at the selected tier and the study's serving load; null without price or throughput. */
const tierCost = (accelerator, tput) => {
  const usd = tariffs.get(state.tier).usd[accelerator];
  return usd && tput ? Money.usdPerMtok(usd, tput, data.study.load) : null;
};
