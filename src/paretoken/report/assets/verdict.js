/* The verdict of the panel as tables. */
function who(id) {
  const a = accelerators.get(id);
  if (!a) return el("span", { class: "who" }, id);
  const node = el("span", { class: "who" }, el("i", { "aria-hidden": "true" }, a.glyph), id);
  node.style.setProperty("--c", a.light);
  node.style.setProperty("--cd", a.dark);
  return node;
}
function table(label, heads, rows, className) {
  const kind = (i) =>
    rows[0] && (i === 0 || rows[0].children[i].classList.contains("text"))
      ? { scope: "col", class: "text" }
      : { scope: "col" };
  return el(
    "div",
    { class: "scroll", role: "region", "aria-label": label, tabindex: "0" },
    el(
      "table",
      { class: className || "figures" },
      el("thead", null, el("tr", null, ...heads.map((h, i) => el("th", kind(i), h)))),
      el("tbody", null, ...rows),
    ),
  );
}
const td = (value, text) => el("td", text ? { class: "text" } : null, value);
const unit = () => AXIS[state.axis].unit;
const range = (a, b) =>
  short(a) === short(b) ? `${short(a)} ${unit()}` : `${short(Math.min(a, b))}–${short(Math.max(a, b))} ${unit()}`;

const STALE_DAYS = 90;
const daysApart = (days) => (days > STALE_DAYS ? `software ${days} days apart` : null);
const doubts = (...words) => words.filter(Boolean).join("; ");
const long = (text) => el("td", { class: "text long" }, text);

function segmentRow(s) {
  const [low, high, winner, engine, origin, second, mid, least, most, sure, n, fragile, withheld, days, dataEnd, acceptance] = s;
  const limits = el("th", { scope: "row" }, range(low, high));
  if (withheld !== null) {
    const none = [td("–", true), td("–"), td("–")];
    const reason = [td("–", true), long(word(withheld)), td(String(n)), td("–", true)];
    return el("tr", { class: "minor" }, limits, td("withheld", true), ...none, ...reason);
  }
  return el(
    "tr",
    null,
    limits,
    el("td", { class: "text" }, who(word(winner))),
    td(engineName(word(engine)), true),
    td(second === null ? "–" : margin(mid)),
    td(second === null ? "–" : `${margin(least)} … ${margin(most)}`),
    el("td", { class: "text" }, second === null ? "nobody else meets it" : who(word(second))),
    long(
      doubts(
        word(sure),
        fragile === null ? null : `fragile: ${word(fragile)}`,
        dataEnd === null ? null : `not settled: ${word(dataEnd)}`,
        acceptance === null ? null : word(acceptance),
        daysApart(days),
      ),
    ),
    td(String(n)),
    td(word(origin), true),
  );
}

function segmentTable(verdict) {
  return table(
    "Winner by range of limits",
    [
      state.axis === "e2e" ? "Limit, at most" : "Limit, at least",
      "Cheapest tokens",
      "Engine",
      "Margin, median",
      "least … most",
      "Over",
      "How sure",
      "Points",
      "Origin",
    ],
    verdict.segments.map(segmentRow),
    "figures verdicts",
  );
}

function crossings(verdict) {
  if (!verdict.crossovers.length) return null;
  const [before, after] = state.axis === "e2e" ? ["below", "above"] : ["above", "below"];
  const text = verdict.crossovers.map(
    ([at, first, then]) => `at ${short(at)} ${unit()} (${word(first)} ${before}, ${word(then)} ${after})`,
  );
  return el("p", { class: "note" }, `The lead changes ${text.join(", ")}.`);
}

const [A, E, R, T, O, I, E2E, INTER, BASIS, RUN, SOFTWARE, DATE, SOURCE, N, BETWEEN, RUN_T, RUN_E2E, RUN_INTER] =
  Array(18).keys();

/* A figure interpolated between points is marked. */
const near = (row, text) => (row[BETWEEN] && text !== "–" ? `≈ ${text}` : text);

/* The point to run: one of those around the limit that meets it. */
function runText(row) {
  const own = state.axis === "e2e" ? row[RUN_E2E] : row[RUN_INTER];
  const cost = tierCost(word(row[A]), row[RUN_T]);
  const gives = cost === null ? `${short(row[RUN_T], 4)} tok/s/GPU` : dollars(cost);
  return `${word(row[RUN])}: ${gives} at ${short(own)} ${unit()}`;
}

function softwareText(row) {
  const day = word(row[DATE]);
  const software = /^\d/.test(word(row[SOFTWARE])) ? word(row[SOFTWARE]) : `(${word(row[SOFTWARE])})`;
  return `${engineName(word(row[E]))} ${software}${day && !day.includes("..") ? `, ${day}` : ""}`;
}

function candidateRow(row, best, minor) {
  const total = tierCost(word(row[A]), row[T]);
  return el(
    "tr",
    minor ? { class: "minor" } : null,
    el("th", { scope: "row" }, who(word(row[A]))),
    td(softwareText(row), true),
    td(near(row, dollars(total))),
    td(total && best ? (total === best ? "cheapest" : margin(total / best - 1)) : "–"),
    td(near(row, dollars(tierCost(word(row[A]), row[O])))),
    td(near(row, short(row[T], 4))),
    td(state.axis === "e2e" ? short(row[INTER]) : short(row[E2E])),
    long(runText(row)),
    td(state.axis === "e2e" || row[E2E] !== null ? word(row[BASIS]) || "–" : "–", true),
    td(word(row[R]), true),
    td(`${word(row[SOURCE])}, ${row[N]} points`, true),
  );
}

const limitText = (at) => `${limitWord()} ${short(at)} ${unit()}`;

function markSummary(mark, order) {
  const first = mark.rows[order.ranked[0]];
  const head = `${state.axis === "e2e" ? "At most" : "At least"} ${short(mark.at)} ${unit()}: `;
  const price = tierCost(word(first[A]), first[T]);
  if (order.withheld !== null) return el("summary", null, head, "verdict withheld");
  if (price === null) return el("summary", null, head, "no price for the accelerators that have data");
  const second = order.ranked.length > 1 && order.margin !== null ? mark.rows[order.ranked[1]] : null;
  const turns = order.fragile === null ? "" : " (fragile)";
  return el(
    "summary",
    null,
    head,
    who(word(first[A])),
    ` ${near(first, dollars(price))} per million tokens`,
    second
      ? el("span", null, `, then ${word(second[A])} ${margin(order.margin)}${turns}`)
      : el("span", null, ", nobody else has a price and data"),
  );
}

function markDetails(mark, open) {
  const order = mark.tiers[state.tier];
  if (!order || !order.ranked.length) return null;
  const best = tierCost(word(mark.rows[order.ranked[0]][A]), mark.rows[order.ranked[0]][T]);
  const other = state.axis === "e2e" ? "tok/s/user" : "E2E, s";
  const heads = [
    "Accelerator",
    "Engine, software",
    "$/M tokens",
    "Against it",
    "$/M output",
    "tok/s/GPU",
    other,
    "A point that was run",
    "E2E basis",
    "Origin",
    "Source",
  ];
  const rows = [
    ...order.ranked.map((i) => candidateRow(mark.rows[i], best, false)),
    ...order.others.map((i) => candidateRow(mark.rows[i], best, true)),
  ];
  const sure = doubts(
    order.withheld,
    order.withheld === null && order.margin !== null ? order.confidence : null,
    order.fragile === null || order.withheld !== null ? null : `fragile: ${order.fragile}`,
    order.dataEnd === null || order.withheld !== null ? null : `not settled: ${order.dataEnd}`,
    order.withheld !== null ? null : order.acceptance,
    daysApart(order.daysApart),
  );
  const node = el(
    "details",
    null,
    markSummary(mark, order),
    sure ? el("p", { class: "note" }, `${sure}.`) : null,
    table(`Comparison, ${limitText(mark.at)}`, heads, rows),
    mark.no.length
      ? el(
          "ul",
          { class: "why", "aria-label": "Accelerators that do not meet the limit" },
          ...mark.no.map(([a, why]) => el("li", null, `${word(a)}: ${word(why)}`)),
        )
      : null,
  );
  node.open = open;
  return node;
}

function drawVerdict() {
  const p = panel();
  const axis = p.axes[state.axis];
  const verdict = axis.verdicts[state.tier];
  const tariff = tariffs.get(state.tier);
  const title = el(
    "h3",
    null,
    `${p.modelName}, ${p.precision.toUpperCase()}, ${p.workload}: who has the cheapest tokens`,
  );
  const basis = el(
    "p",
    { class: "note" },
    `${p.scenarioTitle}; same limit of ${AXIS[state.axis].name}; priced as ${tariff.name} (TCO set ${tariff.set}).`,
  );
  const parts = [title, basis];
  byId("subject").textContent =
    `${p.modelName}, ${p.precision.toUpperCase()}, ${p.workload}. ${basis.textContent} ` +
    `Break-even against ${state.reference} at ${dollars(state.rent)}/GPU-h.`;
  if (!verdict || !verdict.segments.length)
    parts.push(el("p", null, "No accelerator with a price has a curve on this axis."));
  else {
    parts.push(segmentTable(verdict), crossings(verdict));
    parts.push(
      el("h4", null, "At one limit"),
      el(
        "p",
        { class: "note" },
        "What is faster meets a limit too. ≈ marks a figure interpolated between two points.",
      ),
    );
    const middle = Math.floor((axis.marks.length - 1) / 2);
    parts.push(...axis.marks.map((m, i) => markDetails(m, i === middle)));
  }
  byId("verdict").replaceChildren(...parts.filter(Boolean));
}
