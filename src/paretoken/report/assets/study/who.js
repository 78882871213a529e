/* The name of an accelerator with its mark. */
import { el } from "../base/dom.js";
import { accelerators } from "./study.js";

export function who(id) {
  const a = accelerators.get(id);
  if (!a) return el("span", { class: "who" }, id);
  const node = el("span", { class: "who" }, el("i", { "aria-hidden": "true" }, a.glyph), id);
  node.style.setProperty("--c", a.light);
  node.style.setProperty("--cd", a.dark);
  return node;
}
