/* Wiring: the page has no chart that code draws. */
import { wireTheme } from "../base/theme.js";
import { followLink } from "./plan.js";

followLink();
wireTheme(() => {});
performance.mark("paretoken-drawn");
