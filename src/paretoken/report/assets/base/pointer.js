/* What the pointer, a finger or the keyboard points at: the nearest mark or bar, else the nearest line. */
import { el } from "./dom.js";

const NEAR_PX = 18;
const SAME_PX = 5;

/* The marks within reach of a place, nearest first; those that lie on the nearest one come with it. Pure. */
export function nearestMarks(spots, px, py, reach = NEAR_PX) {
  const near = spots
    .map((s) => ({ ...s, distance: Math.hypot(s.px - px, s.py - py) }))
    .filter((s) => s.distance <= reach)
    .sort((a, b) => a.distance - b.distance || Number(a.mark.faint || false) - Number(b.mark.faint || false));
  if (!near.length) return [];
  const [first] = near;
  return near.filter((s) => Math.hypot(s.px - first.px, s.py - first.py) <= SAME_PX);
}

/* The bar under a place, or null. Pure. */
export const barAt = (bars, px, py) =>
  bars.find((b) => px >= b.left && px <= b.right && py >= b.top && py <= b.bottom) || null;

/* Marks and bars of a plot in pixels. */
export function spotsOf(plot, place) {
  const spots = plot.marks.filter((m) => m.about).map((mark) => ({ mark, px: place.x(mark.x), py: place.y(mark.y) }));
  const bars = (plot.bars || [])
    .filter((b) => b.about)
    .map((mark) => {
      const [a, b] = [place.x(mark.from), place.x(mark.to)];
      const y = place.y(mark.row);
      return {
        mark,
        left: Math.min(a, b),
        right: Math.max(a, b),
        top: y - mark.height / 2,
        bottom: y + mark.height / 2,
        px: (a + b) / 2,
        py: y,
      };
    });
  return { spots, bars, all: [...spots, ...bars] };
}

/* The box that tells what is pointed at. It stays where it was pinned, with its links, until closed. */
export function tip(node) {
  const box = el("div", { class: "tip", role: "status", hidden: "" });
  node.append(box);
  const write = (abouts, pinned, close) => {
    const parts = abouts
      .slice(0, 6)
      .flatMap((about, i) => [
        i ? el("hr") : null,
        el("b", null, about.title),
        ...about.rows.map((row) => el("div", null, row)),
        about.href
          ? el(
              "div",
              null,
              el("a", { href: about.href, target: "_blank", rel: "noopener noreferrer" }, about.hrefText || about.href),
            )
          : null,
      ]);
    if (abouts.length > 6)
      parts.push(el("hr"), el("div", null, `and ${abouts.length - 6} more here; the table lists all`));
    const button = pinned ? el("button", { type: "button", class: "close", "aria-label": "Close" }, "×") : null;
    if (button) button.addEventListener("click", close);
    box.replaceChildren(...[button, ...parts].filter(Boolean));
    box.classList.toggle("pinned", pinned);
  };
  return {
    box,
    show(abouts, px, py, pinned, close) {
      write(abouts, pinned, close);
      box.hidden = false;
      const { offsetWidth: w, offsetHeight: h } = box;
      const room = node.clientWidth;
      box.style.left = `${Math.max(0, Math.min(px + 14, room - w - 2, px + 14 + w > room ? px - w - 14 : Infinity))}px`;
      box.style.top = `${Math.max(-40, py + 14 + h > node.clientHeight ? py - h - 14 : py + 14)}px`;
    },
    hide() {
      box.hidden = true;
    },
  };
}
