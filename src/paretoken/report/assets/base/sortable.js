/* Tables that sort by a click on a head: numbers by value, the rest by text; rows without a figure last. */
import { el } from "./dom.js";

/* The value that a cell's text sorts by: `$1,234.5`, `+12 %`, `×3.6`, `0.2–0.4`; its text where it is no number. */
export function sortValue(text) {
  const plain = text
    .trim()
    .replace(/[,$≈\u00a0]/g, "")
    .trim()
    .replace(/^[+×≥≤]/, "")
    .replace("−", "-");
  const number = /^-?\d+(\.\d+)?/.exec(plain);
  return number ? Number(number[0]) : plain === "" || plain === "–" ? null : plain.toLowerCase();
}

/* Negative, 0 or positive; nothing comes last in both directions, numbers before text. */
export function compareValues(a, b, direction) {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return (a < b ? -1 : a > b ? 1 : 0) * direction;
}

/* Gives the heads of a table buttons that sort its rows; rows that span several columns end the sorting. */
export function sortable(table) {
  const [head] = table.tHead.rows;
  const body = table.tBodies[0];
  if (!head || table.tBodies.length !== 1 || [...body.rows].some((r) => r.cells.length !== head.cells.length)) return;
  for (const [i, cell] of [...head.cells].entries()) {
    const button = el("button", { type: "button", class: "sort" }, ...cell.childNodes);
    cell.replaceChildren(button);
    button.addEventListener("click", () => {
      const direction = cell.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of head.cells) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [sortValue(row.cells[i].textContent), row]);
      rows.sort(([a], [b]) => compareValues(a, b, direction));
      body.append(...rows.map(([, row]) => row));
    });
  }
}
