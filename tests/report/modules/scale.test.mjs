import assert from "node:assert/strict";
import { test } from "node:test";
import { LABEL_PX, spreadLabels } from "../../../src/paretoken/report/assets/base/labels.js";
import { axisTicks, rangeOf, scale, thinned, ticks } from "../../../src/paretoken/report/assets/base/scale.js";
import { compareValues, sortValue } from "../../../src/paretoken/report/assets/base/sortable.js";

test("a range holds every value with room, and nothing of none", () => {
  const [low, high] = rangeOf([2, 200, null, Number.NaN, -1], true);
  assert.ok(low < 2 && low > 1 && high > 200 && high < 300);
  assert.equal(rangeOf([], true), null);
  assert.equal(rangeOf([0.5, 3], false)[0], 0);
  assert.ok(rangeOf([-1, 3], false)[0] < -1);
});

test("ticks are round, rise and lie inside", () => {
  for (const [range, log] of [
    [[0.011, 37], true],
    [[3.1, 5.2], true],
    [[0, 1.37], false],
    [[-2, 14], false],
  ]) {
    const values = ticks(range, log);
    assert.ok(values.length >= 3, `${range}`);
    values.forEach((v, i) => assert.ok(v >= range[0] && v <= range[1] && (i === 0 || v > values[i - 1])));
  }
});

test("an axis of numbers of things has ticks at whole ones only", () => {
  assert.deepEqual(axisTicks({ min: 0.5, max: 2.5 }), [0.5, 1, 1.5, 2, 2.5]);
  assert.deepEqual(axisTicks({ min: 0.5, max: 2.5, whole: true }), [1, 2]);
});

test("ticks that would touch are thinned evenly", () => {
  const place = scale({ min: 0, max: 10, log: false }, 0, 100);
  assert.deepEqual(
    thinned([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], place, () => 25),
    [0, 3, 6, 9],
  );
});

test("labels keep their order and distance, and stay inside", () => {
  const places = spreadLabels([{ y: 100 }, { y: 101 }, { y: 102 }, { y: 5 }, { y: 300 }], 10, 290);
  places.forEach((p, i) => {
    assert.ok(p.at >= 10 - 1e-9 && p.at <= 290 + 1e-9);
    if (i) assert.ok(p.at - places[i - 1].at >= LABEL_PX - 1e-9);
  });
  assert.deepEqual(
    places.map((p) => p.y),
    [5, 100, 101, 102, 300],
  );
  const three = places.slice(1, 4).map((p) => p.at);
  assert.ok(Math.abs((three[0] + three[1] + three[2]) / 3 - 101) < 1e-9);
  assert.equal(spreadLabels(Array(30).fill({ y: 1 }), 0, 100), null);
});

test("cells sort by their figures", () => {
  assert.equal(sortValue("$1,234.50"), 1234.5);
  assert.equal(sortValue("≈ $0.12"), 0.12);
  assert.equal(sortValue("+12 %"), 12);
  assert.equal(sortValue("−5 %"), -5);
  assert.equal(sortValue("×3.6"), 3.6);
  assert.equal(sortValue("–"), null);
  assert.equal(sortValue("H200"), "h200");
  assert.deepEqual(
    [3, null, "a", 1].sort((a, b) => compareValues(a, b, 1)),
    [1, 3, "a", null],
  );
  assert.deepEqual(
    [3, null, 1].sort((a, b) => compareValues(a, b, -1)),
    [3, 1, null],
  );
});
