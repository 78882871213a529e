import assert from "node:assert/strict";
import { test } from "node:test";
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
} from "../../../src/paretoken/report/assets/run/gantt.js";

const COLORS = { wait: "w", decode: "d", failed: "f", tool: "t", whole: "a" };
const SESSION = {
  number: 4,
  step: [0, 1, 2],
  row: [0, 1, 0],
  call: [1, 0, 2],
  begin: [0, 3, 6],
  first: [1, null, 6.5],
  end: [3, 5, 8],
  status: ["ok", "", "ok"],
  path: [
    ["ttft", 0, 0, 1],
    ["decode", 0, 1, 3],
    ["tool", 1, 3, 5],
    ["wait", 2, 5, 6],
    ["ttft", 2, 6, 6.5],
    ["decode", 2, 6.5, 8],
  ],
};
const spans = (bars) => bars.map((b) => [b.row, b.from, b.to, b.color]);

test("a call waits and decodes, a tool is one bar", () => {
  assert.deepEqual(spans(ganttBars(SESSION, COLORS, 9, () => null)), [
    [0, 0, 1, "w"],
    [0, 1, 3, "d"],
    [1, 3, 5, "t"],
    [0, 6, 6.5, "w"],
    [0, 6.5, 8, "d"],
  ]);
});

test("a call that failed, or whose first token nobody saw, is one bar", () => {
  const bad = { ...SESSION, first: [null, null, null], status: ["ok", "", "http_5xx"] };
  assert.deepEqual(
    ganttBars(bad, COLORS, 9, () => null).map((b) => b.color),
    ["a", "t", "f"],
  );
});

test("the path lies below its steps and turns where it changes rows", () => {
  assert.deepEqual(spans(pathBars(SESSION, "p", 2, 0.4))[2], [1.4, 3, 5, "p"]);
  assert.deepEqual(
    pathTurns(SESSION, "p", 0.2, 30, 0.4).map((b) => [b.row, b.from, b.to, b.height]),
    [
      [0.9, 2.9, 3.1, 30],
      [0.9, 4.9, 5.1, 30],
    ],
  );
  assert.deepEqual([...onPath(SESSION)], [0, 1, 2]);
});

test("the shares of the path are of the session time, the largest first", () => {
  assert.deepEqual(pathShares(SESSION), [
    ["decode", 3.5 / 8],
    ["tool", 2 / 8],
    ["ttft", 1.5 / 8],
    ["wait", 1 / 8],
  ]);
});

test("sessions are chosen by name or number, and an unknown one is the first", () => {
  const all = { named: { slowest: 1, median: 0 }, list: [SESSION, { ...SESSION, number: 7 }] };
  assert.deepEqual(
    sessionOptions(all, (s) => `#${s.number}`).map(([key]) => key),
    ["slowest", "median", "n4", "n7"],
  );
  assert.equal(chosenSession(all, "median")[1].number, 4);
  assert.equal(chosenSession(all, "n7")[1].number, 7);
  assert.deepEqual([chosenSession(all, "failed")[0], chosenSession(all, "failed")[1].number], ["slowest", 7]);
  assert.equal(chosenSession({ named: {}, list: [SESSION] }, "slowest")[0], "n4");
});

test("an agent is named on its first row", () => {
  assert.deepEqual(laneNames(["main", "main", "sub", "main"]), ["main", "", "sub", "main"]);
});

test("a session that is too long says how much of it is drawn", () => {
  assert.equal(drawnPart({ step: [0, 1, 2], ran: 3 }), "its");
  const words = drawnPart({ step: Array(1000).fill(0), ran: 12_345 });
  assert.equal(words, "only the first 1,000 of its 12,345 steps are drawn; their");
});
