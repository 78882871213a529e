/* Series and requests as points, bars and ranges of a plot: pure arithmetic, without state or page. */

/* A series of equal bins as a line of steps: [[x, y], ...], two corners for each value. */
export const binSteps = (from, step, values) =>
  values.flatMap((v, i) => [
    [from + i * step, v],
    [from + (i + 1) * step, v],
  ]);

/* Readings that hold until the next one; null where a reading is missing. */
export function holdSteps(at, values) {
  const points = [];
  values.forEach((v, i) => {
    if (v === null || at[i] === null) points.push(null);
    else {
      points.push([at[i], v]);
      if (i + 1 < at.length && at[i + 1] !== null) points.push([at[i + 1], v]);
    }
  });
  return points;
}

/* The area between a line of steps and 0, as a band. */
export const areaUnder = (points) => points.filter(Boolean).map(([x, y]) => [x, 0, y]);

/* A distribution as [[x, share within], ...]: all its samples in steps, or its quantiles at the common grid. */
export function cumulative(d, grid) {
  if (d.q) return d.q.map((x, i) => [x, grid[i]]);
  const n = d.all.length;
  return d.all.flatMap((x, i) => [
    [x, i / n],
    [x, (i + 1) / n],
  ]);
}

/* The shares beyond, down to what n samples can tell. */
export function beyond(points, n, least) {
  const floor = 0.99 * Math.max(least, 1 / n);
  return points.map(([x, share]) => (1 - share >= floor ? [x, 1 - share] : null));
}

/* The value at a share of a distribution, null where its samples do not reach that far: p99 needs 100. */
export function quantile(d, share, grid) {
  if (!d.n || (1 - share) * d.n < 1 - 1e-9) return null;
  if (d.q) {
    const i = grid.findIndex((g) => g >= share);
    if (i <= 0) return d.q[0];
    const t = (share - grid[i - 1]) / (grid[i] - grid[i - 1]);
    return d.q[i - 1] + t * (d.q[i] - d.q[i - 1]);
  }
  const at = share * (d.all.length - 1);
  const [low, high] = [Math.floor(at), Math.ceil(at)];
  return d.all[low] + (at - low) * (d.all[high] - d.all[low]);
}

/* A range with room on both sides, not narrower than a fifth of its values, so that equal values stay one point. */
export function around(values) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const span = Math.max(high - low, Math.abs(high) / 5) || 1;
  const middle = (low + high) / 2;
  return [Math.max(0, middle - span * 0.58), middle + span * 0.58];
}

/* The scale on which runs can be read beside others' values: logarithmic where these reach over `REACH` times as far, as
   on a linear axis the runs would end up in a corner. */
const REACH = 5;
export function scaleFor(own, others) {
  const most = (values) => values.reduce((a, b) => Math.max(a, b), 0);
  return most(own) > 0 && most(others) > REACH * most(own) ? "log" : "linear";
}

/* What a request did: waiting for its first token, then decoding, as bars; one that failed is a single bar. */
export function requestBars(bars, { wait, decode, failed }, height, about) {
  return bars.due.flatMap((due, i) => {
    const words = about(i);
    const bar = (from, to, color) => ({ row: bars.row[i], from, to, height, color, about: words });
    const [first, end] = [bars.first[i], bars.end[i]];
    if (!isGood(bars.status[i])) return [bar(due, end, failed)];
    if (first === null) return [bar(due, end, wait)];
    return [bar(due, first, wait), bar(first, end, decode)];
  });
}

/* Requests that were cut by the client at the end of a run are no failures. */
const isGood = (status) => status === "ok" || status === "cancelled";

/* The height of a bar in pixels such that `rows` of them fill `room`. */
export const barHeight = (rows, room) => Math.max(1.5, Math.min(9, room / rows - 1.5));

/* Texts that have room: each at least `dx` pixels beside or `dy` above or below every one kept before it. `place` gives
   the pixels of a text. */
export function roomyTexts(texts, place, dx = 26, dy = 13) {
  const kept = [];
  for (const text of texts) {
    const [x, y] = place(text);
    if (kept.every((k) => Math.abs(k.x - x) >= dx || Math.abs(k.y - y) >= dy)) kept.push({ text, x, y });
  }
  return kept.map((k) => k.text);
}
