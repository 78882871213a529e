/* Wiring: a change of selection redraws what depends on it. */
function draw() {
  drawControls();
  drawPlots();
  drawVerdict();
  drawMoney();
}
function changed() {
  settle();
  writeLink();
  draw();
}

for (const id of [
  "model",
  "precision",
  "workload",
  "scenario",
  "axis",
  "lines",
  "scale",
  "tier",
  "view",
  "reference",
]) {
  byId(id).addEventListener("change", (event) => {
    state[id] = event.target.value;
    if (id === "reference") state.absentReference = null;
    changed();
  });
}
byId("rent").addEventListener("input", (event) => {
  const value = event.target.valueAsNumber;
  const good = isRent(value);
  event.target.setAttribute("aria-invalid", String(!good));
  if (good) {
    state.rent = value;
    changed();
  }
});
byId("accelerators").addEventListener("click", (event) => {
  const button = event.target.closest("button[data-accelerator]");
  if (!button) return;
  const id = button.dataset.accelerator;
  if (!state.off.delete(id)) state.off.add(id);
  changed();
});
for (const form of document.querySelectorAll("form"))
  form.addEventListener("submit", (event) => event.preventDefault());

/* A link to a section replaces the selection in the address; once the browser is there, write the selection back. */
addEventListener("hashchange", () => {
  if (readLink()) draw();
  else if (selection()) writeLink();
});

/* plotly.js is loaded after this code: what can be read without it is drawn first. */
readLink();
settle();
showTheme();
drawControls();
drawVerdict();
drawMoney();
addEventListener("DOMContentLoaded", () => {
  drawPlots();
  /* What is further down is drawn once the top can be read. */
  setTimeout(() => {
    drawMoneyPlots();
    performance.mark("paretoken-drawn");
  }, 0);
});
