/* The latencies that a limit can be set on. `latency` turns a value of the axis into seconds and back. */
const same = (v) => v;
const inverse = (v) => 1 / v;

export const AXES = Object.freeze({
  interactivity: {
    name: "interactivity",
    title: "Interactivity, tok/s per user",
    unit: "tok/s/user",
    limit: "at least",
    sign: "≥",
    latency: inverse,
    range: [5, 500],
  },
  e2e: {
    name: "end-to-end latency",
    title: "End-to-end latency, s",
    unit: "s",
    limit: "at most",
    sign: "≤",
    latency: same,
    range: [1, 1000],
  },
  ttft: {
    name: "time to first token",
    title: "Time to first token, s",
    unit: "s",
    limit: "at most",
    sign: "≤",
    latency: same,
    range: [0.02, 100],
  },
});

/* A limit in words: `≥ 50 tok/s/user`. */
export const limitWords = (axis, value) =>
  `${AXES[axis].sign} ${value.toLocaleString("en-US", { maximumSignificantDigits: 3 })} ${AXES[axis].unit}`;
