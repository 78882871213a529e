/* The server's own gauges and the telemetry of the hardware beside the level. */
import { figure } from "../../base/figure.js";
import { short } from "../../base/format.js";
import { rangeOf } from "../../base/scale.js";
import { isDark } from "../../base/theme.js";
import { holdSteps } from "../shapes.js";
import { data, level, levelName, run, tint } from "../state.js";
import { LEFT, right, secondsAxis, shadedWindow, spot } from "./timeline.js";

const DEVICES = {
  light: ["#1f6fd0", "#c25a00", "#0b6b3a", "#8a2a83", "#b3263a", "#0b7a85", "#6b6f76", "#8a7a12"],
  dark: ["#6fb1ff", "#ffa759", "#37b877", "#e793df", "#ff8091", "#3fd0d8", "#b9bec6", "#d9c64a"],
};
const MOST_NAMED = 8;

const any = (key) => data.runs.some((r) => r.levels.some((l) => l[key]));
export const hasServer = any("server");
export const hasTelemetry = any("telemetry");

/* Series over the seconds of the level: [{name, color, dash, at, values}], scaled to what the axis shows. */
function overTime(series, { title, unit, top = null, format, absent, height = 170, fromZero = true }) {
  const base = {
    title,
    subtitle: levelName(),
    source: `Source: ${run().source}.`,
    x: secondsAxis("Seconds from the start of the level"),
    left: LEFT,
    room: right(),
    height,
    lines: [],
    marks: [],
  };
  const shown = series.filter((s) => s.values && s.values.some((v) => v !== null));
  if (!shown.length) return { ...base, y: { min: 0, max: 1 }, empty: absent };
  const values = shown.flatMap((s) => s.values.filter((v) => v !== null));
  const [low, high] = rangeOf(values, false, fromZero);
  const y = { title: unit, min: low, max: top ?? high, format };
  const say = format || ((v) => `${short(v, 4)} ${unit}`);
  return {
    ...base,
    y,
    bands: shadedWindow(y),
    lines: shown.map((s) => ({
      group: s.name,
      name: s.name,
      color: s.color,
      dash: s.dash,
      width: 1.6,
      points: holdSteps(s.at, s.values),
      label: shown.length > 1,
    })),
    marks: shown.flatMap((s) =>
      s.values.flatMap((v, i) => (v === null ? [] : [spot(s.at[i], v, s.color, `${s.name}: ${say(v)}`, s.name)])),
    ),
    table: {
      heads: ["Series", "Seconds", unit],
      rows: shown.flatMap((s) => s.values.map((v, i) => [s.name, s.at[i], v])),
    },
  };
}

const NONE = "The server exported no such metric at this level.";

function queue() {
  const s = level().server;
  const of = (key, dash) => ({ name: key, color: tint(run()), dash, at: s?.at, values: s?.[key] });
  const waits = s?.waiting?.some((v) => v > 0);
  const title = !s
    ? "Requests at the server"
    : waits
      ? `Up to ${short(Math.max(...s.waiting))} requests wait at the server`
      : "No request was seen waiting at the server";
  return overTime([of("running", "solid"), of("waiting", "dotted")], { title, unit: "requests", absent: NONE });
}

function cache() {
  const s = level().server;
  const values = s?.kv_cache_usage;
  const percent = (v) => `${short(v * 100)} %`;
  const title = values ? `The KV cache is at most ${percent(Math.max(...values.map((v) => v ?? 0)))} full` : "KV cache";
  return overTime([{ name: "KV cache", color: tint(run()), at: s?.at, values }], {
    title,
    unit: "KV cache in use",
    top: 1.05,
    format: percent,
    absent: NONE,
  });
}

function devices(key, options) {
  const reported = level().telemetry?.devices || [];
  const tones = DEVICES[isDark() ? "dark" : "light"];
  const series = reported.map((d, i) => ({
    name: d.name,
    color: tones[i % tones.length],
    dash: i < tones.length ? "solid" : "dotted",
    at: d.at,
    values: d[key],
  }));
  const plot = overTime(series, { ...options, absent: "No device reported this at this level." });
  return series.length > MOST_NAMED ? { ...plot, lines: plot.lines.map((l) => ({ ...l, label: false })) } : plot;
}

const POWER = "Power of each device";

function power() {
  const t = level().telemetry;
  const energy = t?.watts
    ? `${short(t.watts)} W a GPU in the window${t.joules ? `, ${short(t.joules)} J per output token` : ""}`
    : POWER;
  return devices("power_w", { title: energy, unit: "W" });
}

/* What the figures show, in words. */
export function aboutServer() {
  const s = level().server;
  if (!s) return "The server exported no metrics at this level.";
  return `Read about once a second. Seconds count from ${s.aligned ? "the start of the level" : "the first reading, just before the level began"}.`;
}

export function aboutTelemetry() {
  const t = level().telemetry;
  if (!t) return "No telemetry was recorded at this level.";
  const throttled = t.devices
    .filter((d) => d.throttled)
    .map((d) => `${d.name} in ${short(d.throttled * 100)} % of readings (${d.throttles.join(", ")})`);
  return `Read beside the level, a line for each device. ${throttled.length ? `The clock was held down: ${throttled.join("; ")}.` : "No reading shows a clock held down."}`;
}

export const serverIds = ["chart-queue", "chart-kv"];
export const telemetryIds = ["chart-power", "chart-clock", "chart-temperature"];

export function serverCharts() {
  figure("chart-queue", queue);
  figure("chart-kv", cache);
  figure("chart-power", power);
  figure("chart-clock", () =>
    devices("clock_mhz", { title: "Compute clock of each device", unit: "MHz", fromZero: false }),
  );
  figure("chart-temperature", () =>
    devices("temperature_c", { title: "Temperature of each device", unit: "°C", fromZero: false }),
  );
}
