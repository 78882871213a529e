/* Wiring: a change of selection redraws what depends on it. */
import { byId } from "../base/dom.js";
import { drawNow, refresh } from "../base/figure.js";
import { wireTheme } from "../base/theme.js";
import { decideCharts } from "./charts/decide.js";
import { fourCharts, subjectOf } from "./charts/four.js";
import { engineCharts } from "./charts/engines.js";
import { heroChart } from "./charts/hero.js";
import { marketCharts } from "./charts/market.js";
import { drawDecide, wireDecide } from "./decide.js";
import { drawEvidence, wireEvidence } from "./evidence.js";
import { drawAnswer } from "./answer.js";
import { drawVerdict } from "./verdict_tables.js";
import { drawControls, wireControls } from "./controls.js";
import { drawUnpriced } from "./unpriced.js";
import { wirePresets } from "./presets.js";
import { onChange, panel, readLink, selection, writeLink } from "./state.js";

/* Opens what a link leads to, and goes there. */
function reveal(id) {
  const node = id && byId(id);
  if (!node) return;
  for (let parent = node; parent; parent = parent.parentElement) if (parent.tagName === "DETAILS") parent.open = true;
  node.scrollIntoView();
}

function follow() {
  const link = readLink();
  /* What the page does not know leaves the address. */
  if (link) writeLink();
  reveal(link ? link.get("at") : location.hash.slice(1));
}

follow();
heroChart();
fourCharts();
engineCharts();
decideCharts();
marketCharts();
wireControls();
wirePresets();
wireDecide();
wireEvidence();
const draw = () => {
  byId("four-subject").textContent = subjectOf(panel());
  drawControls();
  drawAnswer();
  drawUnpriced();
  drawVerdict();
  drawDecide();
  drawEvidence();
};
draw();
drawNow(["chart-hero"]);
performance.mark("paretoken-first-chart");
onChange(() => {
  draw();
  refresh();
});
wireTheme(() => refresh());
/* A link to a section replaces the selection in the address; once the browser is there, write the selection back. */
addEventListener("hashchange", () => {
  if (location.hash.includes("=")) {
    follow();
    draw();
    refresh();
  } else {
    reveal(location.hash.slice(1));
    if (selection()) writeLink();
  }
});
requestAnimationFrame(() => setTimeout(() => performance.mark("paretoken-drawn"), 0));
