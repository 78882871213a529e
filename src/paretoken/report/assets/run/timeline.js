/* One level over time: in flight, output, errors, and single requests, over one axis of seconds. */
const RED = { light: "#c62828", dark: "#ff7b72" };
const WAIT = { light: "#9aa3af", dark: "#6d7683" };

const middles = (t) => t.flight.map((_, i) => t.from + (i + 0.5) * t.step);

function stepTrace(x, y, axisName, color, what) {
  return { type: "scatter", mode: "lines", x, y, yaxis: axisName, meta: { kind: what }, line: { color, width: 1.5, shape: "hvh" }, fill: "tozeroy", fillcolor: `${color}26`, hovertemplate: `%{x:.4~g} s: %{y:,.4~g} ${what}<extra></extra>` };
}

/* Segments as one trace: [x0, x1, null, …]. */
function barTrace(bars, from, to, keep, color, what, width) {
  const x = [], y = [], text = [];
  bars.due.forEach((due, i) => {
    const a = from(i), z = to(i);
    if (!keep(i) || a === null || z === null) return;
    const ttft = bars.first[i] === null ? "no token" : `first token after ${short(bars.first[i] - due)} s`;
    const words = `due at ${short(due, 4)} s, ${ttft}, ended after ${short(bars.end[i] - due)} s: ${escapeText(bars.status[i])}`;
    x.push(a, z, null);
    y.push(bars.row[i], bars.row[i], null);
    text.push(words, words, "");
  });
  return { type: "scatter", mode: "lines", x, y, text, yaxis: "y4", meta: { kind: what }, line: { color, width }, connectgaps: false, hovertemplate: "%{text}<extra></extra>" };
}

function timeTraces(t, dark, color, height) {
  const x = middles(t), bars = t.bars, tone = (c) => c[dark ? "dark" : "light"];
  const width = Math.max(1.5, Math.min(9, (height * 0.34) / bars.rows - 1.5));
  const good = (i) => bars.status[i] === "ok" || bars.status[i] === "cancelled";
  const traces = [stepTrace(x, t.flight, "y", color, "in flight"), stepTrace(x, t.tok, "y2", color, "tok/s")];
  if (level().kind === "closed") traces.push({ type: "scatter", mode: "lines", x: [x[0], x.at(-1)], y: [level().load, level().load], yaxis: "y", meta: { kind: "asked" }, hoverinfo: "skip", line: { color, width: 1, dash: "dot" } });
  if (t.err) traces.push({ type: "bar", x, y: t.err, yaxis: "y3", width: t.step, meta: { kind: "errors" }, marker: { color: tone(RED), line: { width: 0 } }, hovertemplate: "%{x:.4~g} s: %{y} failed<extra></extra>" });
  traces.push(
    barTrace(bars, (i) => bars.due[i], (i) => bars.first[i] ?? bars.end[i], good, tone(WAIT), "waiting", width),
    barTrace(bars, (i) => bars.first[i], (i) => bars.end[i], good, color, "decoding", width),
    barTrace(bars, (i) => bars.due[i], (i) => bars.end[i], (i) => !good(i), tone(RED), "failed", width),
  );
  return traces.filter((trace) => trace.x.length);
}

/* The window shaded over all rows, and the names of the parts above them where there is room. */
function parts(t, ink, plotWidth, end) {
  if (!t.window) return { shapes: [], annotations: [named("no window: level too short", (t.from + end) / 2, ink)] };
  const [a, z] = t.window, share = (from, to) => ((to - from) / (end - t.from)) * plotWidth;
  const spans = [["warm-up", t.from, a], [level().steady ? "steady window" : "window, not steady", a, z], ["tail", z, end]];
  const shapes = [{ type: "rect", xref: "x", yref: "paper", x0: a, x1: z, y0: 0, y1: 1, layer: "below", line: { width: 0 }, fillcolor: level().steady ? "rgba(46,160,67,0.13)" : "rgba(200,120,0,0.14)" }];
  for (const at of [a, z]) shapes.push({ type: "line", xref: "x", yref: "paper", x0: at, x1: at, y0: 0, y1: 1, line: { color: ink.edge, width: 1, dash: "dot" } });
  return { shapes, annotations: spans.filter(([name, from, to]) => share(from, to) > 6.5 * name.length).map(([name, from, to]) => named(name, (from + to) / 2, ink)) };
}
const named = (text, x, ink) => ({ text, x, xref: "x", y: 1, yref: "paper", yanchor: "bottom", showarrow: false, font: { size: 11, color: ink.muted } });

function row(title, domain, values, ink) {
  const most = Math.max(1e-9, ...values);
  return { ...axisLayout(title, false, [0, most * 1.12], ink), domain, nticks: 4, rangemode: "tozero", tickformat: most < 10 ? ",~g" : ",.3~s" };
}

function drawTime(dark) {
  const b = box("plot-time", 480), ink = inks(dark), t = level().time, node = byId("plot-time");
  if (!t) {
    byId("about-time").textContent = "No request was sent at this level.";
    return Plotly.react(node, [], { ...look(ink), ...sized(b), xaxis: { visible: false }, yaxis: { visible: false } }, config);
  }
  const end = t.from + t.step * t.flight.length, n = t.bars.due.length, closed = level().kind === "closed";
  const shown = parts(t, ink, b.width - 84, end);
  const layout = {
    ...look(ink), ...sized(b), ...shown, margin: { l: 66, r: 18, t: 22, b: 44 }, bargap: 0,
    xaxis: { ...axisLayout("Seconds from the start of the level", false, [t.from, end], ink), anchor: "y4" },
    yaxis: row("In flight", [0.8, 1], [...t.flight, level().kind === "closed" ? level().load : 0], ink),
    yaxis2: row("Output tok/s", [0.56, 0.76], t.tok, ink),
    yaxis3: { ...row("Errors", [0.44, 0.52], t.err || [0], ink), visible: Boolean(t.err) },
    yaxis4: { ...axisLayout(closed ? "Users" : "Requests", false, [t.bars.rows - 0.4, -0.6], ink), domain: [0, t.err ? 0.4 : 0.52], showgrid: false, showticklabels: false, ticks: "" },
    uirevision: `${state.run}|${state.level}`,
  };
  const of = t.bars.of.toLocaleString("en-US");
  const all = n === t.bars.of ? `all ${of} requests` : `${n} of ${of} requests, evenly sampled`;
  const rows = closed ? `a row for each of ${t.bars.rows === t.bars.ofRows ? "the" : `${t.bars.rows} of ${t.bars.ofRows}`} users` : "packed into rows";
  byId("about-time").textContent = `Thin bars are ${all}, ${rows}: grey from due to first token, coloured from first token to end, red if they failed. ${t.window ? "The steady window is shaded; warm-up is before it, the tail after." : ""}`;
  node.setAttribute("aria-label", `Requests in flight, output tokens per second and single requests over time at ${level().name}`);
  return Plotly.react(node, timeTraces(t, dark, tint(run(), dark), b.height), layout, config);
}
