import assert from "node:assert/strict";
import { test } from "node:test";
import { bars, daysApart, noise, outOfOrder } from "../../../src/paretoken/report/assets/study/consistency.js";

const bounds = { run: [0.034, 0.09], predicted: [0.15, 0.45], days: [45, 90] };
const order = [
  ["B300", "B200"],
  ["H200", "H100"],
];
const curve = (a, changes = {}) => ({ a, engine: "vllm", origin: "published", start: 1, day: 1000, ...changes });
const leader = (c, t) => ({ a: c.a, curve: c, t });
const pairsOf = (leaders, curves = leaders.map((l) => l.curve)) => outOfOrder(leaders, curves, 10, order, bounds);

test("better hardware that is slower by more than the noise is out of order", () => {
  const [worse, better] = [curve("B200"), curve("B300")];
  assert.deepEqual(pairsOf([leader(worse, 100), leader(better, 97)]), []);
  const [pair] = pairsOf([leader(worse, 100), leader(better, 96)]);
  assert.deepEqual([pair.better.a, pair.worse.a, pair.missing], ["B300", "B200", null]);
  assert.deepEqual(pairsOf([leader(worse, 100)]), []);
});

test("the noise grows with the days between two curves, and a prediction is compared with predictions only", () => {
  const at = (day) => noise(curve("B200"), curve("B300", { day }), bounds);
  assert.deepEqual([at(1045), at(1046), at(1090), at(1091), at(null)], [0.034, 0.09, 0.09, 1, 0.09]);
  const predicted = curve("B300", { origin: "predicted" });
  assert.equal(noise(curve("B200"), predicted, bounds), 1);
  assert.equal(noise(predicted, predicted, bounds), 0.15);
  assert.equal(daysApart(curve("B200"), curve("B300", { day: null })), null);
});

test("a pair bars every verdict with one of the two, but only its own where an engine was never run", () => {
  const run = [leader(curve("B200", { engine: "sglang" }), 100), leader(curve("B300"), 50)];
  const [missing] = pairsOf(run);
  assert.equal(missing.missing, "sglang");
  assert.deepEqual([bars(missing, "B200", "B300"), bars(missing, "B200", "MI355X")], [true, false]);
  const late = curve("B300", { engine: "sglang", start: 11 });
  assert.equal(pairsOf(run, [...run.map((l) => l.curve), late])[0].missing, "sglang");
  const [ran] = pairsOf(run, [...run.map((l) => l.curve), { ...late, start: 9 }]);
  assert.equal(ran.missing, null);
  assert.deepEqual([bars(ran, "B200", "MI355X"), bars(ran, "H100", "MI355X")], [true, false]);
});
