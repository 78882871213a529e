/* The four charts of a panel: throughput per GPU against interactivity and against E2E latency, the cost of tokens, and
   the rent needed. */
import { dollars, more, short } from "../../base/format.js";
import { figure } from "../../base/figure.js";
import { AXES } from "../axes.js";
import { leadersAt } from "../curves.js";
import { basisName, costOf, priceOf } from "../prices.js";
import { limit, panel, state, VIEWS } from "../state.js";
import { data } from "../study.js";
import { limitText, verdictAt } from "../verdict.js";
import { overLatency } from "./latency.js";

const subject = (p) => `${p.modelName} ${p.precision.toUpperCase()}, ${p.workload}; ${p.scenarioTitle.toLowerCase()}`;
const sources = (p) => `Source: ${data.sources[data.panels.indexOf(p)]}`;

function throughput(axis) {
  const p = panel();
  const plot = overLatency(p, axis, {
    figure: (a, t) => t,
    says: (a, t) => `${short(t, 4)} tok/s/GPU`,
    title: "tok/s/GPU, input and output",
  });
  return { ...plot, title: throughputTitle(p, axis), subtitle: subject(p), source: sources(p), empty: emptyOf(plot, axis) };
}

function throughputTitle(p, axis) {
  const value = axis === state.axis ? limit() : state[axis];
  const [first, second] = leadersAt(p, axis, value)
    .filter((l) => !state.off.has(l.a))
    .sort((a, b) => b.t - a.t);
  if (!first) return `Nothing meets ${limitText(axis, value)}`;
  const lead = second ? `, ${more(first.t / second.t - 1)} over ${second.a}` : "";
  return `${first.a} serves most tokens per GPU at ${limitText(axis, value)}${lead}`;
}

const emptyOf = (plot, axis) => (plot.marks.length ? null : `No accelerator shown has data on ${AXES[axis].name} here.`);

function cost() {
  const p = panel();
  const axis = state.axis;
  const plot = overLatency(p, axis, {
    figure: costOf,
    says: (a, usd) => `${dollars(usd)} per million ${state.view === "t" ? "" : `${VIEWS[state.view]} `}tokens`,
    title: `$ per million tokens, all cost on ${VIEWS[state.view]}`,
    prefix: "$",
    key: state.view,
  });
  const v = verdictAt(p);
  const title = !v.winner
    ? `No tokens with a price at ${limitText()}`
    : `${v.winner.a} has the cheapest tokens at ${limitText()}: ${dollars(v.winner.usd)} per million${v.second ? `, ${v.second.a} ${more(v.margin)}` : ""}`;
  return { ...plot, title, subtitle: `${subject(p)}. Prices: ${basisName()}`, source: sources(p), empty: emptyOf(plot, axis) };
}

/* The rent at which each accelerator's tokens cost what the reference's do at the price basis. */
function rent() {
  const p = panel();
  const { axis, reference } = state;
  const base = priceOf(reference);
  const tputAt = new Map();
  const referenceAt = (value) => {
    if (!tputAt.has(value)) tputAt.set(value, leadersAt(p, axis, value).find((l) => l.a === reference)?.t ?? null);
    return tputAt.get(value);
  };
  const plot = overLatency(p, axis, { figure: (a, t) => t, says: () => "", title: `Rent needed to equal ${reference}, $/GPU-h`, prefix: "$" });
  const lines = plot.lines
    .filter((l) => base !== null)
    .map((l) => ({ ...l, points: l.points.map((q) => (q && referenceAt(q[0]) ? [q[0], (base * q[1]) / referenceAt(q[0])] : null)) }))
    .filter((l) => l.points.some(Boolean));
  const values = lines.flatMap((l) => l.points.filter(Boolean).map(([, y]) => y));
  const empty = base === null ? `${reference} has no price at this basis.` : values.length ? null : `${reference} has no data here.`;
  const y = values.length ? { ...plot.y, min: Math.min(...values) * 0.9, max: Math.max(...values) * 1.1 } : plot.y;
  return { ...plot, y, lines, marks: [], title: `Rent at which each costs what ${reference} costs at ${dollars(base)} per GPU-hour`, subtitle: subject(p), source: sources(p), empty };
}

export function fourCharts() {
  figure("chart-interactivity", () => throughput("interactivity"));
  figure("chart-e2e", () => throughput("e2e"));
  figure("chart-cost", cost);
  figure("chart-rent", rent);
}
