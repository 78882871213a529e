/* One session: a row for each agent and for what it does at the same time, and the critical path below the bars. */
import { byId, clip, fill } from "../../base/dom.js";
import { figure } from "../../base/figure.js";
import { counted, seconds, short } from "../../base/format.js";
import { inks } from "../../base/theme.js";
import {
  chosenSession,
  drawnPart,
  ganttBars,
  laneNames,
  onPath,
  pathBars,
  pathShares,
  pathTurns,
  sessionOptions,
} from "../gantt.js";
import { level, levelName, run, state } from "../state.js";
import { ganttColors, LEFT } from "./timeline.js";

const ROW_PX = 30;
const MOST_PX = 560;
const NARROW_PX = 480;
const ABSENT = "This level has no graphs of sessions.";
const HEADS = [
  "Step",
  "What",
  "Agent",
  "Name",
  "Begin, s",
  "First token, s",
  "End, s",
  "On the path",
  "Prompt tokens",
  "Found",
  "Possible",
  "Status",
];
const PARTS = { ttft: "queue and prefill", decode: "decode", unsplit: "calls not split", tool: "tools", wait: "waiting" };

const graphs = () => level().sessions?.graphs;
const ended = (s) =>
  s.outcome === "done" ? seconds(s.seconds) : `${s.outcome} (${s.reason}) after ${seconds(s.seconds)}`;
const say = (s) => `${s.name ? `${clip(s.name, 24)}, ` : ""}${ended(s)}`;

/* The choice of a session, at the level that is selected. */
export function showSessions() {
  const has = graphs();
  byId("session-graph").hidden = !has;
  if (has) fill("session", sessionOptions(has, say), chosenSession(has, state.session)[0]);
}

function gantt({ width }) {
  const has = graphs();
  const base = { subtitle: levelName(), source: `Source: ${run().source}.`, lines: [], marks: [] };
  if (!has) return { ...base, title: "One session", x: { min: 0, max: 1 }, y: { min: 0, max: 1 }, empty: ABSENT };
  const [, s] = chosenSession(has, state.session);
  const colors = ganttColors();
  const room = Math.min(MOST_PX, Math.max(2 * ROW_PX, s.lanes.length * ROW_PX));
  const row = room / s.lanes.length;
  const height = Math.max(3, row - 12);
  const path = onPath(s);
  const names = width < NARROW_PX ? 11 : 20;
  const thick = Math.min(3, Math.max(1.5, row / 6));
  const below = (height / 2 + thick / 2 + 1) / row;
  const end = Math.max(...s.end, 1e-9);
  const begin = Math.min(0, ...s.begin);
  const pixel = (end - begin) / Math.max(width - LEFT, 100);
  return {
    ...base,
    title: titleOf(s),
    subtitle: `${levelName()}. Session ${s.number}${s.name ? `, ${clip(s.name, 60)}` : ""}: ${subtitleOf(s)}`,
    x: { title: "Seconds from the begin of the session", suffix: " s", min: begin, max: end },
    y: { categories: laneNames(s.lanes).map((name) => clip(name, names)) },
    bars: [
      ...ganttBars(s, colors, height, (i) => about(s, i, path)),
      ...pathBars(s, inks().ink, thick, below),
      ...pathTurns(s, inks().ink, pixel, row, below),
    ],
    height: room + 66,
    key: keyOf(s, colors),
    table: tableOf(s, path),
  };
}

function titleOf(s) {
  const done = `${counted(s.calls, "call")} and ${counted(s.ran - s.calls, "tool call")} in ${seconds(s.seconds)}`;
  return s.outcome === "done" ? done : `${done}, then ${s.outcome}: ${s.reason}, ${counted(s.unsent, "call")} not sent`;
}

const subtitleOf = (s) =>
  `${drawnPart(s)} critical path is ${pathShares(s)
    .map(([part, share]) => `${short(share * 100)} % ${PARTS[part]}`)
    .join(", ")}`;

function keyOf(s, colors) {
  const calls = s.call.map((call, i) => (call ? [s.status[i], s.first[i]] : null)).filter(Boolean);
  const bad = calls.some(([status]) => status !== "ok");
  return [
    ["queue and prefill", colors.wait],
    ["decode", colors.decode],
    ["tool", colors.tool],
    calls.some(([status, first]) => status === "ok" && first === null) && ["call, first token not seen", colors.whole],
    bad && ["failed or cut", colors.failed],
    ["critical path", inks().ink],
  ].filter(Boolean);
}

const kindOf = (s, i) => (s.call[i] ? `Call ${s.call[i]}` : "Tool");

function about(s, i, path) {
  const [begin, first, end] = [s.begin[i], s.first[i], s.end[i]];
  const tokens = (key, text) => (s[key][i] === null ? null : `${short(s[key][i], 6)} ${text}`);
  return {
    title: `${kindOf(s, i)}${s.name_of[i] ? `: ${clip(s.name_of[i], 40)}` : ""}`,
    rows: [
      s.lanes[s.row[i]],
      `from ${short(begin, 4)} s to ${short(end, 4)} s, ${seconds(end - begin)}`,
      first === null ? null : `first token after ${seconds(first - begin)}`,
      tokens("isl", "prompt tokens"),
      tokens("cached", "of them found in the cache"),
      tokens("possible", "of them possible"),
      s.status[i] && s.status[i] !== "ok" ? s.status[i] : null,
      path.has(s.step[i]) ? "on the critical path" : null,
    ].filter(Boolean),
  };
}

function tableOf(s, path) {
  return {
    heads: HEADS,
    rows: s.step.map((step, i) => [
      step,
      kindOf(s, i),
      s.lanes[s.row[i]],
      s.name_of[i],
      s.begin[i],
      s.first[i],
      s.end[i],
      path.has(step) ? "yes" : "no",
      s.isl[i],
      s.cached[i],
      s.possible[i],
      s.status[i],
    ]),
  };
}

export const ganttIds = ["chart-gantt"];

/* `choose(key)` is called with the session that a reader selects. */
export function ganttChart(choose) {
  figure("chart-gantt", gantt);
  byId("session").addEventListener("change", (event) => choose(event.target.value));
}
