/* A page without charts: its theme. */
import { wireTheme } from "../report/base/theme.js";

wireTheme(() => {});
performance.mark("paretoken-drawn");
