/* Throughput of one configuration over its dates: a line for each load, or a mark for each run. */
import { drawNow, figure, refresh } from "../report/base/figure.js";
import { short } from "../report/base/format.js";
import { wireTheme } from "../report/base/theme.js";
import { rangeOf } from "../report/base/scale.js";
import { tone } from "./charts.js";
import { pageData } from "./data.js";

const DAY_MS = 86_400_000;
const { runs, series } = pageData();
const day = (text) => Date.parse(`${text}T00:00:00Z`) / DAY_MS;
/* Ticks between two days have no text. */
const dayText = (value) => (Number.isInteger(value) ? new Date(value * DAY_MS).toISOString().slice(0, 10) : "");
const load = (of) => (of.concurrency ? `${of.concurrency} concurrent` : `${of.request_rate} req/s`);

/* [what, date, value, unit] of every point that is drawn. */
function points() {
  if (series.length)
    return series.flatMap((s) => s.dates.map((date, i) => [load(s.of), date, s.values[i], "total tok/s/GPU"]));
  return runs.map((r) => [r.path, r.date, r.output_tok_s_per_gpu, "output tok/s/GPU"]);
}

function plot() {
  const all = points().filter(([, date]) => Number.isFinite(day(date)));
  const unit = all[0]?.[3] || "tok/s/GPU";
  const base = { title: "Throughput over time", source: "Source: the points of this folder.", lines: [], marks: [] };
  const days = all.map(([, date]) => day(date));
  const xs = days.length ? [Math.min(...days) - 1, Math.max(...days) + 1] : null;
  const ys = rangeOf(all.map(([, , value]) => value));
  if (!xs || !ys) return { ...base, x: { min: 0, max: 1 }, y: { min: 0, max: 1 }, empty: "No point has a date." };
  const groups = [...new Set(all.map(([name]) => name))];
  const own = (name) => all.filter(([n]) => n === name);
  return {
    ...base,
    x: { title: "Date", min: xs[0], max: xs[1], format: dayText },
    y: { title: unit, min: ys[0], max: ys[1] },
    lines: series.length
      ? groups.map((name) => ({ name, group: name, color: tone("blue"), points: own(name).map(([, d, v]) => [day(d), v]), label: true }))
      : [],
    marks: all.map(([name, date, value]) => ({
      group: series.length ? name : undefined,
      x: day(date),
      y: value,
      shape: "circle",
      color: tone("blue"),
      about: { title: `${short(value, 4)} ${unit}`, rows: [name, date] },
    })),
    table: { heads: ["Of", "Date", unit], rows: all.map(([name, date, value]) => [name, date, value]) },
  };
}

figure("chart-history", plot);
drawNow(["chart-history"]);
wireTheme(() => refresh());
performance.mark("paretoken-drawn");
