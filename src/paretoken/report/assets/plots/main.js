/* Plots that are ready in the data, one figure each. */
import { readData } from "../base/data.js";
import { drawNow, figure, refresh } from "../base/figure.js";
import { wireTheme } from "../base/theme.js";

const { plots } = await readData();
const ids = plots.map((_, i) => `plot-${i}`);

plots.forEach((plot, i) => figure(ids[i], () => plot));
drawNow(ids);
wireTheme(() => refresh());
performance.mark("paretoken-drawn");
