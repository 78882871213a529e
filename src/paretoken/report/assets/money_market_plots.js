/* Plots of the rental market and of scenarios: the index, the term structure, the outlook. */
function drawIndex(dark) {
  const ink = inks(dark),
    ids = Object.keys(market.index);
  const traces = ids.flatMap((id) => {
    const s = market.index[id],
      color = tint(id, dark);
    const hover = s.period.map(
      (p, i) =>
        `<b>${escapeText(id)}</b> ${p}<br>chained $${s.index[i]}, median $${s.median[i]}<br>` +
        `${s.n[i]} providers, ${s.linked[i]} link it to the quarter before`,
    );
    const gaps = s.linked.map((n, i) => i > 0 && n === 0);
    const x = [],
      y = [],
      text = [];
    s.day.forEach((day, i) => {
      if (gaps[i]) {
        x.push(day);
        y.push(null);
        text.push("");
      }
      x.push(day);
      y.push(s.index[i]);
      text.push(hover[i]);
    });
    return [
      {
        type: "scatter",
        mode: "lines+markers",
        x,
        y,
        text,
        hovertemplate: "%{text}<extra></extra>",
        name: id,
        meta: { a: id, kind: "chained" },
        line: { color, width: 2.2 },
        marker: { color, symbol: accelerators.get(id).symbol, size: 8 },
        connectgaps: false,
      },
      {
        type: "scatter",
        mode: "lines",
        x: s.day,
        y: s.median,
        name: `${id} median`,
        meta: { a: id, kind: "median" },
        line: { color, width: 1.2, dash: "dot" },
        hoverinfo: "skip",
        showlegend: false,
      },
    ];
  });
  const layout = {
    ...look(ink),
    showlegend: true,
    legend: foot,
    margin: { l: 50, r: 12, t: 10, b: 84 },
    xaxis: plain(ink, ""),
    yaxis: plain(ink, "$ per GPU-hour", { rangemode: "tozero" }),
  };
  return paint("plot-index", traces, layout, `Rent on demand by quarter for ${ids.join(", ")}`);
}

function drawTerms(dark) {
  const ink = inks(dark),
    terms = market.ratios.map(([term]) => term);
  const traces = [
    {
      type: "bar",
      x: terms,
      y: market.ratios.map(([, r]) => r),
      meta: { kind: "median" },
      marker: { color: dark ? "#3a4553" : "#cfd8e3" },
      hovertemplate: "<b>%{x}</b>: median %{y:.2f} of on-demand<extra></extra>",
    },
    {
      type: "scatter",
      mode: "markers",
      x: market.ratios.flatMap(([t, , by]) => Object.keys(by).map(() => t)),
      y: market.ratios.flatMap(([, , by]) => Object.values(by)),
      text: market.ratios.flatMap(([, , by]) => Object.keys(by).map(escapeText)),
      meta: { kind: "seller" },
      marker: { color: dark ? "#6fb1ff" : "#1f6fd0", size: 7, opacity: 0.8 },
      hovertemplate: "<b>%{text}</b> %{x}: %{y:.2f} of on-demand<extra></extra>",
    },
  ];
  const layout = {
    ...look(ink),
    margin: { l: 50, r: 12, t: 10, b: 46 },
    xaxis: plain(ink, ""),
    yaxis: plain(ink, "of the rent on demand", { range: [0, 1.08] }),
    shapes: [
      { type: "line", xref: "paper", x0: 0, x1: 1, y0: 1, y1: 1, line: { color: ink.edge, width: 1, dash: "dot" } },
    ],
  };
  return paint(
    "plot-terms",
    traces,
    layout,
    market.ratios.map(([t, r]) => `${t} ${short(r)} of on-demand`).join(", ") || "no ratios",
  );
}

function drawOutlook(dark) {
  const ink = inks(dark),
    chosen = market.outlooks[Number(byId("outlook-of").value) || 0];
  if (!chosen) return null;
  const what = byId("outlook-what").value;
  const traces = chosen.lines.map((l) => {
    const own = accelerators.has(l.accelerator),
      color = own ? tint(l.accelerator, dark) : ink.muted;
    return {
      type: "scatter",
      mode: "lines+markers",
      x: l.day,
      y: l[what],
      name: l.accelerator,
      meta: { a: l.accelerator, kind: "scenario" },
      line: { color, width: 2, dash: "dash", shape: "hv" },
      marker: { color, symbol: `${own ? accelerators.get(l.accelerator).symbol : "square"}-open`, size: 8 },
      hovertemplate: `<b>${escapeText(l.accelerator)}</b>, scenario, from %{x}: $%{y:.3~r}<extra></extra>`,
    };
  });
  const layout = {
    ...look(ink),
    showlegend: true,
    legend: foot,
    margin: { l: 66, r: 12, t: 26, b: 84 },
    xaxis: plain(ink, ""),
    yaxis: plain(ink, what === "cost" ? "$ per million tokens" : `rent that equals ${chosen.reference}, $/GPU-h`, {
      rangemode: "tozero",
    }),
    annotations: [
      {
        text: "SCENARIO",
        showarrow: false,
        xref: "paper",
        yref: "paper",
        x: 0,
        y: 1.08,
        font: { size: 11, color: ink.muted },
      },
    ],
  };
  return paint(
    "plot-outlook",
    traces,
    layout,
    `Scenario ${chosen.name}: ${chosen.lines.map((l) => l.accelerator).join(", ")}`,
  );
}
