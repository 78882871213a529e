/* Plots of money: what all of them share, and which are drawn when. */
function paint(id, traces, layout, description) {
  const node = byId(id);
  if (!node) return null;
  node.setAttribute("aria-label", description);
  return Plotly.react(node, traces, { ...layout, ...(onPaper() ? PRINT : {}) }, config);
}
const plain = (ink, title, extra) => ({
  automargin: true,
  title: { text: title, standoff: 8, font: { size: 12, color: ink.muted } },
  gridcolor: ink.rule,
  linecolor: ink.edge,
  tickcolor: ink.edge,
  zeroline: false,
  ticks: "outside",
  ticklen: 4,
  showline: true,
  ...extra,
});
const foot = { orientation: "h", y: -0.2, x: 0, font: { size: 11 } };

/* Lines over the latency axis, labelled at their ends where there is room, else in a legend. */
function paintOverLatency(id, traces, yTitle, none, description, dark) {
  const ink = inks(dark),
    log = state.scale === "log",
    node = byId(id);
  const x = axisLayout(AXIS[state.axis].title, log, rangeOf(traces, "x", log), ink),
    y = axisLayout(yTitle, log, rangeOf(traces, "y", log), ink);
  const layout = { ...look(ink), margin: { l: 66, r: 12, t: 10, b: 46 }, xaxis: x, yaxis: y, annotations: [] };
  const size = onPaper() ? PRINT : { width: node.clientWidth, height: node.clientHeight };
  if (traces.length) traces = nameLines(traces, layout, size);
  else
    layout.annotations = [
      {
        text: none,
        showarrow: false,
        xref: "paper",
        yref: "paper",
        x: 0.5,
        y: 0.5,
        font: { color: ink.muted, size: 14 },
      },
    ];
  return paint(id, traces, layout, description);
}

/* The plots that an input or the selection changes, and those that neither does. */
function drawAdjusted() {
  if (!window.Plotly) return;
  for (const drawn of [drawStack, drawTornado, drawBand, drawMarketRent]) drawn(isDark());
}
function drawMoneyPlots() {
  if (!window.Plotly) return;
  drawAdjusted();
  for (const drawn of [drawIndex, drawTerms, drawOutlook]) drawn(isDark());
}
