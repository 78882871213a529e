/* What the reader has turned: the owner's inputs, the serving load, the rents; kept in the link. */
const money = data.money;
const TURNED = [...money.turned, "load"];
const PERCENT = new Set(["cost_of_capital_per_year", "sold_share", "load"]);
Object.assign(DEFAULTS, { operator: money.operator, term: money.terms.includes("on-demand") ? "on-demand" : money.terms[0] || "", tornadoOf: "", ...Object.fromEntries(TURNED.map((k) => [k, null])) });
Object.assign(state, { ...DEFAULTS, off: state.off, rents: state.rents });
for (const key of TURNED) NUMERIC.add(key);

const operator = () => money.operators.find((o) => o.id === state.operator);
const owned = () => data.accelerators.map((a) => a.id).filter((id) => operator().sets[id]);
const shownOwned = () => owned().filter((id) => !state.off.has(id));

/* The inputs of one accelerator with what is turned laid over the operator's set. */
function inputsOf(id) {
  const turned = money.turned.filter((k) => state[k] !== null).map((k) => [k, state[k]]);
  return { ...operator().sets[id].values, ...Object.fromEntries(turned) };
}
/* What is turned is known, as a plain number in the library's files is: it has no range any more. */
const openRanges = (id) => Object.fromEntries(Object.entries(operator().sets[id].ranges).filter(([k]) => (state[k] ?? null) === null));
const loadShare = () => (state.load === null ? data.study.load : state.load);
const setValue = (key) => (key === "load" ? data.study.load : owned().length ? operator().sets[owned()[0]].values[key] : undefined);

/* Whether a value may stand for an input; the same rules as the library's. */
function allowed(key, value) {
  if (!Number.isFinite(value)) return false;
  if (key === "load") return value > 0 && value <= 1;
  const p = money.parameters[key];
  return (p.open ? value > p.least : value >= p.least) && (p.most === null || value <= p.most);
}

function settleMoney() {
  if (!operator()) state.operator = money.operator;
  if (!money.terms.includes(state.term)) state.term = DEFAULTS.term;
  for (const key of TURNED) if (state[key] !== null && !allowed(key, state[key])) state[key] = null;
  if (!owned().includes(state.tornadoOf)) state.tornadoOf = owned().includes(state.reference) ? state.reference : owned()[0] || "";
}

/* The rent of an accelerator at the term: what the reader typed, else the market's median, else none. */
const marketRent = (id) => (money.cells[id] && money.cells[id][state.term] ? money.cells[id][state.term].m : null);
const rentOf = (id) => (state.rents.has(id) ? state.rents.get(id) : marketRent(id));

/* Throughput of each accelerator on the panel's grid, best origin first: id → Map(x → tok/s/GPU). */
function tputs() {
  const found = new Map();
  for (const line of linesOf(panel().axes[state.axis], "best")) {
    if (!found.has(line.a)) found.set(line.a, new Map());
    line.x.forEach((x, i) => { if (line.t[i] !== null) found.get(line.a).set(x, Math.max(found.get(line.a).get(x) || 0, line.t[i])); });
  }
  return found;
}

/* The lowest and highest throughput of one accelerator over another's, where both have data; null without. */
function ratioRange(of, to) {
  if (!of || !to) return null;
  const ratios = [...of].filter(([x]) => to.has(x)).map(([x, t]) => t / to.get(x));
  return ratios.length ? [Math.min(...ratios), Math.max(...ratios)] : null;
}
