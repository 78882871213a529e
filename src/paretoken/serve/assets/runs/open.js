/* Throughput against latency of one run. */
import { drawNow, figure, refresh } from "../report/base/figure.js";
import { seconds, short } from "../report/base/format.js";
import { wireTheme } from "../report/base/theme.js";
import { rangeOf } from "../report/base/scale.js";
import { tone } from "./charts.js";
import { pageData } from "./data.js";

const { name, points } = pageData();

function curve() {
  const shown = points.filter((p) => p.e2e_s > 0 && p.output_tok_s_per_gpu > 0);
  const xs = rangeOf(shown.map((p) => p.e2e_s));
  const ys = rangeOf(shown.map((p) => p.output_tok_s_per_gpu));
  const base = { title: "Output tokens per second per GPU at each level", source: `Source: run ${name}.`, lines: [], marks: [] };
  if (!xs || !ys) return { ...base, x: { min: 0, max: 1 }, y: { min: 0, max: 1 }, empty: "No level has both figures." };
  return {
    ...base,
    x: { title: "End-to-end latency, median", min: xs[0], max: xs[1], suffix: " s" },
    y: { title: "Output tok/s/GPU", min: ys[0], max: ys[1] },
    marks: shown.map((p) => ({
      x: p.e2e_s,
      y: p.output_tok_s_per_gpu,
      shape: "circle",
      color: tone("blue"),
      hollow: !p.sound,
      about: {
        title: p.name,
        rows: [
          `${short(p.output_tok_s_per_gpu, 4)} output tok/s/GPU`,
          `E2E p50 ${seconds(p.e2e_s)}, ${short(p.interactivity_tok_s)} tok/s/user`,
          p.sound ? "steady" : "not steady, client-limited or failed",
        ],
      },
    })),
    texts: shown.map((p) => ({ x: p.e2e_s, y: p.output_tok_s_per_gpu, text: p.name, color: tone("blue"), dx: 9, dy: -6 })),
    table: {
      heads: ["Load", "E2E p50, s", "Output tok/s/GPU", "tok/s/user"],
      rows: shown.map((p) => [p.name, p.e2e_s, p.output_tok_s_per_gpu, p.interactivity_tok_s]),
    },
  };
}

figure("chart-curve", curve);
drawNow(["chart-curve"]);
wireTheme(() => refresh());
performance.mark("paretoken-drawn");
