/* Layout and drawing of the three plots. */
const LABELLED = 480;
const MOST_LABELS = 12;

function layoutOf(traces, xTitle, yTitle, size, wide, ink, what) {
  const log = state.scale === "log";
  const p = panel();
  const layout = {
    ...look(ink), margin: { l: 66, r: wide ? 76 : 12, t: 10, b: 46 },
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
