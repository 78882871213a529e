/* One session as bars: what each step did, and its critical path. Pure arithmetic, without state or page. */

/* The names of the sessions that can be chosen: the slowest, the median and a failed one first, then all by number. */
export function sessionOptions({ named, list }, say) {
  const special = Object.entries(named).map(([key, at]) => [key, `${key}: ${say(list[at])}`]);
  return [...special, ...list.map((s) => [`n${s.number}`, `session ${s.number}: ${say(s)}`])];
}

/* The session that a key stands for; of an unknown key the first choice. */
export function chosenSession({ named, list }, key) {
  const at = key in named ? named[key] : list.findIndex((s) => `n${s.number}` === key);
  if (at >= 0) return [key, list[at]];
  const [first, place] = Object.entries(named)[0] ?? [`n${list[0].number}`, 0];
  return [first, list[place]];
}

/* Whose critical path is named: the session's, or of a session too long to be drawn in full, that of its first steps. */
export const drawnPart = ({ step, ran }) =>
  step.length < ran
    ? `only the first ${step.length.toLocaleString("en-US")} of its ${ran.toLocaleString("en-US")} steps are drawn; their`
    : "its";

/* A name for each row of lanes: the agent's on its first row, none on the others. */
export const laneNames = (lanes) => lanes.map((name, i) => (name === lanes[i - 1] ? "" : name));

/* Bars of the steps: a call waits, then decodes; one that failed or was cut is a single bar, and so is a tool. */
export function ganttBars(s, { wait, decode, failed, tool, whole }, height, about) {
  return s.begin.flatMap((begin, i) => {
    const words = about(i);
    const bar = (from, to, color) => ({ row: s.row[i], from, to, height, color, about: words });
    const [first, end] = [s.first[i], s.end[i]];
    if (!s.call[i]) return [bar(begin, end, tool)];
    if (s.status[i] !== "ok") return [bar(begin, end, failed)];
    if (first === null) return [bar(begin, end, whole)];
    return [bar(begin, first, wait), bar(first, end, decode)];
  });
}

/* The critical path as thin bars below those of its steps; a wait lies in the row of the step that waits. */
export function pathBars(s, color, height, below) {
  const rowOf = new Map(s.step.map((step, i) => [step, s.row[i]]));
  return s.path.map(([, step, from, to]) => ({ row: rowOf.get(step) + below, from, to, height, color }));
}

/* Upright bars where the path goes from one row to another; `wide` is their width in seconds, `row` a row's pixels. */
export function pathTurns(s, color, wide, row, below) {
  const rowOf = new Map(s.step.map((step, i) => [step, s.row[i]]));
  return s.path.slice(1).flatMap(([, step, at], i) => {
    const [a, b] = [rowOf.get(s.path[i][1]), rowOf.get(step)];
    const [from, to] = [at - wide / 2, at + wide / 2];
    return a === b ? [] : [{ row: (a + b) / 2 + below, from, to, height: Math.abs(a - b) * row, color }];
  });
}

/* The steps that are on the path. */
export const onPath = (s) => new Set(s.path.filter(([part]) => part !== "wait").map(([, step]) => step));

/* The share of the session time that each part of the path took: [[part, share], …], the largest first. */
export function pathShares(s) {
  const sums = new Map();
  for (const [part, , from, to] of s.path) sums.set(part, (sums.get(part) || 0) + to - from);
  const all = [...sums.values()].reduce((a, b) => a + b, 0) || 1;
  return [...sums].map(([part, sum]) => [part, sum / all]).sort((a, b) => b[1] - a[1]);
}
