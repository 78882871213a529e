/* Layout and drawing of the three plots. */
const LABELLED = 480;
const MOST_LABELS = 12;

function layoutOf(traces, xTitle, yTitle, size, ink, what) {
  const log = state.scale === "log";
  const p = panel();
  const layout = {
    ...look(ink),
    margin: { l: 66, r: 12, t: 10, b: 46 },
    xaxis: axisLayout(xTitle, log, rangeOf(traces, "x", log), ink),
    yaxis: axisLayout(yTitle, log, rangeOf(traces, "y", log), ink),
    uirevision: [p.model, p.precision, p.workload, p.scenario, state.axis, state.scale, state.view, what].join("|"),
    annotations: [],
  };
  return { ...layout, ...size };
}

/* A name at the end of each line, moved apart where two would touch. */
function labels(traces, layout, box) {
  const log = state.scale === "log";
  const place = (v, range, size) => (((log ? Math.log10(v) : v) - range[0]) / (range[1] - range[0])) * size;
  const ends = [];
  for (const t of traces.filter((t) => LINES.has(t.meta.kind))) {
    const last = t.y.reduce((best, v, i) => (v !== null && (best < 0 || t.x[i] > t.x[best]) ? i : best), -1);
    const engine = state.lines === "each" && !t.meta.best && t.meta.e ? ` ${t.meta.e}` : "";
    const end = { text: t.name + engine, color: t.line.color, of: t.meta.of, x: t.x[last], y: t.y[last] };
    /* The dotted part of a line has no name of its own. */
    const twin = ends.find((other) => other.of !== undefined && other.of === end.of);
    if (!twin) ends.push(end);
    else if (end.x > twin.x) Object.assign(twin, end);
  }
  if (ends.length > MOST_LABELS) return [];
  const close = (a, b) => Math.abs(a.px - b.px) < 7 * Math.max(a.text.length, b.text.length) + 8;
  const set = [];
  for (const end of ends.sort((a, b) => b.y - a.y)) {
    end.px = place(end.x, layout.xaxis.range, box.width);
    end.py = place(end.y, layout.yaxis.range, box.height);
    end.at = end.py;
    for (const other of set) if (close(end, other) && other.at - end.at < 13) end.at = other.at - 13;
    set.push(end);
  }
  /* None below the axis: what was pushed there goes up again, and what is above it with it. */
  for (const [i, end] of [...set.entries()].reverse()) {
    end.at = Math.max(end.at, 7);
    for (const other of set.slice(i + 1)) if (close(end, other)) end.at = Math.max(end.at, other.at + 13);
  }
  return set.map((e) => ({
    x: log ? Math.log10(e.x) : e.x,
    y: log ? Math.log10(e.y) : e.y,
    xanchor: "left",
    yanchor: "middle",
    showarrow: false,
    xshift: 7,
    yshift: e.at - e.py,
    text: escapeText(e.text),
    font: { size: 11, color: e.color },
    borderpad: 0,
  }));
}

/* Names the lines at their ends where there is room for all of them, else in a legend. */
function nameLines(traces, layout, { width, height }) {
  layout.annotations = width >= LABELLED ? labels(traces, layout, { width: width - 142, height: height - 56 }) : [];
  if (!layout.annotations.length) return nameBelow(traces, layout, width);
  layout.margin = { ...layout.margin, r: 76 };
  return traces;
}

/* A legend below the plot: one entry for each colour and dash, accelerators in the order of their buttons. */
function nameBelow(traces, layout, width) {
  const place = [...accelerators.keys()],
    listed = new Map();
  for (const t of traces.filter((t) => t.meta.kind === "line")) {
    const style = `${t.line.color} ${t.line.dash}`;
    if (!listed.has(style)) listed.set(style, t);
  }
  const entries = new Set(listed.values()),
    longest = Math.max(0, ...[...entries].map((t) => t.name.length));
  const columns = Math.max(1, Math.floor((width - 78) / (7 * longest + 45)));
  layout.showlegend = true;
  layout.legend = {
    orientation: "h",
    xref: "container",
    x: 0,
    yref: "container",
    y: 0,
    yanchor: "bottom",
    font: { size: 11 },
    itemclick: false,
    itemdoubleclick: false,
  };
  layout.margin = { ...layout.margin, b: 50 + 19 * Math.ceil(entries.size / columns) };
  return traces.map((t) => ({
    ...t,
    showlegend: entries.has(t),
    legendrank: 2 * place.indexOf(t.meta.a) + (t.meta.kind === "line" && t.line.dash === "dash" ? 1 : 0),
  }));
}

/* A mark shows itself: the vertices of lines answer to the pointer only where no mark is near. */
const MARK_PX = 10;
function yieldToMarks(traces, layout, { width, height }) {
  const log = state.scale === "log";
  const place = (v, { range }, size) => (((log ? Math.log10(v) : v) - range[0]) / (range[1] - range[0])) * size;
  const spot = (x, y) => [place(x, layout.xaxis, width - 78), place(y, layout.yaxis, height - 56)];
  const spots = (t) => t.x.map((x, i) => (t.y[i] === null ? null : spot(x, t.y[i])));
  const marks = traces.filter((t) => ["front", "newer"].includes(t.meta.kind)).flatMap(spots);
  if (!marks.length) return traces;
  const free = (s) => s && !marks.some((m) => Math.abs(m[0] - s[0]) < MARK_PX && Math.abs(m[1] - s[1]) < MARK_PX);
  return traces
    .flatMap((t) => {
      if (!LINES.has(t.meta.kind)) return [t];
      const clear = spots(t).flatMap((s, i) => (free(s) ? [i] : []));
      const own = (values) => clear.map((i) => values[i]);
      const between = {
        type: "scatter",
        mode: "markers",
        x: own(t.x),
        y: own(t.y),
        name: t.name,
        meta: { a: t.meta.a, kind: "between" },
        showlegend: false,
        customdata: own(t.customdata),
        hovertemplate: t.hovertemplate,
        marker: { color: t.line.color, size: 6, opacity: 0 },
      };
      const line = { ...t, hoverinfo: "skip", hovertemplate: undefined };
      return clear.length ? [line, between] : [line];
    })
    .sort((a, b) => order(a) - order(b));
}

function drawPlot(id, traces, xTitle, yTitle, dark) {
  const node = byId(id);
  const ink = inks(dark);
  const paper = onPaper();
  const { width, height } = paper ? PRINT : { width: node.clientWidth, height: node.clientHeight };
  const layout = layoutOf(traces, xTitle, yTitle, paper ? PRINT : {}, ink, id);
  let visible = traces.filter((t) => !state.off.has(t.meta.a));
  if (!visible.length) {
    layout.annotations = [
      {
        text: "No data for this choice",
        showarrow: false,
        xref: "paper",
        yref: "paper",
        x: 0.5,
        y: 0.5,
        font: { color: ink.muted, size: 14 },
      },
    ];
  } else visible = yieldToMarks(nameLines(visible, layout, { width, height }), layout, { width, height });
  node.setAttribute(
    "aria-label",
    `${yTitle} against ${xTitle} for ${unique(visible.map((t) => t.meta.a)).join(", ") || "no accelerator"}; ` +
      "the tables below hold the figures",
  );
  return Plotly.react(node, visible, layout, config);
}

function drawPlots() {
  if (!window.Plotly) return;
  const dark = isDark();
  const p = panel();
  const axis = p.axes[state.axis];
  const x = AXIS[state.axis].title;
  const ground = inks(dark).ground;
  drawPlot("plot-frontier", frontierTraces(p, axis, dark, ground), x, "Total tok/s/GPU", dark);
  drawPlot("plot-cost", costTraces(p, axis, dark, ground), x, `$ per million ${VIEWS[state.view]} tokens`, dark);
  drawPlot("plot-rent", rentTraces(axis, dark), x, "Break-even rent, $/GPU-h", dark);
}
