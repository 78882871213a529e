/* A figure's node, the twin of templates/study/figure.html.j2. */
import { el } from "../base/dom.js";

export const figureNode = (id) =>
  el(
    "figure",
    { id, class: "plot" },
    el("figcaption", null, el("h3", { class: "fig-title" }, "Figure"), el("p", { class: "fig-subtitle note" })),
    el("div", { class: "canvas" }),
    el("p", { class: "empty note" }),
    el("div", { class: "fig-foot" }, el("p", { class: "fig-source note" }), el("div", { class: "menu" })),
  );
