/* The charts of the rental market and of scenarios: the index, the term structure, the outlook. */
import { byId, fill, unique } from "../../base/dom.js";
import { figure, refresh } from "../../base/figure.js";
import { dollars, short } from "../../base/format.js";
import { rangeOf } from "../../base/scale.js";
import { market } from "../owner.js";
import { accelerators, labelTint, tint } from "../study.js";

const DAY_MS = 86400000;
const day = (text) => Date.parse(`${text}T00:00:00Z`) / DAY_MS;
const asMonth = (d) => new Date(d * DAY_MS).toISOString().slice(0, 7);
const ends = (range) => ({ min: range[0], max: range[1] });
const NO_PRICES = { lines: [], marks: [], x: {}, y: {} };

/* Breaks the line where no provider links a quarter to the one before. */
const linked = (s) =>
  s.day.flatMap((d, i) => (i > 0 && s.linked[i] === 0 ? [null, [day(d), s.index[i]]] : [[day(d), s.index[i]]]));

function index() {
  const ids = Object.keys(market.index).filter((id) => market.index[id].day.length);
  if (!ids.length) return { ...NO_PRICES, title: "Rent on demand by quarter", empty: "No rental prices by quarter." };
  const series = ids.map((id) => market.index[id]);
  const y = rangeOf(
    series.flatMap((s) => [...s.index, ...s.median]),
    false,
  );
  const about = (id, s, i) => ({
    title: `${id}, ${s.period[i]}`,
    rows: [
      `chained ${dollars(s.index[i])}, median ${dollars(s.median[i])} per GPU-hour`,
      `${s.n[i]} providers, ${s.linked[i]} link it to the quarter before`,
    ],
  });
  return {
    title: "Rent on demand by quarter",
    subtitle: "Solid: chained over providers that price both quarters; dotted: the plain median.",
    source: `Newest price: ${market.newest}.`,
    x: {
      title: "",
      format: asMonth,
      ...ends(
        rangeOf(
          series.flatMap((s) => s.day.map(day)),
          false,
          false,
        ),
      ),
    },
    y: { title: "$ per GPU-hour", prefix: "$", ...ends(y) },
    lines: ids.flatMap((id, k) => [
      { group: id, name: id, color: tint(id), labelColor: labelTint(id), label: true, points: linked(series[k]) },
      {
        group: id,
        name: id,
        color: tint(id),
        dash: "dotted",
        width: 1.2,
        points: series[k].day.map((d, i) => [day(d), series[k].median[i]]),
      },
    ]),
    marks: ids.flatMap((id, k) =>
      series[k].day.map((d, i) => ({
        group: id,
        x: day(d),
        y: series[k].index[i],
        shape: accelerators.get(id).shape,
        color: tint(id),
        size: 8,
        about: about(id, series[k], i),
      })),
    ),
    table: {
      heads: ["Accelerator", "Quarter", "Chained, $/GPU-h", "Median, $/GPU-h", "Providers"],
      rows: ids.flatMap((id, k) =>
        series[k].period.map((p, i) => [id, p, series[k].index[i], series[k].median[i], series[k].n[i]]),
      ),
    },
    empty: null,
  };
}

function terms() {
  const rows = market.ratios;
  if (!rows.length)
    return { ...NO_PRICES, title: "Rent by term", empty: "No provider has prices for more than one term." };
  const ink = "#6b7fa1";
  const longest = rows.reduce((best, r) => (r[1] < best[1] ? r : best));
  return {
    title: `${longest[0]} costs ${short(longest[1] * 100, 2)} % of the rent on demand at the median`,
    subtitle: "Bars: the median over providers; dots: one provider each.",
    source: `Newest price: ${market.newest}.`,
    x: {
      title: "share of the rent on demand",
      min: 0,
      max: Math.max(1.08, ...rows.flatMap(([, , by]) => Object.values(by))),
    },
    y: { categories: rows.map(([term]) => term) },
    lines: [],
    bars: rows.map(([term, ratio], row) => ({
      row,
      from: 0,
      to: ratio,
      height: 16,
      color: "#b0bfd6",
      about: { title: term, rows: [`median ${short(ratio)} of the rent on demand`] },
    })),
    marks: rows.flatMap(([term, , by], row) =>
      Object.entries(by).map(([who, ratio]) => ({
        x: ratio,
        y: row,
        shape: "circle",
        color: ink,
        size: 7,
        about: { title: who, rows: [`${term}: ${short(ratio)} of its rent on demand`] },
      })),
    ),
    rules: [{ x: 1, dash: "dotted" }],
    height: rows.length * 34 + 70,
    table: {
      heads: ["Term", "Median share", "Providers"],
      rows: rows.map(([term, ratio, by]) => [term, ratio, Object.keys(by).length]),
    },
    empty: null,
  };
}

function outlook() {
  const scenario = market.outlooks[Number(byId("outlook-of").value) || 0];
  if (!scenario) return { ...NO_PRICES, title: "Outlook", empty: "No scenario has states here." };
  const what = byId("outlook-what").value;
  const lines = scenario.lines
    .map((l) => ({ ...l, points: l.day.map((d, i) => [day(d), l[what][i]]).filter(([, y]) => y !== null) }))
    .filter((l) => l.points.length);
  const all = lines.flatMap((l) => l.points);
  if (!all.length) return { ...NO_PRICES, title: scenario.name, empty: "This scenario has no such figure." };
  const color = (a) => (accelerators.has(a) ? tint(a) : "#77808c");
  const steps = (points) =>
    points.flatMap(([x, y], i) =>
      i
        ? [
            [x, points[i - 1][1]],
            [x, y],
          ]
        : [[x, y]],
    );
  const heads = ["Accelerator", "From", what === "cost" ? "$/M tokens" : "$/GPU-h"];
  return {
    title: `Scenario: ${scenario.name}`,
    subtitle: `Not a measurement: ${unique(lines.map((l) => l.accelerator)).join(", ")} as the scenario assumes.`,
    source: "Assumptions: the table below.",
    x: {
      title: "",
      format: asMonth,
      ...ends(
        rangeOf(
          all.map(([x]) => x),
          false,
          false,
        ),
      ),
    },
    y: {
      title: what === "cost" ? "$ per million tokens" : `rent that equals ${scenario.reference}, $/GPU-h`,
      prefix: "$",
      ...ends(
        rangeOf(
          all.map(([, y]) => y),
          false,
        ),
      ),
    },
    lines: lines.map((l) => ({
      group: l.accelerator,
      name: l.accelerator,
      color: color(l.accelerator),
      dash: "dashed",
      label: true,
      points: steps(l.points),
    })),
    marks: lines.flatMap((l) =>
      l.points.map(([x, y]) => ({
        group: l.accelerator,
        x,
        y,
        shape: accelerators.get(l.accelerator)?.shape || "square",
        color: color(l.accelerator),
        hollow: true,
        size: 8,
        about: { title: l.accelerator, rows: [`scenario, from ${asMonth(x)}: ${dollars(y)}`] },
      })),
    ),
    table: { heads, rows: lines.flatMap((l) => l.points.map(([x, y]) => [l.accelerator, asMonth(x), y])) },
    empty: null,
  };
}

export function marketCharts() {
  figure("chart-index", index);
  figure("chart-terms", terms);
  figure("chart-outlook", outlook);
  if (!byId("outlook-of")) return;
  fill(
    "outlook-of",
    market.outlooks.map((o, i) => [String(i), o.name]),
    "0",
  );
  for (const id of ["outlook-of", "outlook-what"])
    byId(id).addEventListener("change", () => refresh(["chart-outlook"]));
}
