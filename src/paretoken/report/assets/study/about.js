/* What a point says of itself when it is pointed at. */
import { clip } from "../base/dom.js";
import { counted, seconds, short } from "../base/format.js";
import { data, engineName, word } from "./study.js";

const E2E_BASIS = {
  little: "derived, Little’s law",
  measured: "stated by the source",
  "ttft+tpot": "derived from TTFT and TPOT",
  predicted: "predicted",
};
const SPECULATION = { none: "no speculative decoding", unknown: "speculative decoding not stated" };

/* The software state of a point, with the image or build where it says more than the release. */
function softwareOf(c, i) {
  const software = word(c.w[i]);
  const version = word(c.v[i]);
  const same = !version || software.includes(version) || software.startsWith("median");
  return same ? software : `${software} (${clip(version, 32)})`;
}

/* `TP8, EP 8 on 8 GPUs, 64 users`. */
export function runOf(c, i) {
  const parallelism = `${c.ep[i] > 1 ? `, EP ${c.ep[i]}` : ""}${c.dpa[i] ? ", DP attention" : ""}`;
  const load = c.c[i] === null ? "load not stated" : counted(c.c[i], "user");
  return `TP ${word(c.tp[i])}${parallelism} on ${c.n[i] === null ? "? GPUs" : counted(c.n[i], "GPU")}, ${load}`;
}

/* That the figures were recomputed from the requests of the run, on the machine that wrote this page. */
function receiptOf(c, i) {
  const receipt = c.rc ? word(c.rc[i]) : null;
  return receipt ? [`receipt verified: ${receipt.slice(0, 16)}`] : [];
}

/* {title, rows, href} of a panel's point; `first` are rows that come first. */
export function aboutPoint(panel, i, ...first) {
  const c = panel.points;
  const basis = word(c.basis[i]);
  const day = word(c.d[i]);
  const interval = c.tl && c.tl[i] !== null ? `, 90 % interval ${short(c.tl[i])} to ${short(c.th[i])}` : "";
  return {
    title: `${word(c.a[i])} ${engineName(word(c.e[i]))}`,
    rows: [
      ...first,
      softwareOf(c, i),
      runOf(c, i),
      SPECULATION[word(c.spec[i])] || `speculative decoding: ${word(c.spec[i])}`,
      `TTFT ${seconds(c.ttft[i])}, TPOT ${seconds(c.tpot[i])}`,
      `E2E ${short(c.e2e[i])} s (${E2E_BASIS[basis] || basis || "unknown"})`,
      `${short(c.t[i], 4)} tok/s/GPU${word(c.tb[i]) === "stated" ? "" : " (derived)"}${c.o[i] ? `, output ${short(c.o[i], 4)}` : ""}${interval}`,
      ...receiptOf(c, i),
      `${word(c.r[i])}: ${clip(word(c.s[i]), 60)}${day && !day.includes("..") ? `, ${day}` : ""}`,
    ],
    ...linkOf(c, i),
  };
}

/* Where a point is from: its run, else the collection that it is in; a prediction has no such place. */
function linkOf(c, i) {
  const href = word(c.h[i]);
  return { href, hrefText: data.collections.includes(href) ? "Open the collection" : "Open the source" };
}
