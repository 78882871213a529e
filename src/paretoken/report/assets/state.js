/* The data, what is selected, and the link that keeps the selection. */
const data = JSON.parse(document.getElementById("data").textContent);
const word = (index) => (index === null || index === undefined ? null : data.text[index]);
const accelerators = new Map(data.accelerators.map((a) => [a.id, a]));
const tariffs = new Map(data.tariffs.map((t) => [t.id, t]));
const engineName = (id) => data.engines[id] || id;

const first = data.panels[data.study.panel];
const DEFAULTS = {
  model: first.model, precision: first.precision, workload: first.workload, scenario: first.scenario, axis: "e2e", lines: "best", scale: "log", tier: data.tariffs[0].id,
  view: "t", reference: data.study.reference, rent: data.study.rent,
};
const state = { ...DEFAULTS, off: new Set(), rents: new Map() };

/* The reference that the study or the link asks for while another stands in for it, having points; null otherwise. */
let absent = null;

const AXIS = {
  e2e: { name: "end-to-end latency", title: "End-to-end latency, s", unit: "s", x: "e2e", error: true },
  interactivity: { name: "interactivity", title: "Interactivity, tok/s/user", unit: "tok/s/user", x: "inter", error: false },
};
/* Keys of the selection that are numbers; null where the page's own default holds. */
const NUMERIC = new Set(["rent"]);
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
    const have = choices(i);
    if (!have.includes(state[KEYS[i]])) state[KEYS[i]] = have[0];
  }
  const scenarios = unique(data.panels.map((p) => p.scenario));
  if (!scenarios.includes(state.scenario)) state.scenario = scenarios[0];
  if (!tariffs.has(state.tier)) state.tier = DEFAULTS.tier;
  if (!AXIS[state.axis]) state.axis = "e2e";
  if (!VIEWS[state.view]) state.view = "t";
  if (!accelerators.has(state.reference)) {
    absent = state.reference;
    state.reference = accelerators.has(DEFAULTS.reference) ? DEFAULTS.reference : data.accelerators[0].id;
  }
  if (!isRent(state.rent)) state.rent = DEFAULTS.rent;
}

function readLink() {
  const text = location.hash.slice(1);
  if (!text.includes("=")) return false;
  const given = new URLSearchParams(text);
  absent = null;
  for (const key of Object.keys(DEFAULTS)) {
    const value = given.get(key);
    state[key] = value === null ? DEFAULTS[key] : NUMERIC.has(key) ? Number(value) : value;
  }
  state.off = new Set((given.get("off") || "").split(",").filter((a) => accelerators.has(a)));
  state.rents = new Map([...accelerators.keys()].map((a) => [a, Number(given.get(`rent-${a}`))]).filter(([, rent]) => isRent(rent)));
  settle();
  return true;
}

/* What the link keeps; empty where nothing differs from the study's own. */
function selection() {
  const given = new URLSearchParams(), asked = { ...state, reference: absent || state.reference };
  for (const key of Object.keys(DEFAULTS)) if (asked[key] !== DEFAULTS[key]) given.set(key, asked[key]);
  if (state.off.size) given.set("off", [...state.off].join(","));
  for (const [a, rent] of state.rents) given.set(`rent-${a}`, rent);
  return given.toString();
}

function writeLink() {
  const text = selection();
  history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
}

const dollars = (v) =>
  v === null || v === undefined || !Number.isFinite(v) ? "–"
    : `$${v >= 1 ? v.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 }) : v.toPrecision(3)}`;
const margin = (m) => (m === null ? "–" : m >= 2 ? `×${(m + 1).toFixed(1)}` : `+${(m * 100).toFixed(m < 0.0995 ? 1 : 0)}\u00a0%`);
const cost = (accelerator, tput) => {
  const usd = tariffs.get(state.tier).usd[accelerator];
  return usd && tput ? usd / (tput * 0.0036) / data.study.load : null;
};
