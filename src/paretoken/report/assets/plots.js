/* Layout, theme and drawing of the three plots. */
const darkMedia = matchMedia("(prefers-color-scheme: dark)");
const printMedia = matchMedia("print");
const coarse = matchMedia("(pointer: coarse)").matches;
const PRINT = { width: 660, height: 330 };
const LABELLED = 480;
const MOST_LABELS = 12;

function isDark() {
  if (printMedia.matches || printing) return false;
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : darkMedia.matches;
}
let printing = false;

function inks(dark) {
  return dark
    ? { ground: "#14181c", ink: "#e8eaed", muted: "#a9b1bc", rule: "#2b3138", raised: "#242a31", edge: "#77808c" }
    : { ground: "#ffffff", ink: "#191c20", muted: "#565e6a", rule: "#e6e9ed", raised: "#ffffff", edge: "#8a929e" };
}

/* The range that holds every value of every trace, hidden ones too, so that switching one off moves nothing. */
function rangeOf(traces, key, log) {
  const values = traces.flatMap((t) => t[key]).filter((v) => v !== null && Number.isFinite(v) && (!log || v > 0));
  if (!values.length) return log ? [0, 1] : [0, 10];
  const low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
  if (!log) return key === "y" ? [0, high * 1.06] : [low - (high - low) * 0.04 - 1e-9, high + (high - low) * 0.04];
  const pad = Math.max(0.03, 0.05 * Math.log10(high / low));
  return [Math.log10(low) - pad, Math.log10(high) + pad];
}

/* Ticks by how many decades there are: only powers of ten on many, every digit and more on few. */
function logTicks(range) {
  const decades = range[1] - range[0];
  const digits = decades > 3.2 ? [1] : decades > 1.6 ? [1, 2, 5] : decades > 0.8 ? [1, 2, 3, 5, 7] : decades > 0.45 ? [1, 1.5, 2, 3, 4, 5, 6, 8] : [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9];
  const values = [];
  for (let power = Math.floor(range[0]); power <= Math.ceil(range[1]); power++) {
    for (const digit of digits) {
      const at = Math.log10(digit) + power;
      if (at >= range[0] && at <= range[1]) values.push(Number((digit * 10 ** power).toPrecision(3)));
    }
  }
  return { tickmode: "array", tickvals: values, ticktext: values.map((v) => short(v)) };
}

function axisLayout(title, log, range, ink) {
  return {
    title: { text: title, standoff: 8, font: { size: 12, color: ink.muted } }, type: log ? "log" : "linear",
    range, autorange: false, gridcolor: ink.rule, linecolor: ink.edge, tickcolor: ink.edge, zeroline: false,
    ticks: "outside", ticklen: 4, showline: true,
    ...(log ? logTicks(range) : { nticks: 8, tickformat: ",~g" }),
  };
}

function layoutOf(traces, xTitle, yTitle, size, wide, ink, what) {
  const log = state.scale === "log";
  const p = panel();
  const layout = {
    paper_bgcolor: ink.ground, plot_bgcolor: ink.ground, showlegend: false, hovermode: "closest", hoverdistance: 14,
    font: { family: 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif', size: 12, color: ink.ink },
    margin: { l: 66, r: wide ? 76 : 12, t: 10, b: 46 }, dragmode: coarse ? false : "zoom",
    hoverlabel: { bgcolor: ink.raised, bordercolor: ink.edge, font: { color: ink.ink, size: 12 }, align: "left", namelength: -1 },
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
  const ends = traces.filter((t) => t.meta.kind === "line").map((t) => {
    const last = t.y.reduce((best, v, i) => (v !== null && (best < 0 || t.x[i] > t.x[best]) ? i : best), -1);
    const engine = state.lines === "each" && !t.meta.best && t.customdata[0] ? ` ${t.customdata[0]}` : "";
    return { text: t.name + engine, color: t.line.color, x: t.x[last], y: t.y[last] };
  });
  if (ends.length > MOST_LABELS) return [];
  const set = [];
  for (const end of ends.sort((a, b) => b.y - a.y)) {
    end.px = place(end.x, layout.xaxis.range, box.width);
    end.py = place(end.y, layout.yaxis.range, box.height);
    end.at = end.py;
    for (const other of set) {
      const reach = 7 * Math.max(end.text.length, other.text.length) + 8;
      if (Math.abs(other.px - end.px) < reach && other.at - end.at < 13) end.at = other.at - 13;
    }
    set.push(end);
  }
  return set.map((e) => ({
    x: log ? Math.log10(e.x) : e.x, y: log ? Math.log10(e.y) : e.y, xanchor: "left", yanchor: "middle", showarrow: false,
    xshift: 7, yshift: e.at - e.py, text: escapeText(e.text), font: { size: 11, color: e.color }, borderpad: 0,
  }));
}

const config = { displaylogo: false, responsive: true, modeBarButtons: [["toImage", "resetScale2d"]], displayModeBar: coarse ? false : "hover" };

function drawPlot(id, traces, xTitle, yTitle, dark) {
  const node = byId(id);
  const ink = inks(dark);
  const onPaper = printing || printMedia.matches;
  const { width, height } = onPaper ? PRINT : { width: node.clientWidth, height: node.clientHeight };
  const wide = width >= LABELLED;
  const layout = layoutOf(traces, xTitle, yTitle, onPaper ? PRINT : {}, wide, ink, id);
  const visible = traces.filter((t) => !state.off.has(t.meta.a));
  if (!visible.length) {
    layout.annotations = [{ text: "No data for this choice", showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5, font: { color: ink.muted, size: 14 } }];
  } else if (wide) {
    layout.annotations = labels(visible, layout, { width: width - 142, height: height - 56 });
  }
  node.setAttribute("aria-label", `${yTitle} against ${xTitle} for ${unique(visible.map((t) => t.meta.a)).join(", ") || "no accelerator"}; the tables below hold the figures`);
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
