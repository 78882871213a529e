/* Buttons over the names of a chart's rows: they select a row. One is in the tab order, arrows go from row to row. */
import { el } from "./dom.js";

/* `choose` is {names, selected, label, act(row)}; `place` the layout of the plot. */
export function rowButtons(canvas, choose, place) {
  const group = canvas.querySelector(".rows") || canvas.appendChild(el("div", { class: "rows", role: "group" }));
  group.setAttribute("aria-label", choose.label);
  const focused = [...group.children].indexOf(document.activeElement);
  const tall = (place.rect.bottom - place.rect.top) / choose.names.length;
  const first = Math.max(choose.selected, 0);
  const buttons = choose.names.map((name, row) => {
    const node = el("button", {
      type: "button",
      "aria-label": name,
      title: `${name}: show its charts`,
      "aria-current": row === choose.selected ? "true" : null,
      tabindex: row === first ? "0" : "-1",
    });
    node.style.cssText = `top:${place.rect.top + row * tall}px;height:${tall}px;width:${place.rect.left}px`;
    node.addEventListener("click", () => choose.act(row));
    return node;
  });
  group.replaceChildren(...buttons);
  if (focused >= 0) buttons[Math.min(focused, buttons.length - 1)]?.focus();
  group.onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const next = step && buttons[buttons.indexOf(document.activeElement) + step];
    if (!next) return;
    event.preventDefault();
    for (const node of buttons) node.tabIndex = node === next ? 0 : -1;
    next.focus();
  };
}

/* The row at a place in pixels, null outside the plot. Pure. */
export function rowAt({ rect }, n, py) {
  const row = Math.floor(((py - rect.top) / (rect.bottom - rect.top)) * n);
  return row >= 0 && row < n ? row : null;
}
