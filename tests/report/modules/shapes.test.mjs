import assert from "node:assert/strict";
import { test } from "node:test";
import {
  areaUnder,
  around,
  barHeight,
  beyond,
  binSteps,
  cumulative,
  holdSteps,
  quantile,
  requestBars,
  roomyTexts,
  scaleFor,
} from "../../../src/paretoken/report/assets/run/shapes.js";

test("bins are steps of their own width", () => {
  assert.deepEqual(binSteps(10, 2, [5, 7]), [
    [10, 5],
    [12, 5],
    [12, 7],
    [14, 7],
  ]);
  assert.deepEqual(areaUnder([[1, 5], null, [2, 7]]), [
    [1, 0, 5],
    [2, 0, 7],
  ]);
});

test("a reading holds until the next one, and a missing one breaks the line", () => {
  assert.deepEqual(holdSteps([0, 1, 2], [3, null, 4]), [[0, 3], [1, 3], null, [2, 4]]);
  assert.deepEqual(holdSteps([], []), []);
});

test("a few samples are steps, many are quantiles at the grid", () => {
  assert.deepEqual(cumulative({ n: 2, all: [10, 30] }, []), [
    [10, 0],
    [10, 0.5],
    [30, 0.5],
    [30, 1],
  ]);
  assert.deepEqual(cumulative({ n: 900, q: [1, 2, 9] }, [0, 0.5, 1]), [
    [1, 0],
    [2, 0.5],
    [9, 1],
  ]);
});

test("the tail ends where its samples do", () => {
  const points = [
    [1, 0],
    [2, 0.9],
    [3, 0.999],
    [4, 1],
  ];
  assert.deepEqual(
    beyond(points, 10, 1e-4).map((p) => p && p[0]),
    [1, 2, null, null],
  );
  assert.deepEqual(
    beyond(points, 1000, 1e-4).map((p) => p && p[0]),
    [1, 2, 3, null],
  );
});

test("a quantile lies between its neighbours, and is absent where too few samples reach it", () => {
  const all = Array.from({ length: 101 }, (_, i) => i);
  assert.equal(quantile({ n: 101, all }, 0.5, []), 50);
  assert.ok(Math.abs(quantile({ n: 101, all }, 0.905, []) - 90.5) < 1e-9);
  assert.equal(quantile({ n: 40, all: all.slice(0, 40) }, 0.99, []), null);
  assert.equal(quantile({ n: 500, q: [0, 10, 20] }, 0.75, [0, 0.5, 1]), 15);
  assert.equal(quantile({ n: 0, all: [] }, 0.5, []), null);
});

test("a range has room even around a single value, and never begins below 0", () => {
  const [low, high] = around([100]);
  assert.ok(low < 100 && high > 100 && high - low > 20);
  assert.equal(around([0, 1])[0], 0);
});

test("a request is a wait and its decoding; one that failed is one bar, one without a token a wait", () => {
  const bars = {
    row: [0, 0, 1],
    due: [0, 5, 1],
    first: [1, null, null],
    end: [4, 6, 9],
    status: ["ok", "http_5xx", "cancelled"],
  };
  const made = requestBars(bars, { wait: "grey", decode: "blue", failed: "red" }, 6, (i) => ({
    title: `${i}`,
    rows: [],
  }));
  assert.deepEqual(
    made.map((b) => [b.row, b.from, b.to, b.color, b.about.title]),
    [
      [0, 0, 1, "grey", "0"],
      [0, 1, 4, "blue", "0"],
      [0, 5, 6, "red", "1"],
      [1, 1, 9, "grey", "2"],
    ],
  );
  assert.equal(barHeight(1000, 400), 1.5);
  assert.equal(barHeight(2, 400), 9);
});

test("texts that would overlap are left out, the first stays", () => {
  const at = (x, y) => ({ x, y });
  const kept = roomyTexts([at(0, 0), at(10, 5), at(40, 0), at(10, 20)], (t) => [t.x, t.y]);
  assert.deepEqual(kept, [at(0, 0), at(40, 0), at(10, 20)]);
});

test("a scale is logarithmic where the others reach over five times as far as the runs", () => {
  assert.equal(scaleFor([10, 100], [400, 500]), "linear");
  assert.equal(scaleFor([10, 100], [5, 501]), "log");
  assert.equal(scaleFor([10, 100], []), "linear");
  assert.equal(scaleFor([], [5, 501]), "linear");
});
