/* The file of an answer. */
import { readData } from "../base/data.js";
import { wireTheme } from "../base/theme.js";
import { redraw, showView, wireView } from "./view.js";

const data = await readData();
wireView();
showView(data);
wireTheme(redraw);
performance.mark("paretoken-drawn");
