/* Plots of money: the stack, the tornado, the band, the index, the term structure, the outlook. */
const COMPONENT_INK = {
  all_in: ["#1f6fd0", "#6fb1ff"], server: ["#3d5a80", "#98b4dc"], network: ["#0b8793", "#3fd0d8"], storage: ["#6455c8", "#b3a8ff"], install: ["#7b8794", "#a9b1bc"],
  residual: ["#b9c2cc", "#4a535d"], site: ["#c27100", "#ffbe55"], colocation: ["#c27100", "#ffbe55"], electricity: ["#d9480f", "#ff8a4c"],
  remote_hands: ["#4f8a10", "#96d35f"], internet: ["#0b6b3a", "#37b877"], support: ["#6f7f12", "#c3d14e"], software: ["#9b1616", "#ff6464"],
};

/* A value with its unit, as short as a label needs. */
function withUnit(x, unit) {
  if (unit === "1/year") return `${short(x * 100, 3)} %/year`;
  if (unit.startsWith("share")) return `${short(x * 100, 3)} %`;
  if (unit.startsWith("USD")) return `$${short(x, 4)}${unit.slice(3)}`;
  return unit === "×" ? `×${short(x, 4)}` : `${short(x, 4)} ${unit}`;
}

/* The narrowest range in which every label, `px` wide outside the end it stands at, fits on an axis of `width`. */
function rangeAround(lefts, rights, width) {
  const perPx = Math.max(...lefts.flatMap((l) => rights.map((r) => (r.at - l.at) / Math.max(width - l.px - r.px, 40))));
  return [Math.min(...lefts.map((l) => l.at - l.px * perPx)), Math.max(...rights.map((r) => r.at + r.px * perPx))];
}

function paint(id, traces, layout, description) {
  const node = byId(id);
  if (!node) return null;
  const onPaper = printing || printMedia.matches;
  node.setAttribute("aria-label", description);
  return Plotly.react(node, traces, { ...layout, ...(onPaper ? PRINT : {}) }, config);
}
const plain = (ink, title, extra) => ({ title: { text: title, standoff: 8, font: { size: 12, color: ink.muted } }, gridcolor: ink.rule, linecolor: ink.edge, tickcolor: ink.edge, zeroline: false, ticks: "outside", ticklen: 4, showline: true, ...extra });
const foot = { orientation: "h", y: -0.2, x: 0, font: { size: 11 } };

function drawStack(dark) {
  const ink = inks(dark), ids = shownOwned(), stacks = ids.map((id) => tcoStack(inputsOf(id)));
  const used = money.components.filter(([key]) => stacks.some((s) => Math.abs(s[key]) > 1e-12));
  const traces = used.map(([key, title]) => ({
    type: "bar", orientation: "h", name: title, meta: { component: key }, y: ids, x: stacks.map((s) => s[key]), marker: { color: COMPONENT_INK[key][dark ? 1 : 0] },
    hovertemplate: `<b>%{y}</b> ${title}: $%{x:.4f}<extra></extra>`,
  }));
  const totals = ids.map((id) => tcoTotal(inputsOf(id)));
  const layout = {
    ...look(ink), barmode: "relative", showlegend: true, legend: foot, margin: { l: 66, r: 46, t: 10, b: 84 },
    xaxis: plain(ink, "$ per GPU-hour", { range: [Math.min(0, ...stacks.map((s) => s.residual)) * 1.05, Math.max(...totals, 0.1) * 1.15] }), yaxis: plain(ink, "", { autorange: "reversed", ticks: "", automargin: true }),
    annotations: ids.map((id, i) => ({ x: totals[i] + Math.abs(Math.min(0, stacks[i].residual)), y: id, text: dollars(totals[i]), showarrow: false, xanchor: "left", xshift: 4, font: { size: 11, color: ink.ink } })),
  };
  return paint("plot-stack", traces, layout, `Owner's cost of a GPU-hour: ${ids.map((id, i) => `${id} ${dollars(totals[i])}`).join(", ")}`);
}

function drawTornado(dark) {
  const ink = inks(dark), id = state.tornadoOf;
  if (!id) return null;
  const v = inputsOf(id), base = tcoTotal(v), swings = tornado(v, openRanges(id));
  const width = printing || printMedia.matches ? PRINT.width : byId("plot-tornado").clientWidth;
  const name = (s) => money.parameters[s.name].title;
  const value = (s, key) => withUnit(s[key], money.parameters[s.name].unit);
  const side = (key, at, color) => ({
    type: "bar", orientation: "h", name: key === "low" ? "at its low" : "at its high", meta: { side: key }, y: swings.map(name), base, x: swings.map((s) => s[at] - base), marker: { color },
    customdata: swings.map((s) => [s[at], value(s, key)]), hovertemplate: "<b>%{y}</b> %{customdata[1]}: $%{customdata[0]:.4f}<extra></extra>",
  });
  /* Left of the cheaper end and right of the dearer one: also where a value is at its bound and has no bar. */
  const end = (s, key, at, sign) => ({ s, at: sign < 0 ? Math.min(at, base) : Math.max(at, base), text: value(s, key), px: 6 * value(s, key).length + 8, sign });
  const ends = swings.flatMap((s) => { const sign = s.atLow < s.atHigh ? -1 : 1; return [end(s, "low", s.atLow, sign), end(s, "high", s.atHigh, -sign)]; });
  const layout = {
    ...look(ink), barmode: "overlay", showlegend: true, legend: foot, margin: { l: 126, r: 12, t: 10, b: 84 },
    xaxis: plain(ink, `$ per GPU-hour of ${id}`, { range: swings.length ? rangeAround(ends.filter((e) => e.sign < 0), ends.filter((e) => e.sign > 0), width - 138) : [0, base * 1.2] }), yaxis: plain(ink, "", { autorange: "reversed", ticks: "" }),
    shapes: [{ type: "line", x0: base, x1: base, yref: "paper", y0: 0, y1: 1, line: { color: ink.edge, width: 1 } }],
    annotations: ends.map((e) => ({ x: e.at, y: name(e.s), text: e.text, showarrow: false, xanchor: e.sign < 0 ? "right" : "left", xshift: 3 * e.sign, borderpad: 0, font: { size: 10, color: ink.muted } })),
  };
  return paint("plot-tornado", [side("low", "atLow", dark ? "#6fb1ff" : "#1f6fd0"), side("high", "atHigh", dark ? "#ff8a4c" : "#d9480f")], layout,
    `${id} costs ${dollars(base)} per GPU-hour; the widest swing is ${swings[0] ? `${money.parameters[swings[0].name].title}, ${dollars(swings[0].atLow)} to ${dollars(swings[0].atHigh)}` : "none"}`);
}

/* The line is the cost with every input at its value, the band P5 to P95 of it, throughput uncertain too. */
function drawBand(dark) {
  const load = loadShare(), traces = [];
  for (const line of linesOf(panel().axes[state.axis], "best").filter((l) => operator().sets[l.a] && !state.off.has(l.a))) {
    const usd = tcoTotal(inputsOf(line.a)), bands = operator().sets[line.a].bands, [p5, p95] = bands[word(line.r)] || bands.published, color = tint(line.a, dark);
    const at = (factor) => line.t.map((t) => (t === null ? null : usdPerMtok(usd * factor, t, load)));
    const meta = { a: line.a, kind: "band" };
    traces.push({ type: "scatter", mode: "lines", x: line.x, y: at(p5), meta, line: { width: 0 }, hoverinfo: "skip", showlegend: false });
    traces.push({ type: "scatter", mode: "lines", x: line.x, y: at(p95), meta, line: { width: 0 }, fill: "tonexty", fillcolor: `${color}26`, hoverinfo: "skip", showlegend: false });
    traces.push({ ...lineTrace(line, at(1), dark, hoverLine("$%{y:.3~r} per million tokens")), meta: { a: line.a, kind: "line", best: true } });
  }
  byId("band-note").textContent = `${operator().name}; band: P5 to P95 over all inputs of the GPU-hour and the throughput; it keeps its relative width when you turn one. Serving load ${short(load * 100)} %.`;
  return paintOverLatency("plot-band", traces, "$ per million total tokens", "No owner’s cost for the accelerators that have data here", `Cost per million tokens to this owner for ${unique(traces.map((t) => t.meta.a)).join(", ") || "no accelerator"}`, dark);
}

/* Solid: the rent at which each equals the reference at its rent. Dotted: what it costs. Dotted below solid: it is the cheaper. */
function drawHeld(dark) {
  const speeds = tputs(), to = speeds.get(state.reference), base = rentOf(state.reference), traces = [];
  for (const line of linesOf(panel().axes[state.axis], "best").filter((l) => l.a !== state.reference && !state.off.has(l.a) && to && base !== null)) {
    const y = line.x.map((x, i) => (line.t[i] === null || !to.has(x) ? null : (base * line.t[i]) / to.get(x)));
    const met = line.x.filter((_, i) => y[i] !== null), rent = rentOf(line.a), color = tint(line.a, dark);
    if (!met.length) continue;
    traces.push({ ...lineTrace(line, y, dark, hoverLine("break-even rent $%{y:.3~r}/GPU-h")), meta: { a: line.a, kind: "line", best: true } });
    if (rent !== null) traces.push({ type: "scatter", mode: "lines", x: [met[0], met[met.length - 1]], y: [rent, rent], name: line.a, meta: { a: line.a, kind: "rent" }, showlegend: false, line: { color, width: 1.4, dash: "dot" }, hovertemplate: `<b>${escapeText(line.a)}</b> rents at $%{y:.3~r}/GPU-h<extra></extra>` });
  }
  byId("held-note").textContent = base === null ? `${state.reference} has no rent at this term: type one in the table.` : `Solid: the rent at which each equals ${state.reference} at ${dollars(base)}/GPU-h. Dotted: what it rents at. Where the dotted line is the lower, its tokens are the cheaper.`;
  return paintOverLatency("plot-held", traces, "$ per GPU-hour", "Nothing to hold against the market here", `Break-even rent and market rent of ${unique(traces.map((t) => t.meta.a)).join(", ") || "no accelerator"}`, dark);
}

/* Lines over the latency axis, labelled at their ends where there is room, else in a legend. */
function paintOverLatency(id, traces, yTitle, none, description, dark) {
  const ink = inks(dark), log = state.scale === "log", node = byId(id);
  const x = axisLayout(AXIS[state.axis].title, log, rangeOf(traces, "x", log), ink), y = axisLayout(yTitle, log, rangeOf(traces, "y", log), ink);
  const layout = { ...look(ink), margin: { l: 66, r: 12, t: 10, b: 46 }, xaxis: x, yaxis: y, annotations: [] };
  const size = printing || printMedia.matches ? PRINT : { width: node.clientWidth, height: node.clientHeight };
  if (traces.length) traces = nameLines(traces, layout, size);
  else layout.annotations = [{ text: none, showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5, font: { color: ink.muted, size: 14 } }];
  return paint(id, traces, layout, description);
}

function drawIndex(dark) {
  const ink = inks(dark), ids = Object.keys(money.index);
  const traces = ids.flatMap((id) => {
    const s = money.index[id], color = tint(id, dark);
    const hover = s.period.map((p, i) => `<b>${escapeText(id)}</b> ${p}<br>chained $${s.index[i]}, median $${s.median[i]}<br>${s.n[i]} providers, ${s.linked[i]} link it to the quarter before`);
    const gaps = s.linked.map((n, i) => i > 0 && n === 0);
    const x = [], y = [], text = [];
    s.day.forEach((day, i) => { if (gaps[i]) { x.push(day); y.push(null); text.push(""); } x.push(day); y.push(s.index[i]); text.push(hover[i]); });
    return [
      { type: "scatter", mode: "lines+markers", x, y, text, hovertemplate: "%{text}<extra></extra>", name: id, meta: { a: id, kind: "chained" }, line: { color, width: 2.2 }, marker: { color, symbol: accelerators.get(id).symbol, size: 8 }, connectgaps: false },
      { type: "scatter", mode: "lines", x: s.day, y: s.median, name: `${id} median`, meta: { a: id, kind: "median" }, line: { color, width: 1.2, dash: "dot" }, hoverinfo: "skip", showlegend: false },
    ];
  });
  const layout = { ...look(ink), showlegend: true, legend: foot, margin: { l: 50, r: 12, t: 10, b: 84 }, xaxis: plain(ink, ""), yaxis: plain(ink, "$ per GPU-hour", { rangemode: "tozero" }) };
  return paint("plot-index", traces, layout, `Rent on demand by quarter for ${ids.join(", ")}`);
}

function drawTerms(dark) {
  const ink = inks(dark), terms = money.ratios.map(([term]) => term);
  const traces = [
    { type: "bar", x: terms, y: money.ratios.map(([, r]) => r), meta: { kind: "median" }, marker: { color: dark ? "#3a4553" : "#cfd8e3" }, hovertemplate: "<b>%{x}</b>: median %{y:.2f} of on-demand<extra></extra>" },
    { type: "scatter", mode: "markers", x: money.ratios.flatMap(([t, , by]) => Object.keys(by).map(() => t)), y: money.ratios.flatMap(([, , by]) => Object.values(by)), text: money.ratios.flatMap(([, , by]) => Object.keys(by).map(escapeText)), meta: { kind: "seller" }, marker: { color: dark ? "#6fb1ff" : "#1f6fd0", size: 7, opacity: 0.8 }, hovertemplate: "<b>%{text}</b> %{x}: %{y:.2f} of on-demand<extra></extra>" },
  ];
  const layout = { ...look(ink), margin: { l: 50, r: 12, t: 10, b: 46 }, xaxis: plain(ink, ""), yaxis: plain(ink, "of the rent on demand", { range: [0, 1.08] }), shapes: [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: 1, y1: 1, line: { color: ink.edge, width: 1, dash: "dot" } }] };
  return paint("plot-terms", traces, layout, money.ratios.map(([t, r]) => `${t} ${short(r)} of on-demand`).join(", ") || "no ratios");
}

function drawOutlook(dark) {
  const ink = inks(dark), chosen = money.outlooks[Number(byId("outlook-of").value) || 0];
  if (!chosen) return null;
  const what = byId("outlook-what").value;
  const traces = chosen.lines.map((l) => {
    const own = accelerators.has(l.a), color = own ? tint(l.a, dark) : ink.muted;
    return { type: "scatter", mode: "lines+markers", x: l.day, y: l[what], name: l.a, meta: { a: l.a, kind: "scenario" }, line: { color, width: 2, dash: "dash", shape: "hv" }, marker: { color, symbol: `${own ? accelerators.get(l.a).symbol : "square"}-open`, size: 8 }, hovertemplate: `<b>${escapeText(l.a)}</b>, scenario, from %{x}: $%{y:.3~r}<extra></extra>` };
  });
  const layout = { ...look(ink), showlegend: true, legend: foot, margin: { l: 66, r: 12, t: 26, b: 84 }, xaxis: plain(ink, ""), yaxis: plain(ink, what === "cost" ? "$ per million tokens" : `rent that equals ${chosen.reference}, $/GPU-h`, { rangemode: "tozero" }), annotations: [{ text: "SCENARIO", showarrow: false, xref: "paper", yref: "paper", x: 0, y: 1.08, font: { size: 11, color: ink.muted } }] };
  return paint("plot-outlook", traces, layout, `Scenario ${chosen.name}: ${chosen.lines.map((l) => l.a).join(", ")}`);
}

/* What an input or the selection moves, and what neither does. */
function drawTurned() {
  if (!window.Plotly) return;
  for (const drawn of [drawStack, drawTornado, drawBand, drawHeld]) drawn(isDark());
}
function drawMoneyPlots() {
  if (!window.Plotly) return;
  drawTurned();
  for (const drawn of [drawIndex, drawTerms, drawOutlook]) drawn(isDark());
}
