/* An answer on a page: its words, charts, tables, sources, and the command that repeats it. The page has the parts of
   templates/asked/answer.html.j2; what is shown comes from report/asked/page.py. */
import { byId, el, table } from "../base/dom.js";
import { save } from "../base/export.js";
import { drawNow, figure, refresh } from "../base/figure.js";
import { counted, short } from "../base/format.js";
import { sortable } from "../base/sortable.js";
import { isDark } from "../base/theme.js";

let shown = null;
const figures = [...document.querySelectorAll("figure.plot")].map((node) => node.id);

/* A colour for both grounds is a pair, that of light pages first. */
const pick = (color) => (Array.isArray(color) ? color[isDark() ? 1 : 0] : color);
const tinted = (items) =>
  (items || []).map((item) => ({ ...item, color: pick(item.color), labelColor: pick(item.labelColor) }));
function plotAt(place) {
  const plot = shown.view.plots[place];
  const parts = ["lines", "marks", "bars", "bands"].map((name) => [name, tinted(plot[name])]);
  return { ...plot, ...Object.fromEntries(parts) };
}

/* Wires the parts of the page; call once. */
export function wireView() {
  figures.forEach((id, place) => figure(id, () => plotAt(place)));
  byId("copy-command").addEventListener("click", (event) => copied(event.target, shown.envelope.command));
  byId("save-json").addEventListener("click", () =>
    save(`paretoken-${shown.envelope.verb}.json`, "application/json", `${JSON.stringify(shown.envelope, null, 2)}\n`),
  );
}

/* Shows {envelope, view} in place of what was shown. */
export function showView(next) {
  shown = next;
  const { envelope, view } = shown;
  byId("lead").replaceChildren(
    ...view.lead.map((text, i) => el("p", { class: i ? "follows" : "lead" }, text)),
  );
  byId("evidence").textContent = evidence(envelope);
  byId("tables").replaceChildren(...view.tables.flatMap(tableOf));
  list("notes", view.notes);
  list("sources", envelope.sources);
  byId("command").textContent = envelope.command;
  const drawn = figures.filter((id, place) => {
    byId(id).hidden = place >= view.plots.length;
    return !byId(id).hidden;
  });
  byId("plots").dataset.count = drawn.length;
  drawNow(drawn);
}

export const redraw = () => shown && refresh(figures);

function evidence({ origins, sources, version }) {
  const of = origins.length ? `Figures: ${origins.join(", ")}. ` : "";
  const listed = sources.length ? `${counted(sources.length, "source")}, listed below. ` : "";
  return `${of}${listed}paretoken ${version}.`;
}

function list(id, lines) {
  byId(id).hidden = lines.length === 0;
  byId(id)
    .querySelector("ul")
    .replaceChildren(...lines.map((line) => el("li", null, line)));
}

function tableOf({ title, heads, rows, note }) {
  const text = heads.map((_, i) => rows.some((row) => typeof row[i] === "string"));
  const cellOf = (value, i) => {
    const words = value === null ? "–" : typeof value === "number" ? short(value, 4) : value;
    if (i === 0) return el("th", { scope: "row", class: words.length > 40 ? "wrap" : null }, words);
    return el("td", text[i] ? { class: words.length > 30 ? "text long" : "text" } : null, words);
  };
  const node = table(
    title,
    heads,
    rows.map((row) => el("tr", null, ...row.map(cellOf))),
  );
  sortable(node.querySelector("table"));
  return [el("h2", { class: "table-title" }, title), node, note ? el("p", { class: "note" }, note) : ""];
}

/* Copies a text; the button says so for two seconds, or that the browser did not let it. */
export async function copied(button, text) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed here";
  }
  setTimeout(() => (button.textContent = before), 2000);
}
