/* The parts of a plot that are drawn as shapes in pixels: rules, bands, bars, intervals, names and texts. */
import { LABEL_PX } from "./labels.js";
import { FONT, SIZE, textWidth } from "./text.js";

export const DASHES = { solid: "solid", dashed: [7, 4], dotted: [2, 3] };

/* A series of ready shapes in pixels. */
export function shapes(id, items, shape, z, clip = false) {
  return {
    id,
    type: "custom",
    coordinateSystem: "cartesian2d",
    silent: true,
    clip,
    z,
    data: items.map((_, i) => [i]),
    encode: { x: -1, y: -1 },
    renderItem: (params) => shape(items[params.dataIndex]),
  };
}

export function rule(r, { rect, x, y, width }, ink) {
  const vertical = r.x !== undefined;
  const at = vertical ? x(r.x) : y(r.y);
  const [from, to] = r.wide ? [0, width] : [rect.left, rect.right];
  const [x1, y1, x2, y2] = vertical ? [at, rect.top, at, rect.bottom] : [from, at, to, at];
  const style = { stroke: r.color || ink.edge, lineWidth: 1, lineDash: DASHES[r.dash || "dashed"], fill: null };
  const children = [{ type: "line", shape: { x1, y1, x2, y2 }, style }];
  if (r.text) {
    const flip = vertical && x1 + textWidth(r.text) + 8 > rect.right;
    const text = {
      text: r.text,
      x: vertical ? x1 + (flip ? -4 : 4) : rect.right - 4,
      y: vertical ? rect.top + 2 : y1 - 13,
    };
    children.push({
      type: "text",
      style: {
        ...text,
        ...halo(ink),
        fill: r.color || ink.muted,
        fontSize: SIZE.label,
        align: flip || !vertical ? "right" : "left",
      },
    });
  }
  return { type: "group", children };
}

const halo = (ink) => ({ stroke: ink.ground, lineWidth: 3, fontFamily: FONT });

export function band(b, { x, y }, dim) {
  const points = [
    ...b.points.map(([v, low]) => [x(v), y(low)]),
    ...b.points.map(([v, , high]) => [x(v), y(high)]).reverse(),
  ];
  return { type: "polygon", shape: { points }, style: { fill: b.color, opacity: 0.16 * dim(b.group) } };
}

export function bar(b, { rect, x, y }, dim) {
  const [from, to] = [x(b.from), x(b.to)];
  const size = b.height;
  const clipped = { x: Math.max(Math.min(from, to), rect.left), width: Math.abs(to - from) };
  return {
    type: "rect",
    shape: { ...clipped, y: y(b.row) - size / 2, height: size },
    style: { fill: b.color, opacity: dim(b.group) },
  };
}

export function interval(m, { x, y }, dim) {
  const [low, high] = m.interval;
  const ends =
    m.along === "y"
      ? { x1: x(m.x), x2: x(m.x), y1: y(low), y2: y(high) }
      : { x1: x(low), x2: x(high), y1: y(m.y), y2: y(m.y) };
  return {
    type: "line",
    shape: ends,
    style: { stroke: m.color, lineWidth: m.thin ? 1 : 1.6, opacity: (m.faint ? 0.3 : 0.75) * dim(m.group), fill: null },
  };
}

/* A name right of the plot, joined to the end of its line where it stands aside. */
export function label(l, { rect }, ink, dim) {
  const at = rect.right + 12;
  const style = { stroke: l.color, lineWidth: 1, opacity: 0.45 * dim(l.group), fill: null };
  const leader = {
    type: "polyline",
    shape: {
      points: [
        [Math.min(l.x, rect.right) + 2, l.y],
        [rect.right + 6, l.at],
        [at - 2, l.at],
      ],
    },
    style,
  };
  const text = {
    text: l.name,
    x: at,
    y: l.at - LABEL_PX / 2 + 1,
    fill: l.color,
    fontSize: SIZE.label,
    opacity: dim(l.group),
  };
  return {
    type: "group",
    children: [
      ...(Math.abs(l.at - l.y) > 3 || l.x < rect.right - 14 ? [leader] : []),
      { type: "text", style: { ...text, ...halo(ink) } },
    ],
  };
}

export function words(t, { x, y }, ink) {
  const style = {
    text: t.text,
    x: x(t.x) + (t.dx || 0),
    y: y(t.y) + (t.dy || 0),
    fill: t.color || ink.ink,
    align: t.align || "left",
    verticalAlign: "middle",
    fontSize: t.size || SIZE.label,
  };
  return { type: "text", style: { ...style, ...halo(ink) } };
}
