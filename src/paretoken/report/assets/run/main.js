/* Wiring: a change of selection redraws what depends on it. */
function fill(id, names, chosen) {
  const node = byId(id);
  if (!node) return;
  if (node.options.length !== names.length || [...node.options].some((o, i) => o.textContent !== names[i])) {
    node.replaceChildren(...names.map((name, i) => el("option", { value: String(i) }, name)));
  }
  node.value = String(chosen);
}

function drawControls() {
  fill("run", data.runs.map((r) => r.name), state.run);
  fill("level", run().levels.map((l) => (kind(l) === "steady" ? l.name : `${l.name} (${kind(l)})`)), state.level);
  for (const id of Object.keys(CHOICES)) byId(id).value = state[id];
  byId("subject").textContent = `${data.runs.length > 1 ? `${run().name}: ` : ""}${level().about.slice(0, 2).join(": ")}; ${level().about.at(-2)}.`;
}

function drawPlots() {
  if (!window.Plotly) return;
  const dark = isDark();
  drawCurve(dark);
  drawLatency(dark);
  drawTime(dark);
  drawServer(dark);
}

function changed() {
  settle();
  writeLink();
  drawControls();
  drawPlots();
}

for (const id of Object.keys(CHOICES)) byId(id).addEventListener("change", (event) => { state[id] = event.target.value; changed(); });
byId("level").addEventListener("change", (event) => { state.level = Number(event.target.value); changed(); });
if (byId("run")) {
  byId("run").addEventListener("change", (event) => {
    const same = data.runs[event.target.value].levels.findIndex((l) => l.name === level().name);
    state.run = Number(event.target.value);
    state.level = same < 0 ? run().best : same;
    changed();
  });
}
for (const form of document.querySelectorAll("form")) form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", () => { if (readLink()) { drawControls(); drawPlots(); } });

readLink();
settle();
showTheme();
drawControls();
addEventListener("DOMContentLoaded", () => {
  drawPlots();
  byId("plot-curve").on("plotly_click", (event) => {
    const mark = event.points.find((p) => p.data.meta.kind === "levels");
    if (!mark) return;
    state.run = data.runs.findIndex((r) => r.name === mark.data.meta.run);
    state.level = mark.customdata;
    changed();
  });
  performance.mark("paretoken-drawn");
});
