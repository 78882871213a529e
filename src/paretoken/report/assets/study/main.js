/* Wiring: a change of selection redraws what depends on it. */
import { byId } from "../base/dom.js";
import { drawNow, refresh } from "../base/figure.js";
import { wireTheme } from "../base/theme.js";
import { fourCharts } from "./charts/four.js";
import { heroChart } from "./charts/hero.js";
import { drawControls, wireControls } from "./controls.js";
import { onChange, readLink, selection, writeLink } from "./state.js";

function follow() {
  const link = readLink();
  const at = link && link.get("at");
  if (at && byId(at)) byId(at).scrollIntoView();
}

follow();
heroChart();
fourCharts();
wireControls();
drawControls();
drawNow(["chart-hero"]);
performance.mark("paretoken-first-chart");
onChange(() => {
  drawControls();
  refresh();
});
wireTheme(() => refresh());
/* A link to a section replaces the selection in the address; once the browser is there, write the selection back. */
addEventListener("hashchange", () => {
  if (location.hash.includes("=")) {
    follow();
    drawControls();
    refresh();
  } else if (selection()) writeLink();
});
requestAnimationFrame(() => setTimeout(() => performance.mark("paretoken-drawn"), 0));
