/* The controls of money and the decision table: own, rent, or another accelerator. */
function drawMoneyControls() {
  fill(
    "operator",
    market.operators.filter((o) => Object.keys(o.inputs).length).map((o) => [o.id, o.name]),
    state.operator,
  );
  fill(
    "tornado-of",
    owned().map((id) => [id, id]),
    state.tornadoOf,
  );
  fill(
    "term",
    market.terms.map((t) => [t, t]),
    state.term,
  );
  for (const key of ADJUSTABLE) {
    const node = byId(`t-${key}`),
      value = state[key] === null ? operatorValue(key) : state[key];
    if (document.activeElement !== node && value !== undefined)
      node.value = Number((value * (PERCENT.has(key) ? 100 : 1)).toPrecision(6));
  }
  const adjusted = ADJUSTABLE.filter((k) => state[k] !== null).map((k) =>
    k === "load" ? "serving load" : market.parameters[k].title.toLowerCase(),
  );
  const withoutInputs = data.accelerators.map((a) => a.id).filter((id) => !owned().includes(id));
  byId("money-note").textContent = [
    adjusted.length
      ? `Adjusted: ${adjusted.join(", ")}.`
      : "All inputs are the operator’s; their sources are below under “What a GPU-hour costs its owner”.",
    withoutInputs.length ? `No owner’s inputs: ${withoutInputs.join(", ")}.` : "",
  ]
    .join(" ")
    .trim();
}

/* Which of the two to rent, in the words of the library's `breakeven --market`. */
function rentVerdict(id, reference, range, price) {
  const [low, high] = range.map((r) => r.toFixed(2));
  if (price === null)
    return `no market price: cheaper than ${reference} below $${low} at every limit, above $${high} at none`;
  if (price <= range[0]) return `rent ${id} at every limit`;
  if (price >= range[1]) return `rent ${reference}; ${id} would have to cost $${high} or less`;
  return `rent ${id} where its break-even rent is above $${price.toFixed(2)}`;
}

function decisionRow(id, speeds) {
  const own = ownerOf(id) ? inputsOf(id) : null;
  const rent = rentOf(id),
    reference = state.reference,
    base = rentOf(reference);
  const range = id === reference || base === null ? null : rentRange(base, speeds.get(reference), speeds.get(id));
  const share = own && rent ? Money.breakEvenShare(own, rent) : null;
  const cell = cellOf(id);
  const input = el("input", {
    type: "number",
    min: "0.01",
    step: "0.05",
    inputmode: "decimal",
    "aria-label": `Rent of ${id}, $ per GPU-hour`,
    "data-rent": id,
    placeholder: "none",
    value: rent === null ? "" : String(Number(rent.toPrecision(5))),
  });
  return el(
    "tr",
    { "data-row": id },
    el("th", { scope: "row" }, who(id)),
    td(own ? dollars(Money.ownerTotal(own)) : "–"),
    el("td", null, input),
    td(share === null ? "–" : share > 1 ? "never" : `${short(share * 100, 2)} %`),
    td(range ? `${dollars(range[0])} – ${dollars(range[1])}` : "–"),
    el(
      "td",
      { class: "text long" },
      range
        ? rentVerdict(id, reference, range, rent)
        : id === reference
          ? "the reference"
          : base === null
            ? `${reference} has no rent here`
            : "no limit in common",
    ),
    el(
      "td",
      { class: "text long" },
      el(
        "small",
        null,
        state.rents.has(id)
          ? "your rent"
          : cell
            ? cell.evidence + (cell.listed !== null ? ` (around $${cell.listed.toFixed(2)})` : "")
            : "no price found",
      ),
    ),
  );
}

function drawDecision() {
  const speeds = throughputs(),
    axis = AXIS[state.axis],
    p = panel();
  const ids = data.accelerators
    .map((a) => a.id)
    .filter((id) => !state.off.has(id) && (ownerOf(id) || speeds.has(id)));
  byId("decide-note").textContent =
    `${p.modelName}, ${p.precision.toUpperCase()}, ${p.workload}, within the same limit of ${axis.name}; ` +
    `break-even against ${state.reference} (choose it above at “Break-even rent”). ` +
    `Rents are the market’s, ${state.term || "no term"}` +
    `${market.newest ? `, the newest price of ${market.newest}` : ""}; type your own over them.`;
  const heads = [
    "Accelerator",
    "Owner’s cost, $/GPU-h",
    "Rent, $/GPU-h",
    "Owning pays from, of hours",
    `Equals ${state.reference} at`,
    "Verdict",
    "Basis of the rent",
  ];
  const focused =
    document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.rent : null;
  if (focused) return updateDecision(ids, speeds);
  const node = table(
    "Own, rent, or another accelerator",
    heads,
    ids.map((id) => decisionRow(id, speeds)),
    "figures",
  );
  byId("decide").replaceChildren(node);
  return undefined;
}

/* While a rent is being typed its own input stays; every other cell of the table is replaced. */
function updateDecision(ids, speeds) {
  for (const id of ids) {
    const row = byId("decide").querySelector(`tr[data-row="${CSS.escape(id)}"]`),
      next = decisionRow(id, speeds);
    [...next.children].forEach((cell, i) => {
      if (row && i !== 2 && i > 0) row.children[i].replaceWith(cell);
    });
  }
}

function drawMoney() {
  settleMoney();
  drawMoneyControls();
  drawDecision();
  drawAdjusted();
}
function adjusted() {
  settleMoney();
  writeLink();
  drawMoney();
}

for (const [id, key] of [
  ["operator", "operator"],
  ["tornado-of", "tornadoOf"],
  ["term", "term"],
]) {
  byId(id).addEventListener("change", (event) => {
    state[key] = event.target.value;
    adjusted();
  });
}
for (const key of ADJUSTABLE) {
  byId(`t-${key}`).addEventListener("input", (event) => {
    const value = event.target.valueAsNumber / (PERCENT.has(key) ? 100 : 1),
      good = allowed(key, value);
    event.target.setAttribute("aria-invalid", String(!good));
    if (good) {
      state[key] = value;
      adjusted();
    }
  });
}
byId("reset-inputs").addEventListener("click", () => {
  for (const key of ADJUSTABLE) {
    state[key] = null;
    byId(`t-${key}`).removeAttribute("aria-invalid");
  }
  state.rents.clear();
  adjusted();
});
byId("decide").addEventListener("input", (event) => {
  const id = event.target.dataset.rent,
    value = event.target.valueAsNumber,
    good = isRent(value);
  event.target.setAttribute("aria-invalid", String(!good && event.target.value !== ""));
  if (good) state.rents.set(id, value);
  else if (event.target.value === "") state.rents.delete(id);
  writeLink();
  drawDecision();
  if (window.Plotly) drawMarketRent(isDark());
});
fill(
  "outlook-of",
  market.outlooks.map((o, i) => [String(i), o.name]),
  "0",
);
for (const id of ["outlook-of", "outlook-what"]) byId(id).addEventListener("change", () => drawOutlook(isDark()));
