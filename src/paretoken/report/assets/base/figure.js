/* A figure: its texts, its chart, what the pointer does in it, and its menu of table, CSV, picture and link.

   A figure is drawn when it is on the screen or on paper; one that is not waits. */
import { byId, el } from "./dom.js";
import { cursor } from "./cursor.js";
import { menu, showKey, showTable } from "./menu.js";
import { barAt, nearestMarks, spotsOf, tip } from "./pointer.js";
import { layout, options, prepared, ruleSeries } from "./render.js";
import { rowAt, rowButtons } from "./rows.js";
import { inks, isDark, onPaper } from "./theme.js";

/* Sizes on A4 paper: of a figure alone and of one in a pair. */
const PAPER = { width: 670, height: 300, half: { width: 325, height: 215 } };
const figures = new Map();
let lit = null;

/* Registers the figure whose node has this id; `plotOf()` gives its plot for what is selected now. `pick(mark)` is
   called with a mark that is clicked. */
export function figure(id, plotOf, { pick = null } = {}) {
  const node = byId(id);
  if (!node) return;
  const canvas = node.querySelector(".canvas");
  const own = {
    id,
    node,
    canvas,
    plotOf,
    pick,
    chart: null,
    tip: tip(canvas),
    cursor: cursor(canvas),
    pinned: false,
    dirty: true,
    visible: false,
    step: -1,
  };
  figures.set(id, own);
  canvas.tabIndex = 0;
  node.querySelector(".menu")?.append(...menu(own, paint));
  watch(own);
  listen(own);
}

const sight = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const own = figures.get(target.id);
      own.visible = isIntersecting;
      if (isIntersecting && own.dirty) paint(own);
    }
  },
  { rootMargin: "300px" },
);
const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const own = figures.get(target.closest("figure").id);
    if (own.chart && own.canvas.clientWidth && own.canvas.clientWidth !== own.width) refresh([own.id]);
  }
});
function watch(own) {
  sight.observe(own.node);
  sizes.observe(own.canvas);
}

/* Draws these figures anew, all without ids; what is out of sight is drawn once it comes near. */
export function refresh(ids = [...figures.keys()]) {
  for (const own of ids.map((id) => figures.get(id)).filter(Boolean)) {
    own.dirty = true;
    if (!own.node.hidden && (own.visible || onPaper())) paint(own);
  }
}

/* Draws what the first screen shows without waiting for the observer. */
export function drawNow(ids) {
  for (const id of ids) paint(figures.get(id));
}

function paint(own) {
  const plot = prepared(own.plotOf({ width: widthOf(own), lit }));
  const before = own.plot;
  own.dirty = false;
  own.plot = plot;
  own.node.drawn = own;
  const put = (name, text) => {
    const at = own.node.querySelector(name);
    if (at && at.textContent !== (text || "")) at.textContent = text || "";
  };
  put(".fig-title", plot.title);
  put(".fig-subtitle", plot.subtitle);
  put(".fig-source", plot.source);
  own.canvas.setAttribute(
    "aria-label",
    `${plot.title || ""}. ${plot.empty || "The menu of the figure has the table."}`,
  );
  own.canvas.setAttribute("role", "group");
  own.node.classList.toggle("is-empty", Boolean(plot.empty));
  if (own.table && !own.table.hidden) showTable(own);
  close(own);
  if (plot.empty) {
    own.chart?.clear();
    put(".empty", plot.empty);
    return;
  }
  put(".empty", "");
  showKey(own);
  if (plot.height) own.canvas.style.height = `${plot.height}px`;
  const { width, height } = sizeOf(own);
  own.width = own.canvas.clientWidth;
  const look = [width, height, lit, isDark()].join();
  const stays = own.chart && plot.still && before?.still === plot.still && !before.empty && own.look === look;
  own.look = look;
  if (stays) {
    own.chart.setOption({ series: [ruleSeries(plot, own.place, inks())] });
    return;
  }
  if (!own.chart) {
    const host = el("div", { class: "host", "aria-hidden": "true" });
    own.canvas.prepend(host);
    own.chart = echarts.init(host, null, { renderer: "svg", width, height });
  } else own.chart.resize({ width, height });
  own.place = layout(plot, width, height);
  own.chart.setOption(options(plot, own.place, inks(), lit), true);
  own.spots = spotsOf(plot, own.place);
  if (plot.choose) rowButtons(own.canvas, plot.choose, own.place);
}

function widthOf({ node, canvas }) {
  if (!onPaper()) return canvas.clientWidth;
  return node.closest(".four") ? PAPER.half.width : PAPER.width;
}

function sizeOf(own) {
  if (!onPaper()) return { width: widthOf(own), height: own.canvas.clientHeight };
  return own.node.closest(".four") ? PAPER.half : { width: PAPER.width, height: own.plot.height || PAPER.height };
}

/* Lights one group up in all figures, dims the others; null for none. Drawn once a frame. */
export function light(group) {
  if (group === lit) return;
  lit = group;
  lighting ||= requestAnimationFrame(relight);
}

let lighting = 0;
function relight() {
  lighting = 0;
  for (const own of figures.values()) {
    if (!own.chart || !own.visible || own.plot.empty) continue;
    if (own.plot.follows) own.plot = prepared(own.plotOf({ width: widthOf(own), lit }));
    own.chart.setOption(options(own.plot, own.place, inks(), lit), true);
  }
}

function pointedAt(own, px, py) {
  const near = nearestMarks(own.spots.spots, px, py);
  if (near.length) return near;
  const bar = barAt(own.spots.bars, px, py);
  return bar ? [bar] : [];
}

function show(own, near, pinned) {
  own.pinned = pinned;
  own.tip.show(
    near.map((s) => s.mark.about),
    near[0].px,
    near[0].py,
    pinned,
    () => close(own),
  );
  light(near[0].mark.group ?? null);
  cross(own, near[0].mark);
}

function close(own) {
  own.pinned = false;
  leave(own);
}

function leave(own) {
  own.tip.hide();
  light(null);
  cross(own, null);
}

/* Shows the same point, and the same place on the same axis, in the other figures; null for none. */
function cross(from, mark) {
  for (const own of figures.values()) {
    if (own === from || !own.chart) continue;
    const at = mark && mark.key && own.visible && !own.plot.empty && siblingOf(own, from, mark);
    if (at) own.cursor.show(...at, own.place.rect);
    else own.cursor.hide();
  }
}

function siblingOf(own, from, mark) {
  const same = own.spots.spots.find((s) => s.mark.key === mark.key);
  if (same) return [same.px, same.py];
  return own.plot.x.title === from.plot.x.title && !own.plot.y.categories ? [own.place.x(mark.x), null] : null;
}

function listen(own) {
  const at = (event) => {
    const box = own.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  own.canvas.addEventListener("pointermove", (event) => {
    if (!own.spots || own.pinned || own.plot.empty) return;
    const near = pointedAt(own, ...at(event));
    if (near.length) show(own, near, false);
    else leave(own);
  });
  own.canvas.addEventListener("pointerleave", () => {
    if (!own.pinned) leave(own);
  });
  own.canvas.addEventListener("click", (event) => {
    if (!own.spots || own.plot.empty || event.target.closest(".tip, .rows")) return;
    const near = pointedAt(own, ...at(event));
    if (near.length) {
      own.pick?.(near[0].mark);
      show(own, near, true);
    } else if (own.pinned || !own.plot.choose) close(own);
    else {
      const row = rowAt(own.place, own.plot.choose.names.length, at(event)[1]);
      if (row !== null) own.plot.choose.act(row);
    }
  });
  own.canvas.addEventListener("keydown", (event) => stepWithKeys(own, event));
  own.canvas.addEventListener("blur", () => {
    if (!own.pinned) leave(own);
  });
}

/* Arrows go from mark to mark, left to right; Enter pins, Escape closes. */
function stepWithKeys(own, event) {
  if (!own.spots || own.plot.empty || event.target !== own.canvas) return;
  const order = [...own.spots.all].sort((a, b) => a.px - b.px || a.py - b.py);
  const move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (move && order.length) {
    own.step = (own.step + move + order.length) % order.length;
    show(own, [order[own.step]], false);
  } else if (event.key === "Enter" && order[own.step]) {
    own.pick?.(order[own.step].mark);
    show(own, [order[own.step]], true);
  } else if (event.key === "Escape") close(own);
  else return;
  event.preventDefault();
}
