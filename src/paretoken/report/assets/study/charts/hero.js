/* The first chart: for each model and workload every accelerator's cost per million tokens within the limit. */
import { figure } from "../../base/figure.js";
import { dollars, more, short } from "../../base/format.js";
import { rangeOf } from "../../base/scale.js";
import { aboutPoint } from "../about.js";
import { basisName, costOf } from "../prices.js";
import { panelsShown, state } from "../state.js";
import { accelerators, data, tint } from "../study.js";
import { limitText, verdictAt } from "../verdict.js";

const ROW_PX = 20;
const PHONE_PX = 520;
/* `Llama 70B FP8, Chat 1k/1k`, on a phone `Llama 70B FP8 1k/1k`. */
const nameOf = (p, phone) => {
  const model = p.modelName.replace(/ \d+\.\d+(\/\d+\.\d+)?(?= )/, "");
  return `${model} ${p.precision.toUpperCase()}${phone ? ` ${p.workload.split(" ").pop()}` : `, ${p.workload}`}`;
};

function hero({ width }) {
  const phone = width < PHONE_PX;
  const rows = panelsShown().map((p) => ({ p, v: verdictAt(p) }));
  const withData = rows.filter(({ v }) => v.winner);
  const marks = withData.flatMap(({ p, v }, row) =>
    v.ranked.filter((l) => l.usd !== null && !state.off.has(l.a)).map((l) => mark(p, l, row, v)),
  );
  const range = rangeOf(
    marks.map((m) => m.x),
    true,
  ) || [0.1, 1];
  const texts = withData.map(({ v }, row) => ({ x: range[1], y: row, text: margin(v, phone), dx: 10 }));
  return {
    title: `Cost per million tokens at ${limitText()}`,
    subtitle: `${rows.length - withData.length ? `${rows.length - withData.length} of ${rows.length} have no data at this limit. ` : ""}Prices: ${basisName()}. Hollow: predicted, with its 90 % interval.`,
    source: `Source: ${data.study.points} Made by paretoken on ${data.study.made}.`,
    x: { title: "$ per million tokens", prefix: "$", log: true, min: range[0], max: range[1] },
    y: { categories: withData.map(({ p }) => nameOf(p, phone)) },
    lines: [],
    marks,
    texts,
    room: phone ? 84 : 150,
    height: Math.max(160, withData.length * (phone ? 17 : ROW_PX) + 60),
    empty: withData.length ? null : `No accelerator with a price meets ${limitText()}. Move the limit.`,
    table: {
      heads: ["Model and workload", "Accelerator", "$/M tokens", "tok/s/GPU", "Origin", "Verdict"],
      rows: withData.flatMap(({ p, v }) =>
        v.ranked.map((l, i) => [nameOf(p, false), l.a, l.usd, l.t, l.curve.origin, i === 0 ? margin(v) : ""]),
      ),
    },
  };
}

function mark(p, l, row, v) {
  const predicted = l.curve.origin === "predicted";
  const [low, high] = [p.points.tl?.[l.point], p.points.th?.[l.point]];
  const interval =
    predicted && low
      ? [costOf(l.a, high * (l.t / p.points.t[l.point])), costOf(l.a, low * (l.t / p.points.t[l.point]))]
      : null;
  return {
    group: l.a,
    key: l.point,
    x: l.usd,
    y: row,
    shape: accelerators.get(l.a).shape,
    color: tint(l.a),
    hollow: predicted,
    interval,
    size: l === v.winner ? 12 : 9,
    about: aboutPoint(
      p,
      l.point,
      `${dollars(l.usd)} per million tokens within the limit (${short(l.t, 4)} tok/s/GPU)`,
      "The nearest run that meets it:",
    ),
  };
}

function margin(v, phone = false) {
  if (v.withheld) return "withheld";
  if (!v.second) return `${v.winner.a}, alone`;
  const lead = `${v.winner.a} ${more(v.margin)}`;
  const doubt = v.fragile ? "fragile" : v.sure.startsWith("tie") ? "tie" : "";
  return doubt ? `${lead}${phone ? "*" : `, ${doubt}`}` : lead;
}

export const heroChart = () => figure("chart-hero", hero);
