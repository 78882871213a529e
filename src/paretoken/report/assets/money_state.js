/* What the reader has adjusted: the owner's inputs, the serving load, the rents; kept in the link. */
const market = data.money;
const PERCENT = new Set(["cost_of_capital_per_year", "sold_share", "load"]);

const operator = () => market.operators.find((o) => o.id === state.operator);
const ownerOf = (id) => operator().inputs[id];
const owned = () => data.accelerators.map((a) => a.id).filter((id) => ownerOf(id));
const ownedAndSelected = () => owned().filter((id) => !state.off.has(id));

/* The inputs of one accelerator, the reader's values over the operator's. */
function inputsOf(id) {
  const adjusted = market.adjustable.filter((key) => state[key] !== null).map((key) => [key, state[key]]);
  return { ...ownerOf(id).values, ...Object.fromEntries(adjusted) };
}

/* The ranges of the inputs that the reader has not adjusted: an adjusted value is certain, as in the files. */
const openRanges = (id) =>
  Object.fromEntries(Object.entries(ownerOf(id).ranges).filter(([key]) => (state[key] ?? null) === null));
const servingLoad = () => (state.load === null ? data.study.load : state.load);

/* The operator's own value of an input, of the first accelerator; undefined if it owns none. */
function operatorValue(key) {
  if (key === "load") return data.study.load;
  const [first] = owned();
  return first === undefined ? undefined : ownerOf(first).values[key];
}

/* Whether a value is possible for an input; the same rules as the library's. */
function allowed(key, value) {
  if (!Number.isFinite(value)) return false;
  if (key === "load") return value > 0 && value <= 1;
  const p = market.parameters[key];
  return (p.open ? value > p.least : value >= p.least) && (p.most === null || value <= p.most);
}

function settleMoney() {
  if (!operator()) state.operator = market.operator;
  if (!market.terms.includes(state.term)) state.term = DEFAULTS.term;
  for (const key of ADJUSTABLE) if (state[key] !== null && !allowed(key, state[key])) state[key] = null;
  const ids = owned();
  if (!ids.includes(state.tornadoOf))
    state.tornadoOf = ids.includes(state.reference) ? state.reference : ids[0] || "";
}

/* The market's cell of an accelerator at the selected term; null without one. */
const cellOf = (id) => (market.cells[id] && market.cells[id][state.term]) || null;

/* The rent of an accelerator at the term: what the reader typed, else the market's median, else null. */
function rentOf(id) {
  if (state.rents.has(id)) return state.rents.get(id);
  const cell = cellOf(id);
  return cell ? cell.median : null;
}

/* Throughput of each accelerator on the panel's grid, best origin first: id → Map(x → tok/s/GPU). */
function throughputs() {
  const byId = new Map();
  for (const line of linesOf(panel().axes[state.axis], "best")) {
    if (!byId.has(line.a)) byId.set(line.a, new Map());
    const at = byId.get(line.a);
    line.x.forEach((x, i) => {
      if (line.t[i] !== null) at.set(x, Math.max(at.get(x) || 0, line.t[i]));
    });
  }
  return byId;
}

/* The lowest and highest break-even rent of one accelerator against another's, where both have data; null without. */
function rentRange(rentOfOther, other, own) {
  if (!other || !own) return null;
  const rents = [...own]
    .filter(([x]) => other.has(x))
    .map(([x, t]) => Money.breakEvenRent(rentOfOther, other.get(x), t));
  return rents.length ? [Math.min(...rents), Math.max(...rents)] : null;
}
