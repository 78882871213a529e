/* What every page shares: nodes, number formats, inks and axes of plots. */
const byId = (id) => document.getElementById(id);
const unique = (values) => [...new Set(values)];
const clip = (text, n) => (text.length > n ? `${text.slice(0, n - 1)}…` : text);
const escapeText = (text) => String(text).replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);

/* Nodes are built, never parsed, so no text can become markup. */
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
}

/* Number formats. */
const short = (v, digits = 3) =>
  v === null || v === undefined || !Number.isFinite(v)
    ? "–"
    : v.toLocaleString("en-US", {
        maximumSignificantDigits: Math.max(digits, Math.abs(v) >= 1000 ? Math.ceil(Math.log10(Math.abs(v))) : 0),
      });

/* Light or dark, screen or paper. */
const darkMedia = matchMedia("(prefers-color-scheme: dark)");
const printMedia = matchMedia("print");
const coarse = matchMedia("(pointer: coarse)").matches;
const PRINT = { width: 660, height: 330 };

/* Set while a print is prepared, before the print media query matches. */
let printing = false;
const onPaper = () => printing || printMedia.matches;

function isDark() {
  if (onPaper()) return false;
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : darkMedia.matches;
}

function inks(dark) {
  return dark
    ? { ground: "#14181c", ink: "#e8eaed", muted: "#a9b1bc", rule: "#2b3138", raised: "#242a31", edge: "#77808c" }
    : { ground: "#ffffff", ink: "#191c20", muted: "#565e6a", rule: "#e6e9ed", raised: "#ffffff", edge: "#8a929e" };
}

/* The range that holds every value of every trace, hidden ones too, so that switching one off moves nothing. */
function rangeOf(traces, key, log) {
  const values = traces.flatMap((t) => t[key]).filter((v) => v !== null && Number.isFinite(v) && (!log || v > 0));
  if (!values.length) return log ? [0, 1] : [0, 10];
  const low = values.reduce((a, b) => Math.min(a, b)),
    high = values.reduce((a, b) => Math.max(a, b));
  if (!log) return key === "y" ? [0, high * 1.06] : [low - (high - low) * 0.04 - 1e-9, high + (high - low) * 0.04];
  const pad = Math.max(0.03, 0.05 * Math.log10(high / low));
  return [Math.log10(low) - pad, Math.log10(high) + pad];
}

/* Ticks by how many decades there are: only powers of ten on many, every digit and more on few. */
function logTicks(range) {
  const decades = range[1] - range[0];
  const digits =
    decades > 3.2
      ? [1]
      : decades > 1.6
        ? [1, 2, 5]
        : decades > 0.8
          ? [1, 2, 3, 5, 7]
          : decades > 0.45
            ? [1, 1.5, 2, 3, 4, 5, 6, 8]
            : [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9];
  const values = [];
  for (let power = Math.floor(range[0]); power <= Math.ceil(range[1]); power++) {
    for (const digit of digits) {
      const at = Math.log10(digit) + power;
      if (at >= range[0] && at <= range[1]) values.push(Number((digit * 10 ** power).toPrecision(3)));
    }
  }
  return { tickmode: "array", tickvals: values, ticktext: values.map((v) => short(v)) };
}

function axisLayout(title, log, range, ink) {
  return {
    title: { text: title, standoff: 8, font: { size: 12, color: ink.muted } },
    automargin: true,
    type: log ? "log" : "linear",
    range,
    autorange: false,
    gridcolor: ink.rule,
    linecolor: ink.edge,
    tickcolor: ink.edge,
    zeroline: false,
    ticks: "outside",
    ticklen: 4,
    showline: true,
    ...(log ? logTicks(range) : { nticks: 8, tickformat: ",~g" }),
  };
}

/* What all plots look like: the grounds, the font and the hover box. */
function look(ink) {
  return {
    paper_bgcolor: ink.ground,
    plot_bgcolor: ink.ground,
    showlegend: false,
    hovermode: "closest",
    hoverdistance: 14,
    font: {
      family: 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif',
      size: 12,
      color: ink.ink,
    },
    dragmode: coarse ? false : "zoom",
    hoverlabel: {
      bgcolor: ink.raised,
      bordercolor: ink.edge,
      font: { color: ink.ink, size: 12 },
      align: "left",
      namelength: -1,
    },
  };
}

const config = {
  displaylogo: false,
  responsive: true,
  modeBarButtons: [["toImage", "resetScale2d"]],
  displayModeBar: coarse ? false : "hover",
};
