/* The server's gauges beside the level. */
function drawServer(dark) {
  const s = level().server, ink = inks(dark);
  byId("server-figure").hidden = !data.runs.some((r) => r.levels.some((l) => l.server));
  if (byId("server-figure").hidden) return;
  const b = box("plot-server", 240), color = tint(run(), dark), node = byId("plot-server");
  byId("about-server").textContent = s
    ? `Read about once a second; solid lines are running requests, dotted lines waiting ones. Seconds count from ${s.aligned ? "the start of the level" : "the first reading, just before the level began"}.`
    : "The server exported no metrics at this level.";
  const line = (key, axisName, dash, what) => s && s[key]
    ? [{ type: "scatter", mode: "lines", x: s.at, y: s[key], yaxis: axisName, meta: { kind: key }, line: { color, width: 1.8, dash, shape: "hv" }, hovertemplate: `%{x:.4~g} s: %{y} ${what}<extra></extra>` }]
    : [];
  const traces = [...line("running", "y", "solid", "running"), ...line("waiting", "y", "dot", "waiting")];
  const kv = line("kv_cache_usage", "y2", "solid", "of KV cache");
  for (const t of kv) t.hovertemplate = "%{x:.4~g} s: %{y:.1%} of KV cache<extra></extra>";
  const both = traces.length && kv.length;
  const values = traces.flatMap((t) => t.y).filter((v) => v !== null);
  const end = s ? s.at.at(-1) : 1;
  const layout = {
    ...look(ink), ...sized(b), margin: { l: 66, r: 18, t: 10, b: 44 },
    xaxis: { ...axisLayout("Seconds", false, [s ? Math.min(0, s.at[0]) : 0, end], ink), anchor: kv.length ? "y2" : "y" },
    yaxis: { ...row("Requests", both ? [0.5, 1] : [0, 1], values, ink), visible: Boolean(traces.length) },
    yaxis2: { ...axisLayout("KV cache usage", false, [0, 1.05], ink), domain: both ? [0, 0.4] : [0, 1], tickformat: ".0%", nticks: 4, visible: Boolean(kv.length) },
    uirevision: `${state.run}|${state.level}`,
  };
  node.setAttribute("aria-label", `Running, waiting and KV cache use of the server at ${level().name}; the table of metrics holds means and maxima`);
  Plotly.react(node, [...traces, ...kv], layout, config);
}
