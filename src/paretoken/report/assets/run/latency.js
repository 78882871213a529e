/* The four distributions of the chosen level, its run's other levels faint behind it. */
const METRICS = ["ttft", "tpot", "itl", "e2e"];
const LEAST_TAIL = 1e-4;

/* A distribution as {x, share within, step}: all its samples, or its quantiles at the common grid. */
function ecdf(d) {
  if (d.q) return { x: d.q, share: data.grid, shape: "linear" };
  return { x: d.all, share: d.all.map((_, i) => (i + 1) / d.all.length), shape: "hv" };
}

function ecdfTrace(l, metric, line, name, strong) {
  const { x, share, shape } = ecdf(l.latency[metric]);
  const beyond = state.tail === "beyond", least = 0.99 * Math.max(LEAST_TAIL, 1 / l.latency[metric].n);
  const y = beyond ? share.map((s) => (1 - s >= least ? 1 - s : null)) : share;
  return {
    type: "scatter", mode: "lines", x, y, line: { ...line, shape }, name: escapeText(name), meta: { level: l.name, strong },
    ...(strong ? { hovertemplate: `<b>%{fullData.name}</b><br>%{y:.2~%} ${beyond ? "beyond" : "within"} %{x:,.4~g} ms<extra></extra>` } : { hoverinfo: "skip" }),
  };
}

function latencyTraces(metric, dark, ink) {
  const here = level(), r = run();
  const faint = r.levels.filter((l) => l !== here).map((l) => ecdfTrace(l, metric, { color: ink.edge, width: 0.9 }, l.name, false));
  for (const t of faint) t.opacity = 0.75;
  const others = data.runs.filter((o) => o !== r).flatMap((o) => {
    const same = o.levels.find((l) => l.name === here.name);
    return same ? [ecdfTrace(same, metric, { color: tint(o, dark), width: 1.8, dash: "dot" }, `${o.name}, ${same.name}`, true)] : [];
  });
  return [...faint, ...others, ecdfTrace(here, metric, { color: tint(r, dark), width: 2.4 }, here.name, true)].filter((t) => t.x.length);
}

function drawLatency(dark) {
  const ink = inks(dark), beyond = state.tail === "beyond";
  for (const metric of METRICS) {
    const id = `plot-${metric}`, b = box(id, 200, PRINT.width / 2 - 14);
    const traces = latencyTraces(metric, dark, ink);
    const n = level().latency[metric].n;
    byId(`n-${metric}`).textContent = n ? `${n.toLocaleString("en-US")} ${metric === "itl" ? "gaps" : "requests"}` : "none";
    const share = { ticks: "outside", ticklen: 4, showline: true, zeroline: false, gridcolor: ink.rule, linecolor: ink.edge, tickcolor: ink.edge, autorange: false };
    const layout = {
      ...look(ink), ...sized(b), margin: { l: 52, r: 12, t: 8, b: 34 }, xaxis: axis("", true, rangeOf(traces, "x", true), ink),
      yaxis: beyond
        ? { ...share, type: "log", range: [Math.log10(LEAST_TAIL), 0.05], tickvals: [1, 0.1, 0.01, 0.001, 0.0001], ticktext: ["100 %", "10 %", "1 %", "0.1 %", "0.01 %"] }
        : { ...share, range: [0, 1.02], tickvals: [0, 0.25, 0.5, 0.75, 0.9, 1], ticktext: ["0 %", "25 %", "50 %", "75 %", "90 %", "100 %"] },
      uirevision: [metric, state.tail, state.run].join("|"),
    };
    if (!traces.length) layout.annotations = [{ text: "No samples", showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5, font: { color: ink.muted } }];
    byId(id).setAttribute("aria-label", `Distribution of ${metric.toUpperCase()} at ${level().name}; the table of levels holds p50 and p99`);
    Plotly.react(byId(id), traces, layout, config);
  }
}
