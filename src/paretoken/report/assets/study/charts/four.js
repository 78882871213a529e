/* The four charts of a panel: throughput per GPU against interactivity (or TTFT) and against E2E latency, the cost of
   tokens, and the rent needed. */
import { figure } from "../../base/figure.js";
import { dollars, more, rate, short } from "../../base/format.js";
import { rivalOf } from "../answer.js";
import { AXES } from "../axes.js";
import { curvesOf, leadersAt } from "../curves.js";
import { withheldBetween } from "../doubts.js";
import { breakEvenRent } from "../money.js";
import { cellOf, kwOf, ownerOf, powerBasis } from "../owner.js";
import { basisName, costOf, marketTerm, priceOf, unpricedOf } from "../prices.js";
import { limit, panel, state, VIEWS } from "../state.js";
import { data, tint } from "../study.js";
import { limitText, verdictAt, withheldTitle } from "../verdict.js";
import { overLatency } from "./latency.js";

export const subjectOf = (p) =>
  `${p.modelName} ${p.precision.toUpperCase()}, ${p.workload}; ${p.scenarioTitle.toLowerCase()}`;
const sources = (p) => `Source: ${data.sources[data.panels.indexOf(p)]}`;
const shown = (l) => !state.off.has(l.a);

/* Throughput by what it is measured in: per GPU, or per MW of utility power. */
const MEASURES = {
  gpu: { of: (a, t) => t, title: "tok/s/GPU, input and output", unit: "tok/s/GPU", noun: "GPU" },
  mw: {
    of: (a, t) => (kwOf(a) ? (t * 1000) / kwOf(a) : null),
    title: "tok/s/MW of utility power",
    unit: "tok/s/MW",
    noun: "MW",
  },
};

/* Throughput of the selected panel over an axis; of one engine on the scales of all, if one is named. */
export function throughputPlot(axis, engine = null) {
  const p = panel();
  const measure = MEASURES[state.measure];
  const plot = overLatency(p, axis, {
    figure: measure.of,
    says: (a, t) => `${short(t, 4)} ${measure.unit}`,
    title: measure.title,
    engine,
  });
  const empty = plot.marks.length ? null : `No accelerator shown has data on ${AXES[axis].name} here.`;
  const power = state.measure === "mw" ? `. ${capital(powerBasis())}` : "";
  const other = axis === state.axis || empty ? "" : `. Limit of this chart: ${limitText(axis, state[axis])}`;
  const title = empty ? `No data on ${AXES[axis].name} here` : throughputTitle(p, axis, measure);
  return { ...plot, title, subtitle: `${subjectOf(p)}${other}${power}`, source: sources(p), empty };
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function throughputTitle(p, axis, measure) {
  const value = axis === state.axis ? limit() : state[axis];
  const leaders = leadersAt(p, axis, value).map((l) => ({ ...l, value: measure.of(l.a, l.t) }));
  const [first, second] = leaders
    .filter(shown)
    .filter((l) => l.value !== null)
    .sort((x, y) => y.value - x.value);
  if (!first) return `Nothing meets ${limitText(axis, value)}`;
  const reason = second && withheldBetween(p, axis, value, leaders, first, second);
  if (reason) return withheldTitle(reason, axis, value);
  if (second && first.value / second.value - 1 < data.bounds.run[0])
    return `${first.a} and ${second.a} serve about as many tokens per ${measure.noun} at ${limitText(axis, value)}`;
  const lead = second ? `, ${more(first.value / second.value - 1)} over ${second.a}` : "";
  return `${first.a} serves the most tokens per ${measure.noun} at ${limitText(axis, value)}${lead}`;
}

function cost() {
  const p = panel();
  const { axis } = state;
  const what = state.view === "t" ? "" : `${VIEWS[state.view]} `;
  const plot = overLatency(p, axis, {
    figure: costOf,
    says: (a, usd) => `${dollars(usd)} per million ${what}tokens`,
    title: `$ per million ${what}tokens`,
    prefix: "$",
    key: state.view,
  });
  const missing = leadersAt(p, axis, limit()).length && !plot.marks.length;
  const empty = plot.marks.length
    ? null
    : missing && state.view !== "t"
      ? `No source here states ${VIEWS[state.view]} throughput, so its cost is not known.`
      : `No accelerator shown has a price and data on ${AXES[axis].name} here.`;
  const unpriced = unpricedOf(verdictAt(p).ranked.map((l) => l.a));
  const without = unpriced.length ? `. No price: ${unpriced.join(", ")}` : "";
  const all = what ? `; all cost on ${VIEWS[state.view]} tokens` : "";
  const subtitle = `${subjectOf(p)}. Prices: ${basisName()}${all}${without}`;
  const bands = state.basis === "owner" && state.view === "t" ? plot.lines.flatMap(ownerBands) : [];
  return {
    ...plot,
    bands,
    title: costTitle(p),
    subtitle: `${subtitle}${bands.length ? `. Bands: ${BANDS}` : ""}`,
    source: sources(p),
    empty,
  };
}

const BANDS = "P5 to P95 over all inputs of the owner’s cost and the throughput";

/* The spread of the owner's cost around a line, a band for each of its unbroken parts; its relative width stays when
   the reader adjusts an input. */
function ownerBands({ group, origin, color, points }) {
  const spreads = state.prices.has(group) ? null : ownerOf(group)?.bands;
  const [low, high] = (spreads && (spreads[origin] || spreads.published)) || [null, null];
  if (low === null || low === undefined) return [];
  const parts = [[]];
  for (const p of points) {
    if (p === null) parts.push([]);
    else parts[parts.length - 1].push([p[0], p[1] * low, p[1] * high]);
  }
  return parts.filter((part) => part.length > 1).map((part) => ({ group, color, points: part }));
}

function costTitle(p) {
  const v = verdictAt(p);
  if (!v.winner) return `No tokens with a price at ${limitText()}`;
  if (v.withheld) return withheldTitle(v.withheld);
  const lead = v.second ? `; ${v.second.a} ${more(v.margin)}` : "";
  return `${v.winner.a} has the cheapest tokens at ${limitText()}: ${dollars(v.winner.usd)} per million${lead}`;
}

/* The selected reference, or where it has no price or no curve here, the cheapest accelerator within the limit. */
function referenceOf(p, axis) {
  const usable = (a) => priceOf(a) !== null && curvesOf(p, axis).some((c) => c.a === a);
  return usable(state.reference) ? state.reference : (verdictAt(p).winner?.a ?? state.reference);
}

/* The rent at which each accelerator's tokens cost what the reference's do at the price basis, with the market's
   quartiles of the accelerator that is pointed at, else of the rival, as a band. */
function rent(lit) {
  const p = panel();
  const { axis } = state;
  const reference = referenceOf(p, axis);
  const base = priceOf(reference);
  const texts = { subtitle: subjectOf(p), source: sources(p) };
  const plot = overLatency(p, axis, {
    figure: (a, t) => t,
    says: () => "",
    title: `Rent needed to equal ${reference}, $/GPU-h`,
    prefix: "$",
  });
  const atReference = memo((value) => leadersAt(p, axis, value).find((l) => l.a === reference)?.t ?? null);
  const needed = ([value, t]) => (atReference(value) ? [value, breakEvenRent(base, atReference(value), t)] : null);
  const lines =
    base === null
      ? []
      : plot.lines
          .map((l) => ({ ...l, points: l.points.map((q) => q && needed(q)) }))
          .filter((l) => l.points.some(Boolean));
  const band = marketBand(lit, p, plot.x, lines, reference);
  const usual = marketBand(null, p, plot.x, lines, reference);
  const best = memo((value) => new Map(leadersAt(p, axis, value).map((l) => [l.a, l.t])));
  const leads = (m) => !m.faint && m.shape !== "cross" && m.y >= (best(m.x).get(m.group) ?? Infinity) * 0.995;
  const marks =
    base === null ? [] : plot.marks.filter(leads).flatMap((m) => rentMark(m, needed([m.x, m.y]), base, reference));
  const values = [
    ...lines.flatMap((l) => l.points.filter(Boolean).map(([, y]) => y)),
    ...(usual ? usual.quartiles : []),
  ];
  const empty =
    base === null
      ? `${reference} has no price at this basis. Choose another reference.`
      : values.length
        ? null
        : `${reference} has no data here. Choose another reference.`;
  const y = values.length ? { ...plot.y, min: Math.min(...values) * 0.9, max: Math.max(...values) * 1.1 } : plot.y;
  return {
    ...plot,
    ...texts,
    still: null,
    y,
    lines,
    marks,
    bands: band ? [band] : [],
    follows: true,
    title: rentTitle(p, base, reference),
    subtitle: `${texts.subtitle}${rentNotes(p, band, reference)}`,
    table: {
      heads: ["Accelerator", AXES[axis].title, "$/GPU-h"],
      rows: lines.flatMap((l) => l.points.filter(Boolean).map(([x, v]) => [l.name, x, v])),
    },
    empty,
  };
}

/* A mark of a point on its accelerator's best curve, where the reference has data too. */
function rentMark(m, at, base, reference) {
  if (!at) return [];
  const says = `equals ${reference} at ${rate(at[1])} per GPU-hour (${reference} costs ${rate(base)})`;
  return [{ ...m, y: at[1], interval: null, about: { ...m.about, rows: [says, ...m.about.rows.slice(1)] } }];
}

/* Whose band it is or why there is none, and why the reference is not the selected one. */
function rentNotes(p, band, reference) {
  const rival = rivalFor(p, reference);
  const market = band ? `. Band: ${band.text}` : rival ? `. No market price of ${rival}, ${marketTerm()}` : "";
  return `${market}${reference === state.reference ? "" : `. ${state.reference} has no data or price here`}`;
}

/* The accelerator whose market rent is shown: the cheapest of another vendor, else the second; null without any. */
function rivalFor(p, reference) {
  const v = verdictAt(p);
  const rival = v.winner && (rivalOf(v) || v.second);
  return rival && rival.a !== reference ? rival.a : null;
}

function rentTitle(p, base, reference) {
  const at = leadersAt(p, state.axis, limit());
  const own = at.find((l) => l.a === reference);
  const v = verdictAt(p);
  const rival = v.winner && [v.winner, ...(rivalOf(v) ? [rivalOf(v)] : [])].find((l) => l.a !== reference);
  if (!own || !rival || base === null) return `Rent at which each equals ${reference}`;
  if (v.withheld) return withheldTitle(v.withheld);
  const needed = rate(breakEvenRent(base, own.t, rival.t));
  return `${rival.a} equals ${reference} at ${needed} per GPU-hour when ${reference} costs ${rate(base)}`;
}

function marketBand(lit, p, x, lines, reference) {
  const a = lit && lit !== reference ? lit : rivalFor(p, reference);
  const cell = a && lines.some((l) => l.group === a) ? cellOf(a, marketTerm()) : null;
  if (!cell || cell.quartiles[0] === null) return null;
  const [q1, q3] = cell.quartiles;
  const text = `what ${a} rents for, ${marketTerm()}, middle half of the market (${rate(q1)} to ${rate(q3)})`;
  return {
    group: a,
    color: tint(a),
    quartiles: cell.quartiles,
    points: [
      [x.min, q1, q3],
      [x.max, q1, q3],
    ],
    text,
  };
}

function memo(of) {
  const values = new Map();
  return (value) => {
    if (!values.has(value)) values.set(value, of(value));
    return values.get(value);
  };
}

export function fourCharts() {
  figure("chart-interactivity", () => throughputPlot(state.axis === "ttft" ? "ttft" : "interactivity"));
  figure("chart-e2e", () => throughputPlot("e2e"));
  figure("chart-cost", cost);
  figure("chart-rent", ({ lit }) => rent(lit));
}
