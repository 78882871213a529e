/* The four distributions of the chosen level, its run's other levels faint behind it. */
import { figure } from "../../base/figure.js";
import { counted, short } from "../../base/format.js";
import { rangeOf } from "../../base/scale.js";
import { inks } from "../../base/theme.js";
import { beyond, cumulative, quantile } from "../shapes.js";
import { data, level, levelName, run, state, tint } from "../state.js";

const METRICS = { ttft: "TTFT", tpot: "TPOT", itl: "ITL", e2e: "End-to-end latency" };
const LEAST_TAIL = 1e-4;
const QUANTILES = [0.5, 0.9, 0.99];
const percent = (v) => `${short(v * 100, 3)} %`;
const name = (share) => `p${short(share * 100, 4)}`;

function curve(l, metric, style) {
  const d = l.latency[metric];
  if (!d.n) return null;
  const within = cumulative(d, data.grid);
  return { ...style, points: state.tail === "beyond" ? beyond(within, d.n, LEAST_TAIL) : within };
}

function distribution(metric) {
  const [here, r, ink] = [level(), run(), inks()];
  const others = data.runs
    .filter((o) => o !== r)
    .flatMap((o) => o.levels.filter((l) => l.name === here.name).map((l) => [o, l]));
  const lines = [
    ...r.levels.filter((l) => l !== here).map((l) => curve(l, metric, { name: l.name, color: ink.rule, width: 1.2 })),
    ...others.map(([o, l]) =>
      curve(l, metric, { name: o.name, group: o.name, color: tint(o), width: 1.8, dash: "dotted" }),
    ),
    curve(here, metric, { name: here.name, group: r.name, color: tint(r), width: 2.4 }),
  ].filter(Boolean);
  const d = here.latency[metric];
  const range = rangeOf(
    lines.flatMap((l) => l.points.filter(Boolean).map(([x]) => x)),
    true,
  );
  const tail = state.tail === "beyond";
  return {
    title: d.n
      ? `${METRICS[metric]}: p50 ${ms(quantile(d, 0.5, data.grid))}, p99 ${ms(quantile(d, 0.99, data.grid))}`
      : METRICS[metric],
    subtitle: d.n ? `${levelName()}; ${counted(d.n, metric === "itl" ? "gap" : "request")}` : levelName(),
    source: `Source: ${r.source}.`,
    x: {
      title: "ms",
      log: range ? range[1] / range[0] > 3 : false,
      ...(range ? { min: range[0], max: range[1] } : { min: 0, max: 1 }),
    },
    y: tail
      ? { title: "share beyond", log: true, min: LEAST_TAIL, max: 1.15, format: percent }
      : { title: "share within", min: 0, max: 1.02, format: percent },
    lines,
    marks: quantileMarks(here, r, metric),
    height: 240,
    empty: d.n ? null : "No request of this level has this figure.",
    table: tableOf(r, metric),
  };
}

const ms = (v) => (v === null ? "–" : `${short(v)} ms`);

function quantileMarks(l, r, metric) {
  return QUANTILES.flatMap((share) => {
    const value = quantile(l.latency[metric], share, data.grid);
    if (value === null) return [];
    const y = state.tail === "beyond" ? 1 - share : share;
    const rows = [`${name(share)}: ${percent(share)} of ${metric === "itl" ? "gaps" : "requests"} within ${ms(value)}`];
    return [
      {
        group: r.name,
        x: value,
        y,
        shape: r.shape,
        color: tint(r),
        size: 8,
        about: { title: `${METRICS[metric]}, ${l.name}`, rows },
      },
    ];
  });
}

const tableOf = (r, metric) => ({
  heads: ["Load", "Samples", ...QUANTILES.map((q) => `${name(q)}, ms`)],
  rows: r.levels.map((l) => [
    l.name,
    l.latency[metric].n,
    ...QUANTILES.map((q) => (l.latency[metric].n ? quantile(l.latency[metric], q, data.grid) : null)),
  ]),
});

export const latencyIds = Object.keys(METRICS).map((metric) => `chart-${metric}`);

export function latencyCharts() {
  for (const metric of Object.keys(METRICS)) figure(`chart-${metric}`, () => distribution(metric));
}
