/* The place of a point that is pointed at in another figure: a line through its latency, a ring around its mark. */
import { el } from "./dom.js";

export function cursor(canvas) {
  const line = el("i", { class: "cursor", hidden: "", "aria-hidden": "true" });
  const ring = el("i", { class: "ring", hidden: "", "aria-hidden": "true" });
  canvas.append(line, ring);
  return {
    /* `px`, `py` are pixels in the canvas; `py` null draws no ring. */
    show(px, py, rect) {
      line.hidden = px < rect.left || px > rect.right;
      line.style.cssText = `left:${px}px;top:${rect.top}px;height:${rect.bottom - rect.top}px`;
      ring.hidden = py === null;
      if (py !== null) ring.style.cssText = `left:${px}px;top:${py}px`;
    },
    hide() {
      line.hidden = ring.hidden = true;
    },
  };
}
