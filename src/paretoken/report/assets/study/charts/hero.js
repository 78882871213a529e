/* The first chart: for each model and workload every accelerator's cost per million tokens within the limit. */
import { figure } from "../../base/figure.js";
import { counted, dollars, more, short } from "../../base/format.js";
import { rangeOf } from "../../base/scale.js";
import { aboutPoint } from "../about.js";
import { basisName, costOf, unpricedOf } from "../prices.js";
import { byId, unique } from "../../base/dom.js";
import { panel, panelsShown, select, state } from "../state.js";
import { accelerators, data, labelTint, tint } from "../study.js";
import { ranks } from "../unpriced.js";
import { limitText, verdictAt } from "../verdict.js";

const ROW_PX = 19;
const PHONE_ROW_PX = 17;
const PHONE_PX = 520;
/* Below this the marks need the room of the names beside the leads. */
const NARROW_PX = 400;
/* `Llama 70B FP8, Chat 1k/1k`, on a phone `Llama 70B FP8 1k/1k`. */
const nameOf = (p, phone) => {
  const model = p.modelName.replace(/ \d+\.\d+(\/\d+\.\d+)?(?= )/, "");
  return `${model} ${p.precision.toUpperCase()}${phone ? ` ${p.workload.split(" ").pop()}` : `, ${p.workload}`}`;
};

function hero({ width }) {
  const phone = width < PHONE_PX;
  const narrow = width < NARROW_PX;
  const rows = panelsShown()
    .filter(ranks)
    .map((p) => ({ p, v: verdictAt(p) }));
  const withData = rows.filter(({ v }) => v.winner);
  const marks = withData.flatMap(({ p, v }, row) =>
    v.ranked.filter((l) => l.usd !== null && !state.off.has(l.a)).map((l) => mark(p, l, row, v)),
  );
  const range = rangeOf(
    marks.flatMap((m) => [m.x, ...(m.interval || [])]),
    true,
  ) || [0.1, 1];
  const names = withData.map(({ p }) => nameOf(p, phone));
  const starts = withData.flatMap(({ p }, row) => (row && kindOf(p) !== kindOf(withData[row - 1].p) ? [row] : []));
  return {
    title: titleOf(withData),
    subtitle: `Cost per million tokens. Prices: ${basisName()}.${missingWords(rows)}`,
    source: `Source: ${data.study.points} Made by paretoken on ${data.study.made}.`,
    x: { title: "$ per million tokens", prefix: "$", log: true, min: range[0], max: range[1] },
    y: { title: " ", categories: names },
    lines: [],
    rules: starts.map((row) => ({ y: row - 0.5, dash: "solid", wide: true })),
    marks,
    texts: [
      ...withData.map(({ v }, row) => marginText(v, row, range[1], phone, narrow)),
      { x: range[1], y: -0.5, dy: -9, dx: 10, text: leadHead(phone, narrow) },
    ],
    key: key(),
    choose: {
      names,
      label: "Models and workloads: choose one for the charts below",
      selected: withData.findIndex(({ p }) => p === panel()),
      act: (row) => choose(withData[row].p),
    },
    room: narrow ? 72 : phone ? 104 : 160,
    height: Math.max(110, withData.length * (phone ? PHONE_ROW_PX : ROW_PX) + 66),
    empty: withData.length ? null : `No accelerator with a price meets ${limitText()}. Move the limit.`,
    table: {
      heads: ["Model and workload", "Accelerator", "$/M tokens", "tok/s/GPU", "Origin", "Verdict"],
      rows: withData.flatMap(({ p, v }) =>
        v.ranked.map((l, i) => [nameOf(p, false), l.a, l.usd, l.t, l.curve.origin, i === 0 ? margin(v) : ""]),
      ),
    },
  };
}

/* What is not in the chart and why: accelerators without a price, and workloads without data or without a price. */
function missingWords(rows) {
  const bare = rows.filter(({ v }) => !v.winner);
  const unpriced = bare.filter(({ v }) => v.ranked.length).length;
  const meet = unique(rows.flatMap(({ v }) => v.ranked.map((l) => l.a))).filter((a) => accelerators.get(a).priced);
  const names = unpricedOf(meet);
  return [
    ...(names.length ? [` No price: ${names.join(", ")}.`] : []),
    ...(bare.length > unpriced ? [` ${bare.length - unpriced} of ${rows.length} have no data at this limit.`] : []),
    ...(unpriced ? [` ${unpriced} of ${rows.length} have data, but no price.`] : []),
  ].join("");
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
    key: `${data.panels.indexOf(p)}|${l.point}`,
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

const isTie = (v) => Boolean(v.sure?.startsWith("tie"));

/* Whether a verdict rests on a prediction. */
const isPredicted = (v) => [v.winner, v.second].some((l) => l && l.curve.origin === "predicted");

/* How many verdicts each accelerator wins clear of a tie, most first: [[accelerator, wins]]. */
function winsOf(rows) {
  const counts = new Map();
  for (const { v } of rows)
    if (v.second && !v.withheld && !isTie(v)) counts.set(v.winner.a, (counts.get(v.winner.a) || 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

/* `B200 has the cheapest tokens in 10 of 15 measured workloads, MI355X in 3; 1 tie; in 7 of 8 predicted ones`: what was
   run and what is predicted are counted apart. */
function titleOf(rows) {
  if (!rows.length) return `Cost per million tokens at ${limitText()}`;
  const predicted = rows.filter(({ v }) => isPredicted(v));
  const measured = rows.filter(({ v }) => !isPredicted(v));
  const main = winsOf(measured).length ? measured : predicted;
  const [first, ...rest] = winsOf(main);
  if (!first) return `Nothing is decided at ${limitText()}`;
  if (rows.length === 1)
    return `At ${limitText()}, ${first[0]} has the cheapest tokens${predicted.length ? ", predicted" : ""}: ${more(rows[0].v.margin)} for ${rows[0].v.second.a}`;
  const ties = main.filter(({ v }) => isTie(v) && !v.withheld).length;
  const others = rest.map(([a, n]) => `, ${a} in ${n}`);
  const tied = ties ? `; ${counted(ties, "tie")}` : "";
  const single = rows.filter(({ v }) => !v.second).length;
  const alone = single ? `; ${single} uncontested` : "";
  const kind = main === predicted ? "predicted " : predicted.length ? "measured " : "";
  const apart = new Map(winsOf(predicted)).get(first[0]) || 0;
  const also = kind === "measured " ? `; in ${apart} of ${predicted.length} predicted` : "";
  return `At ${limitText()}, ${first[0]} has the cheapest tokens in ${first[1]} of ${main.length} ${kind}workloads${others.join("")}${tied}${also}${alone}`;
}

const kindOf = (p) => `${p.model} ${p.precision}`;

/* Shows the four charts of a panel. */
function choose(p) {
  select({ model: p.model, precision: p.precision, workload: p.workload });
  byId("four").scrollIntoView();
}

/* `● B200 +40 %`: the vendor by its mark, hollow where either of the two is a prediction; `≈` for a tie, `?` for a
   winner that a small change would turn. Without `named` the accelerators are left out: `● +40 %`. */
function margin(v, named = true) {
  if (v.withheld) return "withheld";
  const { glyph } = accelerators.get(v.winner.a);
  const sign = isPredicted(v) ? HOLLOW[glyph] || glyph : glyph;
  const name = named ? `${sign} ${v.winner.a}` : sign;
  if (!v.second) return `${name}${named ? "," : ""} alone`;
  if (isTie(v)) return named ? `${name} ≈ ${v.second.a}` : `${name} ≈`;
  return `${name} ${more(v.margin)}${v.fragile ? " ?" : ""}`;
}

const HOLLOW = { "●": "○", "◆": "◇", "▲": "△", "■": "□", "★": "☆" };

const leadHead = (phone, narrow) => (narrow ? "Lead" : phone ? "Cheapest, lead" : "Cheapest, the next costs");

const marginText = (v, y, x, phone, narrow) => ({
  x,
  y,
  dx: phone ? 6 : 10,
  text: margin(v, !narrow),
  color: v.withheld ? undefined : labelTint(v.winner.a),
});

/* What the marks mean. */
function key() {
  const shown = data.accelerators.filter((a) => a.priced && !state.off.has(a.id));
  const vendors = [...new Map(shown.filter((a) => a.vendor).map((a) => [a.vendor, a.glyph]))];
  const [[tie], [between]] = [data.bounds.run, data.bounds.predicted];
  const near = Math.round((data.bounds.near - 1) * 100);
  return [
    [vendors.map(([vendor, glyph]) => `${glyph} ${vendor}`).join("  ")],
    ["large: cheapest"],
    ["hollow: predicted, with its 90 % interval"],
    [`≈ tie: under ${short(tie * 100)} %, of predictions ${short(between * 100)} %`],
    [`? fragile: a limit ${near} % away or one load level less changes the winner`],
  ];
}

export const heroChart = () => figure("chart-hero", hero);
