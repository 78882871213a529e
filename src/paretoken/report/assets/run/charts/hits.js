/* Cache hits by turn: the share of the prompt tokens that the server found, and that an endless cache would hold. */
import { figure } from "../../base/figure.js";
import { counted, short } from "../../base/format.js";
import { inks } from "../../base/theme.js";
import { level, levelName, run, tint } from "../state.js";
import { LEFT } from "./timeline.js";

const ABSENT = "This level has no cache hits by turn.";
const percent = (share) => `${short(share * 100)} %`;

function hits() {
  const has = level().sessions?.hits;
  const turns = (has?.turns || []).filter((t) => t.foundShare !== null || t.possibleShare !== null);
  const series = [
    ["possible", "possibleShare", inks().muted, "dashed"],
    ["found", "foundShare", tint(run()), "solid"],
  ];
  return {
    title: titleOf(has),
    subtitle: `${levelName()}. Share of the prompt tokens of each turn${has?.why ? `; ${has.why}` : ""}`,
    source: `Source: ${run().source}.`,
    x: { title: "turn (number of the call in its session)", min: 0.5, max: (turns.at(-1)?.turn ?? 1) + 0.5, whole: true },
    y: { title: "prompt tokens, %", min: 0, max: 100 },
    lines: series.map(([name, key, color, dash]) => ({
      name,
      group: name,
      color,
      dash,
      width: 1.8,
      label: true,
      points: turns.map((t) => (t[key] === null ? null : [t.turn, t[key] * 100])),
    })),
    marks: series.flatMap(([name, key, color]) =>
      turns
        .filter((t) => t[key] !== null)
        .map((t) => ({
          group: name,
          x: t.turn,
          y: t[key] * 100,
          shape: name === "found" ? run().shape : "circle",
          hollow: name === "possible",
          size: 7,
          color,
          about: { title: `Turn ${t.turn}`, rows: aboutTurn(t) },
        })),
    ),
    left: LEFT,
    height: 240,
    empty: turns.length ? null : ABSENT,
    table: {
      heads: ["Turn", "Requests", "Prompt tokens", "Found", "Possible", "Found, %", "Possible, %"],
      rows: turns.map((t) => [
        t.turn,
        t.n,
        t.prompt,
        t.found,
        t.possible,
        t.foundShare === null ? null : t.foundShare * 100,
        t.possibleShare === null ? null : t.possibleShare * 100,
      ]),
    },
  };
}

function titleOf(has) {
  if (!has || has.ofPossible === null) return "Cache hits found and possible, by turn";
  return `The server found ${percent(has.ofPossible)} of the possible cache hits`;
}

const aboutTurn = (t) =>
  [
    t.foundShare === null ? null : `${percent(t.foundShare)} of the prompt tokens found in the cache`,
    t.possibleShare === null ? null : `${percent(t.possibleShare)} in an endless cache`,
    counted(t.n, "request"),
  ].filter(Boolean);

export const hitIds = ["chart-hits"];

export function hitChart() {
  figure("chart-hits", hits);
}
