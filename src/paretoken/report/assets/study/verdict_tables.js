/* The verdict of the selected panel as tables: all accelerators at the limit, and who leads over which range of limits. */
import { byId, el, table } from "../base/dom.js";
import { dollars, more, rate, short } from "../base/format.js";
import { runOf } from "./about.js";
import { AXES } from "./axes.js";
import { basisName, costOf, priceOf } from "./prices.js";
import { panel, state } from "./state.js";
import { engineName, word } from "./study.js";
import { limitText, rentNeeded, segmentsOf, verdictAt } from "./verdict.js";
import { who } from "./who.js";

const STALE_DAYS = 90;
const td = (value, text) => el("td", text ? { class: "text" } : null, value);
const long = (text) => el("td", { class: "text long" }, text);
const unit = () => AXES[state.axis].unit;
const range = ({ low, high }) =>
  short(low) === short(high)
    ? `${short(low)} ${unit()}`
    : `${short(Math.min(low, high))}–${short(Math.max(low, high))} ${unit()}`;
const doubts = (...words) => words.filter(Boolean).join("; ");

/* What makes a verdict less than firm, in words. */
function doubtsOf(v) {
  return doubts(
    v.withheld ? `withheld: ${v.withheld}` : v.sure,
    v.withheld ? null : v.fragile && `fragile: ${v.fragile}`,
    v.withheld ? null : v.dataEnd && `not settled: ${v.dataEnd}`,
    v.withheld ? null : v.acceptance,
    v.daysApart > STALE_DAYS ? `software ${v.daysApart} days apart` : null,
  );
}

function candidateRow(p, v, l, i) {
  const run = p.points;
  const runCost = costOf(l.a, run.t[l.point]);
  const needed = rentNeeded(v, l.a);
  return el(
    "tr",
    null,
    el("th", { scope: "row" }, who(l.a)),
    td(`${engineName(l.curve.engine)} ${l.curve.software}`, true),
    td(dollars(l.usd)),
    td(
      i === 0
        ? l.usd === null
          ? "–"
          : v.withheld
            ? "lowest"
            : "cheapest"
        : l.usd === null
          ? "–"
          : more(l.usd / v.winner.usd - 1),
    ),
    td(rate(priceOf(l.a))),
    td(needed === null ? "–" : rate(needed)),
    td(short(l.t, 4)),
    long(`${runOf(run, l.point)}: ${runCost === null ? `${short(run.t[l.point], 4)} tok/s/GPU` : dollars(runCost)}`),
    td(l.curve.origin, true),
    td(`${word(run.s[l.point])}, ${l.curve.x.length} points`, true),
  );
}

function candidates(p) {
  const v = verdictAt(p);
  const heads = [
    "Accelerator",
    "Engine, software",
    "$/M tokens",
    "Against the cheapest",
    "$/GPU-h",
    "Needs, $/GPU-h",
    "tok/s/GPU",
    "Nearest run that meets the limit",
    "Origin",
    "Source",
  ];
  const basis = `Prices: ${basisName()}. Between two runs the figures are interpolated; whatever is faster than the limit meets it. “Needs” is the price at which its tokens cost what the cheapest do.`;
  if (!v.ranked.length) return [el("p", null, `No accelerator meets ${limitText()} here.`)];
  return [
    el("p", { class: "note" }, `${doubtsOf(v) ? `Verdict: ${doubtsOf(v)}. ` : ""}${basis}`),
    table(
      `All accelerators at ${limitText()}`,
      heads,
      v.ranked.map((l, i) => candidateRow(p, v, l, i)),
    ),
  ];
}

function segmentRow(s) {
  const limits = el("th", { scope: "row" }, range(s));
  if (s.withheld !== null)
    return el(
      "tr",
      { class: "minor" },
      limits,
      td("withheld", true),
      td("–", true),
      td("–"),
      td("–"),
      td("–", true),
      long(s.withheld),
      td(String(s.n)),
      td("–", true),
    );
  const alone = s.second === null;
  return el(
    "tr",
    null,
    limits,
    el("td", { class: "text" }, who(s.winner)),
    td(engineName(s.engine), true),
    td(alone ? "–" : more(s.margin)),
    td(alone ? "–" : `${more(s.least)} … ${more(s.most)}`),
    el("td", { class: "text" }, alone ? "nobody else meets it" : who(s.second)),
    long(doubtsOf(s)),
    td(String(s.n)),
    td(s.origin, true),
  );
}

function segments(p) {
  const rows = segmentsOf(p);
  if (!rows.length)
    return [
      el(
        "p",
        { class: "note" },
        "The study has verdicts by range at its own price tiers, on interactivity and end-to-end latency.",
      ),
    ];
  const heads = [
    `Limit, ${AXES[state.axis].limit}`,
    "Cheapest tokens",
    "Engine",
    "Margin, median",
    "least … most",
    "Over",
    "How sure",
    "Points",
    "Origin",
  ];
  return [table("Winner by range of limits", heads, rows.map(segmentRow), "figures verdicts")];
}

export function drawVerdict() {
  const p = panel();
  byId("verdict-limit").textContent = `All accelerators at ${limitText()}`;
  byId("verdict-now").replaceChildren(...candidates(p));
  byId("verdict-ranges").replaceChildren(...segments(p));
}
