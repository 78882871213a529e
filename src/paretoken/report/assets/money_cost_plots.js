/* Plots of the owner's cost: the stack, the tornado, the band, and break-even rents against the market. */
const COMPONENT_INK = {
  all_in: ["#1f6fd0", "#6fb1ff"],
  server: ["#3d5a80", "#98b4dc"],
  network: ["#0b8793", "#3fd0d8"],
  storage: ["#6455c8", "#b3a8ff"],
  install: ["#7b8794", "#a9b1bc"],
  residual: ["#b9c2cc", "#4a535d"],
  site: ["#c27100", "#ffbe55"],
  colocation: ["#c27100", "#ffbe55"],
  electricity: ["#d9480f", "#ff8a4c"],
  remote_hands: ["#4f8a10", "#96d35f"],
  internet: ["#0b6b3a", "#37b877"],
  support: ["#6f7f12", "#c3d14e"],
  software: ["#9b1616", "#ff6464"],
};

/* A value with its unit, as short as a label needs. */
function withUnit(x, unit) {
  if (unit === "1/year") return `${short(x * 100, 3)} %/year`;
  if (unit.startsWith("share")) return `${short(x * 100, 3)} %`;
  if (unit.startsWith("USD")) return `$${short(x, 4)}${unit.slice(3)}`;
  return unit === "×" ? `×${short(x, 4)}` : `${short(x, 4)} ${unit}`;
}

/* The narrowest range in which every label, `px` wide outside its end, fits on an axis of `width`. */
function rangeAround(lefts, rights, width) {
  const perPx = Math.max(
    ...lefts.flatMap((l) => rights.map((r) => (r.at - l.at) / Math.max(width - l.px - r.px, 40))),
  );
  return [Math.min(...lefts.map((l) => l.at - l.px * perPx)), Math.max(...rights.map((r) => r.at + r.px * perPx))];
}

function drawStack(dark) {
  const ink = inks(dark),
    ids = ownedAndSelected(),
    stacks = ids.map((id) => Money.ownerStack(inputsOf(id)));
  const used = market.components.filter(([key]) => stacks.some((s) => Math.abs(s[key]) > 1e-12));
  const traces = used.map(([key, title]) => ({
    type: "bar",
    orientation: "h",
    name: title,
    meta: { component: key },
    y: ids,
    x: stacks.map((s) => s[key]),
    marker: { color: COMPONENT_INK[key][dark ? 1 : 0] },
    hovertemplate: `<b>%{y}</b> ${title}: $%{x:.4f}<extra></extra>`,
  }));
  const totals = ids.map((id) => Money.ownerTotal(inputsOf(id)));
  const layout = {
    ...look(ink),
    barmode: "relative",
    showlegend: true,
    legend: foot,
    margin: { l: 66, r: 46, t: 10, b: 84 },
    xaxis: plain(ink, "$ per GPU-hour", {
      range: [Math.min(0, ...stacks.map((s) => s.residual)) * 1.05, Math.max(...totals, 0.1) * 1.15],
    }),
    yaxis: plain(ink, "", { autorange: "reversed", ticks: "", automargin: true }),
    annotations: ids.map((id, i) => ({
      x: totals[i] + Math.abs(Math.min(0, stacks[i].residual)),
      y: id,
      text: dollars(totals[i]),
      showarrow: false,
      xanchor: "left",
      xshift: 4,
      font: { size: 11, color: ink.ink },
    })),
  };
  return paint(
    "plot-stack",
    traces,
    layout,
    `Owner's cost of a GPU-hour: ${ids.map((id, i) => `${id} ${dollars(totals[i])}`).join(", ")}`,
  );
}

const swingText = (s) => `${market.parameters[s.name].title}, ${dollars(s.atLow)} to ${dollars(s.atHigh)}`;

function drawTornado(dark) {
  const ink = inks(dark),
    id = state.tornadoOf;
  if (!id) return null;
  const v = inputsOf(id),
    base = Money.ownerTotal(v),
    swings = Money.tornado(v, openRanges(id));
  const width = onPaper() ? PRINT.width : byId("plot-tornado").clientWidth;
  const name = (s) => market.parameters[s.name].title;
  const value = (s, key) => withUnit(s[key], market.parameters[s.name].unit);
  const side = (key, at, color) => ({
    type: "bar",
    orientation: "h",
    name: key === "low" ? "at its low" : "at its high",
    meta: { side: key },
    y: swings.map(name),
    base,
    x: swings.map((s) => s[at] - base),
    marker: { color },
    customdata: swings.map((s) => [s[at], value(s, key)]),
    hovertemplate: "<b>%{y}</b> %{customdata[1]}: $%{customdata[0]:.4f}<extra></extra>",
  });
  /* Left of the lower end and right of the higher one: also where a value is at its bound and has no bar. */
  const end = (s, key, at, sign) => ({
    s,
    at: sign < 0 ? Math.min(at, base) : Math.max(at, base),
    text: value(s, key),
    px: 6 * value(s, key).length + 8,
    sign,
  });
  const ends = swings.flatMap((s) => {
    const sign = s.atLow < s.atHigh ? -1 : 1;
    return [end(s, "low", s.atLow, sign), end(s, "high", s.atHigh, -sign)];
  });
  const layout = {
    ...look(ink),
    barmode: "overlay",
    showlegend: true,
    legend: foot,
    margin: { l: 126, r: 12, t: 10, b: 84 },
    xaxis: plain(ink, `$ per GPU-hour of ${id}`, {
      range: swings.length
        ? rangeAround(
            ends.filter((e) => e.sign < 0),
            ends.filter((e) => e.sign > 0),
            width - 138,
          )
        : [0, base * 1.2],
    }),
    yaxis: plain(ink, "", { autorange: "reversed", ticks: "" }),
    shapes: [
      { type: "line", x0: base, x1: base, yref: "paper", y0: 0, y1: 1, line: { color: ink.edge, width: 1 } },
    ],
    annotations: ends.map((e) => ({
      x: e.at,
      y: name(e.s),
      text: e.text,
      showarrow: false,
      xanchor: e.sign < 0 ? "right" : "left",
      xshift: 3 * e.sign,
      borderpad: 0,
      font: { size: 10, color: ink.muted },
    })),
  };
  return paint(
    "plot-tornado",
    [side("low", "atLow", dark ? "#6fb1ff" : "#1f6fd0"), side("high", "atHigh", dark ? "#ff8a4c" : "#d9480f")],
    layout,
    `${id} costs ${dollars(base)} per GPU-hour; the widest swing is ${swings[0] ? swingText(swings[0]) : "none"}`,
  );
}

const asBest = (trace) => ({ ...trace, meta: { ...trace.meta, best: true } });

/* The line is the cost with every input at its value, the band P5 to P95 of it, throughput uncertain too. */
function drawBand(dark) {
  const load = servingLoad(),
    traces = [];
  for (const line of linesOf(panel().axes[state.axis], "best").filter((l) => ownerOf(l.a) && !state.off.has(l.a))) {
    const usd = Money.ownerTotal(inputsOf(line.a)),
      bands = ownerOf(line.a).bands,
      [p5, p95] = bands[word(line.r)] || bands.published,
      color = tint(line.a, dark);
    const at = (factor) => line.t.map((t) => (t === null ? null : Money.usdPerMtok(usd * factor, t, load)));
    const meta = { a: line.a, kind: "band" };
    traces.push({
      type: "scatter",
      mode: "lines",
      x: line.x,
      y: at(p5),
      meta,
      line: { width: 0 },
      hoverinfo: "skip",
      showlegend: false,
    });
    traces.push({
      type: "scatter",
      mode: "lines",
      x: line.x,
      y: at(p95),
      meta,
      line: { width: 0 },
      fill: "tonexty",
      fillcolor: `${color}26`,
      hoverinfo: "skip",
      showlegend: false,
    });
    traces.push(...lineTraces(line, at(1), dark, hoverLine("$%{y:.3~r} per million tokens")).map(asBest));
  }
  byId("band-note").textContent =
    `${operator().name}; band: P5 to P95 over all inputs of the GPU-hour and the throughput; ` +
    `its relative width stays when you adjust one. Serving load ${short(load * 100)} %.`;
  return paintOverLatency(
    "plot-band",
    traces,
    "$ per million total tokens",
    "No owner’s cost for the accelerators with data here",
    `Cost per million tokens to this owner for ${unique(traces.map((t) => t.meta.a)).join(", ") || "no accelerator"}`,
    dark,
  );
}

/* The rent at which each equals the reference at its rent, and its market rent, which is cheaper where it is lower. */
function drawMarketRent(dark) {
  const speeds = throughputs(),
    to = speeds.get(state.reference),
    base = rentOf(state.reference),
    traces = [];
  for (const line of linesOf(panel().axes[state.axis], "best").filter(
    (l) => l.a !== state.reference && !state.off.has(l.a) && to && base !== null,
  )) {
    const y = line.x.map((x, i) =>
      line.t[i] === null || !to.has(x) ? null : Money.breakEvenRent(base, to.get(x), line.t[i]),
    );
    const met = line.x.filter((_, i) => y[i] !== null),
      rent = rentOf(line.a),
      color = tint(line.a, dark);
    if (!met.length) continue;
    traces.push(...lineTraces(line, y, dark, hoverLine("break-even rent $%{y:.3~r}/GPU-h")).map(asBest));
    if (rent !== null)
      traces.push({
        type: "scatter",
        mode: "lines",
        x: [met[0], met[met.length - 1]],
        y: [rent, rent],
        name: line.a,
        meta: { a: line.a, kind: "rent" },
        showlegend: false,
        line: { color, width: 1.4, dash: "dashdot" },
        hovertemplate: `<b>${escapeText(line.a)}</b> rents at $%{y:.3~r}/GPU-h<extra></extra>`,
      });
  }
  byId("market-note").textContent =
    base === null
      ? `${state.reference} has no rent at this term: type one in the table.`
      : `Solid: the rent at which each equals ${state.reference} at ${dollars(base)}/GPU-h. ` +
        "Dotted: the same beyond its last point. Dash-dotted: what it rents at; where that is lower, " +
        "its tokens are cheaper.";
  return paintOverLatency(
    "plot-market",
    traces,
    "$ per GPU-hour",
    "Nothing to compare with the market here",
    `Break-even rent and market rent of ${unique(traces.map((t) => t.meta.a)).join(", ") || "no accelerator"}`,
    dark,
  );
}
