/* A run while it measures: tiles and charts, anew with each event of the stream. */
import { byId, el } from "../report/base/dom.js";
import { figure, refresh } from "../report/base/figure.js";
import { counted, seconds, short } from "../report/base/format.js";
import { wireTheme } from "../report/base/theme.js";
import { overTime, pairs } from "./charts.js";
import { address, pageData } from "./data.js";

const { run } = pageData();
let now = {};
const percent = (v) => (Number.isFinite(v) ? `${short(v * 100)} %` : "–");
const series = (key) => now.series?.[key] || [];
const over = (key) => now.over_time?.[key] || [];
const at = () => series("at_s");
const until = () => Math.max(now.elapsed_s || 0, now.seconds || 0);
const NOTHING = "No figure yet.";
const NO_SERVER = "The server exports no such metric, or none was read yet.";

const plots = {
  "chart-throughput": () =>
    overTime({ title: "Output", unit: "tok/s", until: until(), empty: NOTHING, lines: [["output", "blue", pairs(at(), series("output_tok_s"))]] }),
  "chart-flight": () =>
    overTime({ title: "Requests in flight", unit: "requests", until: until(), empty: NOTHING, lines: [["in flight", "blue", pairs(at(), series("running"))]] }),
  "chart-latency": () =>
    overTime({
      title: "TTFT of the requests that ended, median",
      unit: "ms",
      until: until(),
      empty: "No request has ended yet.",
      lines: [["TTFT p50", "orange", pairs(over("at_s"), over("ttft_p50_s").map((v) => v === null ? null : v * 1000))]],
    }),
  "chart-pace": () =>
    overTime({
      title: "TPOT of the requests that ended, median",
      unit: "ms",
      until: until(),
      empty: "No request has ended yet.",
      lines: [["TPOT p50", "green", pairs(over("at_s"), over("tpot_p50_s").map((v) => v === null ? null : v * 1000))]],
    }),
  "chart-queue": () =>
    overTime({ title: "Waiting in the server’s queue", unit: "requests", top: 1, until: until(), empty: NO_SERVER, lines: [["waiting", "orange", pairs(at(), series("waiting"))]] }),
  "chart-kv": () =>
    overTime({
      title: "KV cache in use",
      unit: "%",
      top: 1,
      until: until(),
      empty: NO_SERVER,
      lines: [["KV cache", "green", pairs(at(), series("kv_cache_usage").map((v) => v === null ? null : v * 100))]],
    }),
};

/* [name, value, what is below it] of each tile. */
function tiles() {
  const quantiles = ([p50, p90, p99] = []) => [seconds(p50), `p90 ${seconds(p90)}, p99 ${seconds(p99)}`];
  const server = now.server || {};
  const rows = [
    ["Output", `${short(now.output_tok_s, 4)} tok/s`, "last 3 s, all GPUs"],
    ["In flight", short(now.running), `${counted(now.finished || 0, "request")} finished`],
    ["TTFT p50", ...quantiles(now.ttft_s)],
    ["TPOT p50", ...quantiles(now.tpot_s)],
    ["E2E p50", ...quantiles(now.e2e_s)],
    ["Errors", short(now.errors), "failed requests"],
    ["Client’s core", percent(now.cpu_share), `busiest worker, limit ${percent(now.cpu_limit)}`],
    ["Sent late, p99", `${short((now.late_p99_s ?? NaN) * 1000)} ms`, now.late_limit_s ? `limit ${short(now.late_limit_s * 1000)} ms` : "after the user was free"],
  ];
  if (now.server)
    rows.push(
      ["Server’s queue", short(server.waiting), `${short(server.running)} running`],
      ["KV cache", percent(server.kv_cache_usage), "in use"],
      ["Preemptions", short(server.preemptions), "in this level"],
    );
  return rows;
}

function show() {
  byId("tiles").replaceChildren(
    ...tiles().map(([name, value, note]) => el("div", null, el("dt", null, name), el("dd", null, value, el("small", null, note)))),
  );
  byId("progress").hidden = !now.seconds;
  if (now.seconds) byId("progress").value = Math.min(1, now.elapsed_s / now.seconds);
  refresh();
}

function state() {
  const done = `${counted(now.levels_done || 0, "level")} finished`;
  if (now.error) return `This run cannot be read: ${now.error}`;
  if (now.state === "ended") return `The run is over: ${done}.`;
  if (now.state === "between") return `Between two levels: ${done}.`;
  const which = `Level ${now.number}${now.of ? ` of ${now.of}` : ""}: ${now.load}, ${short(now.elapsed_s, 3)} s`;
  return `${which}${now.sending ? "" : ", waiting for the last responses"}; ${done}.`;
}

for (const [id, plot] of Object.entries(plots)) figure(id, plot);
wireTheme(() => refresh());
const source = new EventSource(address("/runs/live", { run }));
source.addEventListener("message", (event) => {
  const next = JSON.parse(event.data);
  now = next.state === "measuring" ? next : { ...now, ...next };
  byId("state").textContent = state();
  show();
  performance.mark("paretoken-drawn");
});
source.addEventListener("end", () => source.close());
source.addEventListener("error", () => {
  if (source.readyState === EventSource.CONNECTING) byId("state").textContent = "The connection is lost; trying again.";
});
