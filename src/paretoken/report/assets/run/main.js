/* Wiring: a change of selection redraws what depends on it. */
import { byId, fill } from "../base/dom.js";
import { drawNow, refresh } from "../base/figure.js";
import { wireTheme } from "../base/theme.js";
import { curveCharts, curveIds, showCurves } from "./charts/curve.js";
import { ganttChart, ganttIds, showSessions } from "./charts/gantt.js";
import { hitChart, hitIds } from "./charts/hits.js";
import { latencyCharts, latencyIds } from "./charts/latency.js";
import {
  aboutServer,
  aboutTelemetry,
  hasServer,
  hasTelemetry,
  serverCharts,
  serverIds,
  telemetryIds,
} from "./charts/server.js";
import { hasSessions, sessionCharts, sessionIds } from "./charts/sessions.js";
import { aboutTime, timeCharts, timeIds } from "./charts/timeline.js";
import { CHOICES, data, kind, level, levelName, readLink, run, settle, state, writeLink } from "./state.js";

const LEVEL_IDS = [...latencyIds, ...timeIds, ...ganttIds, ...hitIds, ...sessionIds, ...serverIds, ...telemetryIds];
const DEPENDS = {
  axis: curveIds,
  side: curveIds,
  scale: curveIds,
  overlay: curveIds,
  behind: curveIds,
  tail: latencyIds,
};

function drawControls() {
  if (byId("run"))
    fill(
      "run",
      data.runs.map((r, i) => [String(i), r.name]),
      String(state.run),
    );
  fill(
    "level",
    run().levels.map((l, i) => [String(i), kind(l) === "steady" ? l.name : `${l.name} (${kind(l)})`]),
    String(state.level),
  );
  for (const id of Object.keys(CHOICES)) if (byId(id)) byId(id).value = state[id];
  byId("subject").textContent = `${levelName()}: ${level().about[1]}; ${level().about.at(-2)}.`;
  byId("about-time").textContent = aboutTime();
  byId("about-server").textContent = aboutServer();
  byId("about-telemetry").textContent = aboutTelemetry();
  byId("chart-errors").hidden = !level().time?.err;
  showCurves();
  showSessions();
}

function changed(ids) {
  settle();
  writeLink();
  drawControls();
  refresh(ids);
}

function choose(runName, place) {
  state.run = data.runs.findIndex((r) => r.name === runName);
  state.level = place;
  changed([...curveIds, ...LEVEL_IDS]);
}

function follow() {
  const link = readLink();
  if (link) writeLink();
  const at = link?.get("at");
  if (at && byId(at)) byId(at).scrollIntoView();
}

for (const [id, ids] of Object.entries(DEPENDS))
  byId(id)?.addEventListener("change", (event) => {
    state[id] = event.target.value;
    changed(ids);
  });
byId("level").addEventListener("change", (event) => choose(run().name, Number(event.target.value)));
byId("run")?.addEventListener("change", (event) => {
  const chosen = data.runs[Number(event.target.value)];
  const same = chosen.levels.findIndex((l) => l.name === level().name);
  choose(chosen.name, same < 0 ? chosen.best : same);
});
for (const form of document.querySelectorAll("form"))
  form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", () => {
  if (!location.hash.includes("=")) return;
  follow();
  drawControls();
  refresh();
});

byId("sessions").hidden = !hasSessions;
byId("server-figures").hidden = !hasServer;
byId("telemetry").hidden = !hasTelemetry;
follow();
settle();
curveCharts(choose);
latencyCharts();
timeCharts();
ganttChart((key) => {
  state.session = key;
  changed(ganttIds);
});
hitChart();
sessionCharts();
serverCharts();
drawControls();
drawNow([byId("chart-curve-0").hidden ? "chart-curve-all" : "chart-curve-0"]);
wireTheme(() => refresh());
requestAnimationFrame(() => setTimeout(() => performance.mark("paretoken-drawn"), 0));
