/* Small multiples: one chart for each engine, all on the same scales. */
import { byId } from "../../base/dom.js";
import { figure, refresh } from "../../base/figure.js";
import { figureNode } from "../figure_node.js";
import { curvesOf } from "../curves.js";
import { onChange, panel, state } from "../state.js";
import { engineName } from "../study.js";
import { throughputPlot } from "./four.js";

const MOST = 8;

/* The engines of the selected panel, those with most curves first. */
function enginesHere() {
  const counts = new Map();
  for (const c of curvesOf(panel(), state.axis))
    if (!state.off.has(c.a)) counts.set(c.engine, (counts.get(c.engine) || 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]).map(([engine]) => engine);
}

function plotOf(place) {
  const engine = enginesHere()[place];
  if (state.lines !== "each" || engine === undefined) return { lines: [], marks: [], x: {}, y: {}, empty: " " };
  const plot = throughputPlot(state.axis, engine);
  const names = [...new Set(plot.lines.map((l) => l.group))].join(", ");
  return { ...plot, title: engineName(engine), subtitle: names || null, height: 250 };
}

export function engineCharts() {
  const room = byId("engines");
  room.append(...Array.from({ length: MOST }, (_, i) => figureNode(`chart-engine-${i}`)));
  for (let i = 0; i < MOST; i++) figure(`chart-engine-${i}`, () => plotOf(i));
  const show = () => {
    const n = state.lines === "each" ? enginesHere().length : 0;
    room.hidden = n === 0;
    [...room.children].forEach((node, i) => (node.hidden = i >= n));
    byId("engines-note").textContent = n > MOST ? `The ${MOST} engines with most curves of ${n}.` : "";
  };
  onChange(() => {
    show();
    if (state.lines === "each") refresh([...room.children].filter((n) => !n.hidden).map((n) => n.id));
  });
  show();
}
