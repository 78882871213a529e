/* Every point of the selected panel, to sort and to filter. */
import { byId, el, table } from "../base/dom.js";
import { csvOf, save } from "../base/export.js";
import { short } from "../base/format.js";
import { sortable } from "../base/sortable.js";
import { runOf } from "./about.js";
import { costOf } from "./prices.js";
import { panel, state } from "./state.js";
import { engineName, word } from "./study.js";
import { who } from "./who.js";

const MOST = 400;
const HEADS = [
  "Accelerator",
  "Engine, software",
  "Run",
  "tok/s/GPU",
  "Output tok/s/GPU",
  "tok/s/user",
  "TTFT, s",
  "E2E, s",
  "$/M tokens",
  "Origin",
  "Date",
  "Source",
];

function rowsOf(p) {
  const c = p.points;
  return c.a.map((_, i) => {
    const a = word(c.a[i]);
    const link = c.h ? word(c.h[i]) : null;
    return {
      a,
      link,
      cells: [
        a,
        `${engineName(word(c.e[i]))} ${word(c.w[i])}`,
        runOf(c, i),
        c.t[i],
        c.o[i],
        c.tpot[i] === null ? null : 1 / c.tpot[i],
        c.ttft[i],
        c.e2e[i],
        costOf(a, c.t[i]),
        word(c.r[i]),
        word(c.d[i]) || "",
        word(c.s[i]),
      ],
    };
  });
}

/* The rows that hold every word of the filter. */
const matching = (rows, filter) => {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter(({ cells }) => {
    const text = cells
      .filter((v) => typeof v === "string")
      .join(" ")
      .toLowerCase();
    return words.every((w) => text.includes(w));
  });
};

function rowNode({ a, link, cells }) {
  const source = link ? el("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, cells[11]) : cells[11];
  return el(
    "tr",
    null,
    el("th", { scope: "row" }, who(a)),
    ...cells
      .slice(1, 11)
      .map((v, i) => el("td", i < 2 || i > 7 ? { class: "text" } : null, typeof v === "string" ? v : short(v, 4))),
    el("td", { class: "text" }, source),
  );
}

const chosen = () => matching(rowsOf(panel()), byId("points-filter").value).filter(({ a }) => !state.off.has(a));

/* The table is built when its disclosure is open. */
export function drawEvidence() {
  if (!byId("points").open) return;
  const rows = chosen();
  const p = panel();
  byId("points-note").textContent =
    `${rows.length} of ${p.points.a.length} points of ${p.modelName} ${p.precision.toUpperCase()}, ${p.workload}` +
    `${rows.length > MOST ? `; the first ${MOST} are shown, the CSV has all` : ""}.${p.flagged ? ` ${p.flagged} suspicious ones are listed further down.` : ""}`;
  const node = table("Points", HEADS, rows.slice(0, MOST).map(rowNode), "figures small");
  sortable(node.querySelector("table"));
  byId("points-table").replaceChildren(node);
}

export function wireEvidence() {
  byId("points").addEventListener("toggle", drawEvidence);
  byId("points-filter").addEventListener("input", drawEvidence);
  byId("points-csv").addEventListener("click", () =>
    save("points.csv", "text/csv", csvOf({ table: { heads: HEADS, rows: chosen().map((r) => r.cells) } })),
  );
  for (const each of document.querySelectorAll(".static table.figures")) sortable(each);
}
