/* Scales and ticks of axes: pure arithmetic. An axis is {title, log, unit, min, max} or {categories: [...]}. */
import { dollarTick, short } from "./format.js";

/* The range that holds all values, with room at both ends; linear ranges of amounts start at 0. */
export function rangeOf(values, log, fromZero = true) {
  const own = values.filter((v) => v !== null && Number.isFinite(v) && (!log || v > 0));
  if (!own.length) return null;
  const low = own.reduce((a, b) => Math.min(a, b));
  const high = own.reduce((a, b) => Math.max(a, b));
  if (!log) {
    const room = (high - (fromZero ? Math.min(0, low) : low)) * 0.06 || Math.abs(high) * 0.06 || 1;
    return [fromZero && low >= 0 ? 0 : low - room, high + room];
  }
  const room = Math.exp(Math.max(0.07, 0.05 * Math.log(high / low)));
  return [low / room, high * room];
}

/* Round values between two ends: on a logarithmic axis by how many decades there are, else about `n` even steps. */
export function ticks([low, high], log, n = 6) {
  if (!log) {
    const raw = (high - low) / n;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw);
    const values = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high * (1 + 1e-12); k++)
      values.push(Number((k * step).toPrecision(12)));
    return values;
  }
  const decades = Math.log10(high / low);
  const digits =
    decades > 3.2
      ? [1]
      : decades > 1.4
        ? [1, 2, 5]
        : decades > 0.7
          ? [1, 1.5, 2, 3, 5, 7]
          : [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9];
  const values = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const digit of digits) {
      const at = Number((digit * 10 ** power).toPrecision(3));
      if (at >= low && at <= high) values.push(at);
    }
  return values;
}

/* The ticks of an axis; only whole numbers where it counts. */
export function axisTicks(axis, n) {
  const values = ticks([axis.min, axis.max], axis.log, n);
  return axis.whole ? values.filter(Number.isInteger) : values;
}

/* Every second, third … tick until neighbours, `px` apart at least, do not touch. */
export function thinned(values, place, px) {
  for (let step = 1; step < values.length; step++) {
    const kept = values.filter((_, i) => i % step === 0);
    if (kept.every((v, i) => i === 0 || Math.abs(place(v) - place(kept[i - 1])) >= px(v))) return kept;
  }
  return values.slice(0, 1);
}

/* A function from a value to pixels between two ends. */
export function scale({ min, max, log }, from, to) {
  const t = log ? Math.log : (v) => v;
  const [a, b] = [t(min), t(max)];
  return (v) => from + ((t(v) - a) / (b - a)) * (to - from);
}

export const tickText = (axis) =>
  axis.format || (axis.prefix === "$" ? dollarTick : (v) => `${axis.prefix || ""}${short(v)}${axis.suffix || ""}`);
