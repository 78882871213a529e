/* Numbers for a reader. */
const DASH = "–";
const missing = (v) => v === null || v === undefined || !Number.isFinite(v);

/* Formats are kept: making one costs more than all the numbers of a chart. */
const formats = new Map();
const inFormat = (key, options, v) => {
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat("en-US", options));
  return formats.get(key).format(v);
};

/* Three significant digits, or `digits`; whole above 1,000. */
export function short(v, digits = 3) {
  if (missing(v)) return DASH;
  const whole = Math.abs(v) >= 1000 ? Math.ceil(Math.log10(Math.abs(v))) : 0;
  const most = Math.max(digits, whole);
  return inFormat(most, { maximumSignificantDigits: most }, v).replace("-", "−");
}

const cents = (v) => inFormat("cents", { minimumFractionDigits: 2, maximumFractionDigits: 2 }, v);

/* USD: two decimals above 1, else three significant digits. */
export const dollars = (v) => (missing(v) ? DASH : `$${v >= 1 ? cents(v) : v.toPrecision(3)}`);

/* USD per GPU-hour: two decimals, below 10 cents three significant digits. */
export const rate = (v) => (missing(v) ? DASH : v < 0.1 ? dollars(v) : `$${cents(v)}`);

/* A change with its sign: `−34 %`, `+5.2 %`. */
export const change = (m) =>
  missing(m) ? DASH : `${m < 0 ? "−" : "+"}${(Math.abs(m) * 100).toFixed(Math.abs(m) < 0.0995 ? 1 : 0)}\u00a0%`;

/* A tick of an axis of dollars: `$0.05`, `$0.50`, `$2`, `$2.50`. */
export function dollarTick(v) {
  const decimals = (String(Number(v.toPrecision(3))).split(".")[1] || "").length;
  return `$${decimals ? v.toFixed(Math.max(2, decimals)) : v.toLocaleString("en-US")}`;
}

/* By how much something is more: `+35 %`, `×3.6` from 3 times on. */
export const more = (m) =>
  missing(m) ? DASH : m >= 2 ? `×${(m + 1).toFixed(1)}` : `+${(m * 100).toFixed(m < 0.0995 ? 1 : 0)}\u00a0%`;

/* A duration with its unit. */
export const seconds = (v) => (missing(v) ? DASH : v >= 1 ? `${short(v)} s` : `${short(v * 1000)} ms`);

export const counted = (n, one, many = `${one}s`) => `${n.toLocaleString("en-US")} ${n === 1 ? one : many}`;
