/* The charts of the decision: rent today against rent needed, the owner's cost by component, and what moves it. */
import { figure } from "../../base/figure.js";
import { change, rate, short } from "../../base/format.js";
import { rangeOf } from "../../base/scale.js";
import { textWidth } from "../../base/text.js";
import { isDark } from "../../base/theme.js";
import { ownerStack, ownerTotal, tornado } from "../money.js";
import { inputsOf, market, openRanges, operator, owned } from "../owner.js";
import { basisName, priceOf } from "../prices.js";
import { panel, state } from "../state.js";
import { accelerators, data, tint } from "../study.js";
import { limitText, rentNeeded, verdictAt, withheldTitle } from "../verdict.js";

const ROW_PX = 30;
const height = (rows) => rows * ROW_PX + 70;

/* Rent today and the rent at which each accelerator's tokens cost what the cheapest ones do. */
function dumbbell() {
  const p = panel();
  const v = verdictAt(p);
  const rows = v.ranked
    .filter((l) => !state.off.has(l.a) && priceOf(l.a))
    .map((l) => ({
      a: l.a,
      now: priceOf(l.a),
      needed: rentNeeded(v, l.a) ?? priceOf(l.a),
    }));
  const range = rangeOf(
    rows.flatMap((r) => [r.now, r.needed]),
    false,
  ) || [0, 1];
  const say = (r) => ({
    title: r.a,
    rows: [
      `now ${rate(r.now)} per GPU-hour`,
      r.a === v.winner?.a
        ? `has the ${v.withheld ? "lowest cost; the verdict is withheld" : "cheapest tokens"}`
        : `equals ${v.winner.a} at ${rate(r.needed)}: ${change(r.needed / r.now - 1)}`,
    ],
  });
  const look = (r) => ({ group: r.a, color: tint(r.a), shape: accelerators.get(r.a).shape, about: say(r) });
  const second = rows.find((r) => r.a !== v.winner.a);
  return {
    title: v.withheld
      ? withheldTitle(v.withheld)
      : second
        ? `To equal ${v.winner.a}, ${second.a} would have to cost ${rate(second.needed)} instead of ${rate(second.now)} per GPU-hour`
        : `Rent today and rent needed at ${limitText()}`,
    subtitle: `${p.modelName} ${p.precision.toUpperCase()}, ${p.workload}, ${limitText()}. Filled: the price now; hollow: the price at which its tokens cost what the cheapest do. Prices: ${basisName()}.`,
    source: `Throughput: ${data.sources[data.panels.indexOf(p)]}.`,
    x: { title: "$ per GPU-hour", prefix: "$", min: range[0], max: range[1] },
    y: { categories: rows.map((r) => r.a) },
    lines: [],
    bars: rows.map((r, row) => ({ ...look(r), row, from: r.now, to: r.needed, height: 3 })),
    marks: rows.flatMap((r, row) => [
      ...(r.needed === r.now ? [] : [{ ...look(r), x: r.needed, y: row, hollow: true, size: 10 }]),
      { ...look(r), x: r.now, y: row, size: 11 },
    ]),
    texts: rows.map((r, row) => ({
      x: Math.max(r.now, r.needed),
      y: row,
      dx: 12,
      text: r.needed === r.now ? (v.withheld ? "lowest cost" : "cheapest") : change(r.needed / r.now - 1),
    })),
    room: 70,
    height: height(rows.length),
    empty: rows.length ? null : `No accelerator with a price meets ${limitText()}.`,
    table: { heads: ["Accelerator", "Now, $/GPU-h", "Needed, $/GPU-h"], rows: rows.map((r) => [r.a, r.now, r.needed]) },
  };
}

/* A neutral ramp: components are no accelerators. */
const RAMP = [
  "#33415c",
  "#4d5f80",
  "#6b7fa1",
  "#8d9fbd",
  "#b0bfd6",
  "#8a7f70",
  "#a3937c",
  "#bcab90",
  "#d3c5ab",
  "#7a8c7e",
  "#98a89b",
  "#b6c3b8",
  "#cfd6d0",
];

function stack() {
  const ids = owned().filter((id) => !state.off.has(id));
  const stacks = ids.map((id) => ownerStack(inputsOf(id)));
  const totals = ids.map((id) => ownerTotal(inputsOf(id)));
  const used = market.components.filter(([key]) => stacks.some((s) => Math.abs(s[key]) > 1e-9));
  const bars = ids.flatMap((id, row) => {
    let [above, below] = [0, 0];
    return used.map(([key, title], k) => {
      const usd = stacks[row][key];
      const from = usd < 0 ? below : above;
      if (usd < 0) below += usd;
      else above += usd;
      return {
        row,
        from,
        to: from + usd,
        height: 18,
        color: RAMP[k % RAMP.length],
        about: { title: `${id}, ${title}`, rows: [`${rate(usd)} of ${rate(totals[row])} per GPU-hour`] },
      };
    });
  });
  const range = rangeOf([0, ...bars.flatMap((b) => [b.from, b.to])], false) || [0, 1];
  const top = bars.length
    ? used.reduce((best, [key, title], k) => (stacks[0][key] > stacks[0][best.key] ? { key, title, k } : best), {
        key: used[0][0],
        title: used[0][1],
      })
    : null;
  return {
    title: top
      ? `Largest part of the owner’s cost of a GPU-hour: ${top.title.toLowerCase()}`
      : "Owner’s cost of a GPU-hour",
    subtitle: `${operator().name}. The figure at the end of each bar is the total; a residual value is subtracted.`,
    source: "Inputs with their sources: “What a GPU-hour costs its owner”.",
    x: { title: "$ per GPU-hour", prefix: "$", min: range[0], max: range[1] },
    y: { categories: ids },
    lines: [],
    bars,
    marks: [],
    texts: ids.map((_, row) => ({
      x: Math.max(...bars.filter((b) => b.row === row).map((b) => b.to)),
      y: row,
      dx: 6,
      text: rate(totals[row]),
    })),
    room: 60,
    height: height(ids.length),
    empty: ids.length ? null : "This owner has no accelerators here.",
    key: used.map(([, title], k) => [title, RAMP[k % RAMP.length]]),
    table: {
      heads: ["Accelerator", ...used.map(([, title]) => title), "Total, $/GPU-h"],
      rows: ids.map((id, i) => [id, ...used.map(([key]) => stacks[i][key]), totals[i]]),
    },
  };
}

/* A value with its unit, as short as a label needs. */
function withUnit(x, unit) {
  if (unit === "1/year") return `${short(x * 100, 3)} %/year`;
  if (unit.startsWith("share")) return `${short(x * 100, 3)} %`;
  if (unit.startsWith("USD")) return `$${short(x, 4)}${unit.slice(3)}`;
  return unit === "×" ? `×${short(x, 4)}` : `${short(x, 4)} ${unit}`;
}

function tornadoChart({ width }) {
  const id = state.tornadoOf;
  if (!id)
    return {
      lines: [],
      marks: [],
      x: {},
      y: {},
      title: "What moves the owner’s cost",
      empty: "This owner has no accelerators here.",
    };
  const base = ownerTotal(inputsOf(id));
  const swings = tornado(inputsOf(id), openRanges(id));
  const title = (s) => market.parameters[s.name].title;
  const ends = ({ atLow, atHigh }) => `${rate(Math.min(atLow, atHigh))} to ${rate(Math.max(atLow, atHigh))}`;
  const value = (s, key) => withUnit(s[key], market.parameters[s.name].unit);
  const [low, high] = isDark() ? ["#8fa8d6", "#d9a679"] : ["#33518a", "#a8642a"];
  const bar = (s, row, key, at, color) => ({
    row,
    from: base,
    to: at,
    height: 16,
    color,
    about: { title: title(s), rows: [`${value(s, key)}: ${rate(at)} per GPU-hour (now ${rate(base)})`] },
  });
  const bars = swings.flatMap((s, row) => [bar(s, row, "low", s.atLow, low), bar(s, row, "high", s.atHigh, high)]);
  const tips = swings.flatMap((s, row) => [
    { row, at: s.atLow, text: value(s, "low"), left: s.atLow < s.atHigh },
    { row, at: s.atHigh, text: value(s, "high"), left: s.atHigh < s.atLow },
  ]);
  const span = rangeOf([base, ...bars.map((b) => b.to)], false, false) || [0, base * 1.2];
  /* Room for the values at both ends of the bars, beside the names of the inputs. */
  const widest = (list) => Math.max(0, ...list.map((t) => textWidth(t.text, 10))) + 8;
  const sides = [widest(tips.filter((t) => t.left)), widest(tips.filter((t) => !t.left))];
  const room = width - Math.max(0, ...swings.map((s) => textWidth(title(s)))) - 30 - sides[0] - sides[1];
  const perPx = (span[1] - span[0]) / Math.max(room, 60);
  return {
    title: swings.length
      ? `${title(swings[0])} moves the owner’s cost of ${id} most: ${ends(swings[0])} per GPU-hour`
      : `Nothing moves the cost of ${id}`,
    subtitle: `${operator().name}; each input alone at its low (blue) and its high value (brown). The line is the cost now, ${rate(base)} per GPU-hour.`,
    source: "Ranges with their sources: “What a GPU-hour costs its owner”.",
    x: {
      title: `$ per GPU-hour of ${id}`,
      prefix: "$",
      min: span[0] - sides[0] * perPx,
      max: span[1] + sides[1] * perPx,
    },
    y: { categories: swings.map(title) },
    lines: [],
    bars,
    marks: [],
    rules: [{ x: base, dash: "solid" }],
    texts: tips.map((e) => ({
      x: e.left ? Math.min(e.at, base) : Math.max(e.at, base),
      y: e.row,
      dx: e.left ? -4 : 4,
      align: e.left ? "right" : "left",
      text: e.text,
      size: 10,
    })),
    height: height(swings.length),
    empty: swings.length ? null : "You have set every input; none is uncertain.",
    table: {
      heads: ["Input", "Low", "$/GPU-h at low", "High", "$/GPU-h at high"],
      rows: swings.map((s) => [title(s), value(s, "low"), s.atLow, value(s, "high"), s.atHigh]),
    },
  };
}

export function decideCharts() {
  figure("chart-dumbbell", dumbbell);
  figure("chart-stack", stack);
  figure("chart-tornado", tornadoChart);
}
