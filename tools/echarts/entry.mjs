/* The parts of Apache ECharts that the pages use. */
import { CustomChart, LineChart, ScatterChart } from "echarts/charts.js";
import { GridComponent } from "echarts/components.js";
import { init, use } from "echarts/core.js";
import { SVGRenderer } from "echarts/renderers.js";

use([CustomChart, GridComponent, LineChart, ScatterChart, SVGRenderer]);
export { init };
