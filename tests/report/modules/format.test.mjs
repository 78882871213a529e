/* Numbers for a reader, rows and presets' arithmetic. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { change, dollarTick, rate, short } from "../../../src/paretoken/report/assets/base/format.js";
import { rowAt } from "../../../src/paretoken/report/assets/base/rows.js";

test("a negative number has a minus sign", () => {
  assert.equal(short(-12.34), "−12.3");
  assert.equal(change(-0.34), "−34\u00a0%");
  assert.equal(change(0.052), "+5.2\u00a0%");
});

test("dollars per hour have cents, ticks as many digits as they need", () => {
  assert.equal(rate(0.53), "$0.53");
  assert.equal(rate(0.0123), "$0.0123");
  assert.deepEqual([0.005, 0.1, 2, 2.5, 10000].map(dollarTick), ["$0.005", "$0.10", "$2", "$2.50", "$10,000"]);
});

test("thousands are whole", () => assert.equal(short(12345.6), "12,346"));

test("a place belongs to its row, or to none outside the plot", () => {
  const place = { rect: { top: 10, bottom: 110 } };
  assert.deepEqual(
    [10, 34, 35, 109, 9, 110].map((py) => rowAt(place, 4, py)),
    [0, 0, 1, 3, null, null],
  );
});
