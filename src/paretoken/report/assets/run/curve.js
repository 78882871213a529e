/* Throughput against latency: a line for each run, a mark for each level. */
const AXES = { e2e: "End-to-end latency p50, s", inter: "Interactivity p50, tok/s/user" };
const SIDES = { out: "Output tok/s/GPU", total: "Total tok/s/GPU" };
const MOST_NAMED = 14;

const placed = (r) => r.levels.map((l, i) => ({ ...l, i })).filter((l) => l[state.axis] !== null && l[state.side] !== null && (l[state.side] > 0 || state.scale === "linear"));

/* A range that leaves room on both sides, and is not narrower than a fifth of its values. */
function around(low, high) {
  const span = Math.max(high - low, high / 5), middle = (low + high) / 2;
  return [Math.max(0, middle - span * 0.58), middle + span * 0.58];
}

function curveLine(r, dark) {
  const byLoad = new Map();
  for (const l of placed(r).filter((l) => !l.failed)) byLoad.set(l.load, [...(byLoad.get(l.load) || []), l]);
  const mean = (ls, key) => ls.reduce((sum, l) => sum + l[key], 0) / ls.length;
  const means = [...byLoad].sort((a, b) => a[0] - b[0]).map(([, ls]) => [mean(ls, state.axis), mean(ls, state.side)]);
  return {
    type: "scatter", mode: "lines", x: means.map((m) => m[0]), y: means.map((m) => m[1]), name: escapeText(r.name),
    meta: { run: r.name, kind: "line" }, hoverinfo: "skip", line: { color: tint(r, dark), width: 1.6 },
  };
}

function curveMarks(r, dark, named) {
  const color = tint(r, dark);
  const own = placed(r);
  const range = own.map((l) => l[`${state.side}Range`] || [l[state.side], l[state.side]]);
  return {
    type: "scatter", mode: named ? "markers+text" : "markers", x: own.map((l) => l[state.axis]), y: own.map((l) => l[state.side]),
    name: escapeText(r.name), meta: { run: r.name, kind: "levels", hollow: own.map((l) => kind(l) !== "steady") },
    customdata: own.map((l) => l.i), text: own.map((l) => l.name.replace(/ users?$/, "")), textposition: "top left", textfont: { size: 11, color },
    hovertext: own.map((l) => [data.runs.length > 1 ? `<b>${escapeText(r.name)}</b>` : null, ...l.about.map(escapeText)].filter(Boolean).join("<br>")),
    hovertemplate: "%{hovertext}<extra></extra>", cliponaxis: false,
    marker: { color, size: 9, symbol: own.map((l) => (kind(l) === "steady" ? r.symbol : `${r.symbol}-open`)), line: { width: own.map((l) => (kind(l) === "steady" ? 0 : 2)), color } },
    error_y: { type: "data", symmetric: false, color, thickness: 1.2, width: 3, array: range.map((v, k) => Math.max(0, v[1] - own[k][state.side])), arrayminus: range.map((v, k) => Math.max(0, own[k][state.side] - v[0])) },
  };
}

function drawCurve(dark) {
  const b = box("plot-curve", PRINT.height), ink = inks(dark), log = state.scale === "log";
  const most = Math.max(...data.runs.map((r) => r.levels.length));
  const named = b.width > 480 ? most <= MOST_NAMED : most <= 8;
  const traces = data.runs.flatMap((r) => [curveLine(r, dark), curveMarks(r, dark, named)]);
  const marks = traces.filter((t) => t.meta.kind === "levels");
  const reach = marks.map((t) => ({ x: t.x, y: t.y.flatMap((v, i) => [v + t.error_y.array[i], ...(log ? [v] : [])]) }));
  const xs = marks.flatMap((t) => t.x);
  const xRange = log || !xs.length ? rangeOf(reach, "x", log) : around(Math.min(...xs), Math.max(...xs));
  const here = level(), at = here[state.axis], high = here[state.side];
  const layout = {
    ...look(ink), ...sized(b), margin: { l: 66, r: 16, t: 18, b: 46 },
    xaxis: axis(AXES[state.axis], log, xRange, ink), yaxis: axis(SIDES[state.side], log, rangeOf(reach, "y", log), ink),
    uirevision: [state.axis, state.side, state.scale].join("|"), annotations: [],
  };
  if (at !== null && high !== null && (!log || high > 0)) {
    traces.push({ type: "scatter", mode: "markers", x: [at], y: [high], hoverinfo: "skip", meta: { kind: "chosen" }, cliponaxis: false, marker: { size: 19, symbol: "circle-open", color: ink.edge, line: { width: 1.5, color: ink.edge } } });
  }
  const node = byId("plot-curve");
  node.setAttribute("aria-label", `${SIDES[state.side]} against ${AXES[state.axis]} for ${data.runs.map((r) => r.name).join(", ")}; the table of levels holds the figures`);
  return Plotly.react(node, traces, layout, config);
}
