/* Whether accelerators come out in the order of their hardware: the twin of frontier/consistency.py. A curve here is
   {a, engine, origin, start, day}, a leader {a, curve, t}: the best of an accelerator at a limit. */

/* Days between the software of two curves; null where one has no date. */
export const daysApart = (one, other) =>
  one.day === null || other.day === null ? null : Math.abs(one.day - other.day);

/* The share by which two curves of equal hardware may differ; 1 where they are not comparable. */
export function noise(one, other, bounds) {
  if (one.origin === "predicted" || other.origin === "predicted")
    return one.origin === other.origin ? bounds.predicted[0] : 1;
  const days = daysApart(one, other);
  const [tie, likely] = bounds.run;
  if (days === null) return likely;
  return days <= bounds.days[0] ? tie : days <= bounds.days[1] ? likely : 1;
}

/* The pairs out of order at a limit of latency in seconds: [{better, worse, missing}], the two leaders and the engine
   of the worse where the better has no point of it that meets the limit. `order` has pairs (better, worse). */
export function outOfOrder(leaders, curves, latency, order, bounds) {
  const at = new Map(leaders.map((l) => [l.a, l]));
  const engines = new Set(curves.filter((c) => c.start <= latency).map((c) => `${c.a}|${c.engine}`));
  return order
    .filter((pair) => pair.every((a) => at.has(a)))
    .map(([better, worse]) => ({ better: at.get(better), worse: at.get(worse) }))
    .filter(({ better, worse }) => better.t < (1 - noise(better.curve, worse.curve, bounds)) * worse.t)
    .map(({ better, worse }) => {
      const { engine } = worse.curve;
      return { better, worse, missing: engines.has(`${better.a}|${engine}`) ? null : engine };
    });
}

/* Whether a pair out of order bars the verdict between two accelerators. */
export function bars({ better, worse, missing }, first, second) {
  const [one, other] = [better, worse].map((l) => l.a === first || l.a === second);
  return missing === null ? one || other : one && other;
}
