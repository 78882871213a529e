/* The controls of money and the table that decides: own, rent, or the other accelerator. */
function drawMoneyControls() {
  fill("operator", money.operators.filter((o) => Object.keys(o.sets).length).map((o) => [o.id, o.name]), state.operator);
  fill("tornado-of", owned().map((id) => [id, id]), state.tornadoOf);
  fill("term", money.terms.map((t) => [t, t]), state.term);
  for (const key of TURNED) {
    const node = byId(`t-${key}`), value = state[key] === null ? setValue(key) : state[key];
    if (document.activeElement !== node && value !== undefined) node.value = Number((value * (PERCENT.has(key) ? 100 : 1)).toPrecision(6));
  }
  const moved = TURNED.filter((k) => state[k] !== null).map((k) => (k === "load" ? "serving load" : money.parameters[k].title.toLowerCase()));
  const bare = data.accelerators.map((a) => a.id).filter((id) => !owned().includes(id));
  byId("money-note").textContent = [
    moved.length ? `Turned away from the set: ${moved.join(", ")}.` : "All inputs stand as the set has them; their sources are below under “What a GPU-hour costs its owner”.",
    bare.length ? `No owner’s set: ${bare.join(", ")}.` : "",
  ].join(" ").trim();
}

/* Who should rent what, in the words of the library's `breakeven --market`. */
function rentVerdict(id, reference, range, price) {
  const [low, high] = range.map((r) => r.toFixed(2));
  if (price === null) return `no market price: cheaper than ${reference} below $${low} at every latency, above $${high} at none`;
  if (price <= range[0]) return `rent ${id} at every latency`;
  if (price >= range[1]) return `rent ${reference}; ${id} would have to cost $${high} or less`;
  return `rent ${id} where its break-even rent is above $${price.toFixed(2)}`;
}

function decideRow(id, speeds) {
  const own = operator().sets[id] ? inputsOf(id) : null;
  const rent = rentOf(id), reference = state.reference, base = rentOf(reference);
  const range = id === reference || base === null ? null : ratioRange(speeds.get(id), speeds.get(reference));
  const rents$ = range && range.map((r) => r * base);
  const share = own && rent ? breakEvenShare(own, rent) : null;
  const cell = money.cells[id] && money.cells[id][state.term];
  const input = el("input", { type: "number", min: "0.01", step: "0.05", inputmode: "decimal", "aria-label": `Rent of ${id}, $ per GPU-hour`, "data-rent": id, placeholder: "none", value: rent === null ? "" : String(Number(rent.toPrecision(5))) });
  return el("tr", { "data-row": id },
    el("th", { scope: "row" }, who(id)), td(own ? dollars(tcoTotal(own)) : "–"), el("td", null, input),
    td(share === null ? "–" : share > 1 ? "never" : `${short(share * 100, 2)} %`),
    td(rents$ ? `${dollars(rents$[0])} – ${dollars(rents$[1])}` : "–"),
    el("td", { class: "text long" }, rents$ ? rentVerdict(id, reference, rents$, rent) : id === reference ? "the reference" : base === null ? `${reference} has no rent here` : "no latency in common"),
    el("td", { class: "text long" }, el("small", null, state.rents.has(id) ? "your rent" : cell ? cell.thin + (cell.listed !== null ? ` (around $${cell.listed.toFixed(2)})` : "") : "no price found")));
}

function drawDecide() {
  const speeds = tputs(), axis = AXIS[state.axis], p = panel();
  const ids = data.accelerators.map((a) => a.id).filter((id) => !state.off.has(id) && (operator().sets[id] || speeds.has(id)));
  byId("decide-note").textContent = `${p.modelName}, ${p.precision.toUpperCase()}, ${p.workload}, at equal ${axis.name}; break-even against ${state.reference} (choose it above at “Break-even rent”). Rents are the market’s on ${money.at}, ${state.term || "no term"}; type your own over them.`;
  const heads = ["Accelerator", "Owner’s cost, $/GPU-h", "Rent, $/GPU-h", "Owning pays from, of hours", `Equals ${state.reference} at`, "So", "The rent rests on"];
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.rent : null;
  if (focused) return updateDecide(ids, speeds);
  const node = table("Own, rent, or the other one", heads, ids.map((id) => decideRow(id, speeds)), "figures");
  byId("decide").replaceChildren(node);
  return undefined;
}

/* While a rent is being typed its own input stays, everything else of the table is made new. */
function updateDecide(ids, speeds) {
  for (const id of ids) {
    const old = byId("decide").querySelector(`tr[data-row="${CSS.escape(id)}"]`), made = decideRow(id, speeds);
    [...made.children].forEach((cell, i) => { if (old && i !== 2 && i > 0) old.children[i].replaceWith(cell); });
  }
}

function drawMoney() {
  settleMoney();
  drawMoneyControls();
  drawDecide();
  drawTurned();
}
function turned() {
  settleMoney();
  writeLink();
  drawMoney();
}

for (const [id, key] of [["operator", "operator"], ["tornado-of", "tornadoOf"], ["term", "term"]]) {
  byId(id).addEventListener("change", (event) => { state[key] = event.target.value; turned(); });
}
for (const key of TURNED) {
  byId(`t-${key}`).addEventListener("input", (event) => {
    const value = event.target.valueAsNumber / (PERCENT.has(key) ? 100 : 1), good = allowed(key, value);
    event.target.setAttribute("aria-invalid", String(!good));
    if (good) { state[key] = value; turned(); }
  });
}
byId("turn-back").addEventListener("click", () => {
  for (const key of TURNED) { state[key] = null; byId(`t-${key}`).removeAttribute("aria-invalid"); }
  state.rents.clear();
  turned();
});
byId("decide").addEventListener("input", (event) => {
  const id = event.target.dataset.rent, value = event.target.valueAsNumber, good = isRent(value);
  event.target.setAttribute("aria-invalid", String(!good && event.target.value !== ""));
  if (good) state.rents.set(id, value);
  else if (event.target.value === "") state.rents.delete(id);
  writeLink();
  drawDecide();
  if (window.Plotly) drawHeld(isDark());
});
fill("outlook-of", money.outlooks.map((o, i) => [String(i), o.name]), "0");
for (const id of ["outlook-of", "outlook-what"]) byId(id).addEventListener("change", () => drawOutlook(isDark()));
