import assert from "node:assert/strict";
import { test } from "node:test";
import { pchip } from "../../../src/paretoken/report/assets/study/pchip.js";

test("passes through its points and stays between neighbours", () => {
  const x = [1, 2, 4, 7];
  const y = [10, 20, 21, 40];
  const curve = pchip(x, y);
  x.forEach((v, i) => assert.ok(Math.abs(curve(v) - y[i]) < 1e-12));
  for (let v = 1; v <= 7; v += 0.05) {
    const i = x.findLastIndex((knot) => knot <= v);
    const next = Math.min(i + 1, 3);
    assert.ok(curve(v) >= y[i] - 1e-9 && curve(v) <= y[next] + 1e-9);
  }
});

test("one point is constant, two are a straight line", () => {
  assert.equal(pchip([3], [5])(3), 5);
  assert.equal(pchip([0, 2], [0, 4])(1), 2);
});

test("a worked case of scipy.interpolate.PchipInterpolator", () => {
  const curve = pchip([0, 1, 3, 4], [0, 2, 3, 7]);
  const expected = [1.2053571428571428, 2.471042471042471, 4.475788288288288];
  [0.5, 2, 3.5].forEach((x, i) => assert.ok(Math.abs(curve(x) - expected[i]) < 1e-12));
});
