/* What surrounds a chart: the menu of table, CSV, picture and link, and the key of its marks. */
import { el, table } from "./dom.js";
import { csvOf, pictureOf, save } from "./export.js";

/* The menu's buttons; `paint(own)` draws a figure that has not been drawn yet. */
export function menu(own, paint) {
  const button = (text, act) => {
    const node = el("button", { type: "button", class: "quiet" }, text);
    node.addEventListener("click", () => {
      if (!own.plot) paint(own);
      act(node);
    });
    return node;
  };
  return [
    button("Table", (node) => {
      own.table ||= own.node.appendChild(el("div", { class: "fig-table", hidden: "" }));
      own.table.hidden = !own.table.hidden;
      node.setAttribute("aria-expanded", String(!own.table.hidden));
      if (!own.table.hidden) showTable(own);
    }),
    button("CSV", () => save(`${own.id}.csv`, "text/csv", csvOf(own.plot))),
    button("PNG", () => pictureOf(own).then((blob) => save(`${own.id}.png`, "image/png", blob))),
    button("Copy link", (node) => copyLink(own, node)),
  ];
}

/* The legend: plot.key is [[text, color], ...]; entries about marks have no color. */
export function showKey(own) {
  if (!own.plot.key) return;
  own.key ||= own.canvas.insertAdjacentElement("afterend", el("p", { class: "key note" }));
  const swatch = ([text, color]) => {
    const node = el("span", null, color ? el("i", { "aria-hidden": "true" }) : null, text);
    if (color) node.firstChild.style.background = color;
    return node;
  };
  own.key.replaceChildren(...own.plot.key.map(swatch));
}

export function showTable(own) {
  const { heads, rows } = own.plot.table || { heads: [], rows: [] };
  const cell = (value) =>
    el(
      "td",
      typeof value === "number" || value === null ? null : { class: "text" },
      value === null ? "–" : String(value),
    );
  const body = rows.map((row) => el("tr", null, ...row.map(cell)));
  own.table.replaceChildren(table(`Figures of: ${own.plot.title || own.id}`, heads, body));
}

async function copyLink(own, node) {
  const link = new URL(location.href);
  const parameters = new URLSearchParams(link.hash.slice(1));
  parameters.set("at", own.id);
  link.hash = parameters.toString();
  const before = node.textContent;
  try {
    await navigator.clipboard.writeText(link.href);
    node.textContent = "Copied";
  } catch {
    location.hash = link.hash;
    node.textContent = "In the address bar";
  }
  setTimeout(() => (node.textContent = before), 2000);
}
