/* Where the names of lines stand: in the margin right of the plot, which no line enters, each as near to the end of its
   line as the others allow. Pure arithmetic in pixels. */
export const LABEL_PX = 13;

/* `labels` have `y`, the end of the line; gives each its `at`, at least LABEL_PX apart, between top and bottom, in the
   order of `y`, moved as little as possible (pool adjacent violators). */
export function spreadLabels(labels, top, bottom) {
  const sorted = [...labels].sort((a, b) => a.y - b.y);
  if (sorted.length * LABEL_PX > bottom - top + LABEL_PX) return null;
  const blocks = [];
  for (const label of sorted) {
    blocks.push({ members: [label], mean: label.y });
    while (blocks.length > 1) {
      const [a, b] = blocks.slice(-2);
      const gap = ((a.members.length + b.members.length) / 2) * LABEL_PX;
      if (b.mean - a.mean >= gap) break;
      const n = a.members.length + b.members.length;
      const shiftA = (b.members.length / 2) * LABEL_PX;
      const shiftB = (a.members.length / 2) * LABEL_PX;
      const mean = (a.members.length * (a.mean + shiftA) + b.members.length * (b.mean - shiftB)) / n;
      blocks.splice(-2, 2, { members: [...a.members, ...b.members], mean });
    }
  }
  const places = blocks.flatMap(({ members, mean }) =>
    members.map((label, i) => ({ ...label, at: mean + (i - (members.length - 1) / 2) * LABEL_PX })),
  );
  for (let i = 0; i < places.length; i++) places[i].at = Math.max(places[i].at, i ? places[i - 1].at + LABEL_PX : top);
  for (let i = places.length - 1; i >= 0; i--)
    places[i].at = Math.min(places[i].at, i < places.length - 1 ? places[i + 1].at - LABEL_PX : bottom);
  return places;
}
