/* A plot as ECharts options. A plot is plain data that knows nothing of ECharts:

     title, subtitle, source   the texts on the figure; title says what is to be seen
     x, y        {title, log, min, max, prefix, suffix, format, whole: only whole numbers} or {categories: [text, ...]} (y only; first on top)
     lines       {group, name, color, dash: solid|dashed|dotted, width, points: [[x, y] or null, ...], label}
     bands       {group, color, points: [[x, low, high], ...]}
     bars        {group, color, row, from, to, height, about}
     marks       {group, key, x, y, shape, color, hollow, faint, size, interval: [low, high] along `along`, about}
     rules       {x or y, text, color, dash, wide}; a wide one goes through the whole width
     texts       {x, y, text, color, align, dx, dy, size}
     key         [[text, color], ...]: what marks and colours mean, below the plot
     choose      {names, selected, label, act(row)}: rows that can be selected (base/rows.js)
     follows     whether its bands depend on the group that is lit; its axes do not
     left, room  pixels left and right of the plot, at least
     empty       why there is nothing to draw; then no axes are drawn
     still       the same object as long as nothing but rules and texts changes
     table       {heads, rows}: the same figures for the table view and the CSV

   `group` is what dims and lights up together (an accelerator). `about` is {title, rows: [text, ...], href}. */
import { spreadLabels } from "./labels.js";
import { axisTicks, scale, thinned, tickText } from "./scale.js";
import { band, bar, DASHES, interval, label, rule, shapes, words } from "./shapes.js";
import { FONT, SIZE, textWidth } from "./text.js";

const NARROW = 300;
/* "none" is a place that answers the pointer without a mark: a point of a line. */
const SYMBOLS = {
  none: "none",
  circle: "circle",
  square: "rect",
  diamond: "diamond",
  triangle: "triangle",
  "triangle-down": "path://M0,0L10,0L5,9Z",
  pentagon: "path://M5,0L10,3.8L8.1,9.6L1.9,9.6L0,3.8Z",
  hexagon: "path://M2.5,0L7.5,0L10,4.5L7.5,9L2.5,9L0,4.5Z",
  star: "path://M5,0L6.2,3.6L10,3.6L6.9,5.8L8.1,9.4L5,7.2L1.9,9.4L3.1,5.8L0,3.6L3.8,3.6Z",
  cross: "path://M1,0L5,4L9,0L10,1L6,5L10,9L9,10L5,6L1,10L0,9L4,5L0,1Z",
  plus: "path://M4,0L6,0L6,4L10,4L10,6L6,6L6,10L4,10L4,6L0,6L0,4L4,4Z",
};

/* Where everything stands: the rectangle of the plot, the scales, ticks, and the names of lines. Pixels. */
export function layout(plot, width, height) {
  const rows = plot.y.categories;
  const yTicks = rows ? [] : axisTicks(plot.y, Math.max(3, Math.round(height / 60)));
  const yText = tickText(plot.y);
  const left =
    Math.ceil(Math.max(28, (plot.left || 0) - 12, ...(rows || yTicks.map(yText)).map((t) => textWidth(t)))) + 12;
  const named = plot.lines.filter((l) => l.label && l.points.some(Boolean));
  const roomy = width >= NARROW && named.length > 0;
  const gutter = roomy ? Math.ceil(Math.max(...named.map((l) => textWidth(l.name, SIZE.label)))) + 20 : 0;
  const right = Math.max(plot.room || 0, gutter, 16);
  const rect = { left, top: plot.y.title ? 24 : 10, right: width - right, bottom: height - (plot.x.title ? 42 : 24) };
  const x = scale(plot.x, rect.left, rect.right);
  const y = rows
    ? (row) => rect.top + ((row + 0.5) / rows.length) * (rect.bottom - rect.top)
    : scale(plot.y, rect.bottom, rect.top);
  const xText = tickText(plot.x);
  const xTicks = thinned(axisTicks(plot.x), x, (v) => textWidth(xText(v)) + 12);
  const ends = named.map((l) => {
    const own = plot.lines.filter((o) => o.name === l.name && o.group === l.group).flatMap((o) => o.points);
    const last = own.reduce((best, p) => (p && (!best || p[0] > best[0]) ? p : best), null);
    return { name: l.name, group: l.group, color: l.labelColor || l.color, x: x(last[0]), y: y(last[1]) };
  });
  const labels = roomy ? spreadLabels(ends, rect.top + 4, rect.bottom - 4) : null;
  return { rect, x, y, xTicks, yTicks, xText, yText, labels, width, height };
}

/* The rules of a plot alone, which may move while all else stays. */
export const ruleSeries = (plot, place, ink) => shapes("rules", plot.rules || [], (r) => rule(r, place, ink), 1);

/* The options of a plot in a layout; what belongs to another group than `lit` is faint. */
export function options(plot, place, ink, lit = null) {
  const dim = (group) => (lit !== null && group !== undefined && group !== lit ? 0.13 : 1);
  return {
    animation: false,
    backgroundColor: ink.ground,
    textStyle: { fontFamily: FONT },
    grid: {
      left: place.rect.left,
      top: place.rect.top,
      right: place.width - place.rect.right,
      bottom: place.height - place.rect.bottom,
    },
    xAxis: xAxis(plot, place, ink),
    yAxis: yAxis(plot, place, ink),
    series: [
      ruleSeries(plot, place, ink),
      shapes("bands", plot.bands || [], (b) => band(b, place, dim), 1, true),
      shapes("bars", plot.bars || [], (b) => bar(b, place, dim), 2),
      ...plot.lines.map((l, i) => line(l, i, dim)),
      shapes(
        "intervals",
        plot.marks.filter((m) => m.interval),
        (m) => interval(m, place, dim),
        4,
      ),
      ...marks(plot.marks, ink, dim),
      shapes("labels", place.labels || [], (l) => label(l, place, ink, dim), 6),
      shapes("texts", plot.texts || [], (t) => words(t, place, ink), 6),
    ],
  };
}

const axisInk = (ink) => ({
  axisLine: { show: true, lineStyle: { color: ink.edge }, onZero: false },
  splitLine: { show: true, lineStyle: { color: ink.rule } },
  nameTextStyle: { color: ink.muted, fontSize: SIZE.title },
});

function xAxis(plot, place, ink) {
  const log = plot.x.log;
  const at = (v) => (log ? Math.log10(v) : v);
  return {
    type: "value",
    min: at(plot.x.min),
    max: at(plot.x.max),
    name: plot.x.title,
    nameLocation: "middle",
    nameGap: 26,
    ...axisInk(ink),
    splitLine: { show: true, lineStyle: { color: ink.rule } },
    axisTick: { show: true, customValues: place.xTicks.map(at), lineStyle: { color: ink.edge } },
    axisLabel: {
      customValues: place.xTicks.map(at),
      color: ink.muted,
      fontSize: SIZE.tick,
      hideOverlap: false,
      formatter: (v) => place.xText(nearest(place.xTicks, log ? 10 ** v : v)),
    },
    interval: undefined,
  };
}

function yAxis(plot, place, ink) {
  if (plot.y.categories)
    return {
      type: "category",
      data: plot.y.categories,
      inverse: true,
      ...axisInk(ink),
      axisTick: { show: false },
      axisLabel: { color: ink.ink, fontSize: SIZE.tick, interval: 0 },
      splitLine: { show: true, lineStyle: { color: ink.rule } },
    };
  const log = plot.y.log;
  const at = (v) => (log ? Math.log10(v) : v);
  return {
    type: "value",
    min: at(plot.y.min),
    max: at(plot.y.max),
    name: plot.y.title,
    nameLocation: "end",
    nameGap: 10,
    ...axisInk(ink),
    nameTextStyle: { color: ink.muted, fontSize: SIZE.title, align: "left", padding: [0, 0, 0, 8 - place.rect.left] },
    axisTick: { show: true, customValues: place.yTicks.map(at), lineStyle: { color: ink.edge } },
    axisLabel: {
      customValues: place.yTicks.map(at),
      color: ink.muted,
      fontSize: SIZE.tick,
      formatter: (v) => place.yText(nearest(place.yTicks, log ? 10 ** v : v)),
    },
  };
}

const nearest = (values, v) => values.reduce((best, t) => (Math.abs(t - v) < Math.abs(best - v) ? t : best), values[0]);

const coordinate = (axis, v) => (axis.log ? Math.log10(v) : v);

function line(l, i, dim) {
  return {
    id: `line${i}`,
    type: "line",
    silent: true,
    showSymbol: false,
    z: 3,
    clip: true,
    connectNulls: false,
    data: l.points.map((p) => (p ? l.at(p) : ["-", "-"])),
    lineStyle: { color: l.color, width: l.width || 2.2, type: DASHES[l.dash || "solid"], opacity: dim(l.group) },
  };
}

/* One series of marks for each group, so that one can be dimmed. */
function marks(all, ink, dim) {
  const groups = new Map();
  for (const m of all) groups.set(m.group, [...(groups.get(m.group) || []), m]);
  return [...groups].map(([group, own]) => ({
    id: `marks-${group}`,
    type: "scatter",
    silent: true,
    z: 5,
    clip: false,
    data: [...own]
      .sort((a, b) => Number(b.faint || false) - Number(a.faint || false))
      .map((m) => ({
        value: m.at,
        symbol: SYMBOLS[m.shape] || "circle",
        symbolSize: m.size || (m.faint ? 5 : 9),
        itemStyle: {
          color: m.hollow ? ink.ground : m.color,
          borderColor: m.hollow ? m.color : ink.ground,
          borderWidth: m.hollow ? 1.8 : 0.8,
          opacity: (m.faint ? 0.35 : 1) * dim(group),
        },
      })),
  }));
}

/* The plot with the coordinates that ECharts takes: logarithms on logarithmic axes, which are drawn as plain ones. */
export function prepared(plot) {
  const y = (v) => (plot.y.categories ? v : coordinate(plot.y, v));
  const at = ([a, b]) => [coordinate(plot.x, a), y(b)];
  return {
    ...plot,
    lines: (plot.lines || []).map((l) => ({ ...l, at })),
    marks: (plot.marks || []).map((m) => ({ ...m, at: at([m.x, m.y]) })),
  };
}
