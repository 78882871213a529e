/* The cells of a campaign while it runs. */
import { byId } from "../report/base/dom.js";
import { wireTheme } from "../report/base/theme.js";
import { address, pageData } from "./data.js";

wireTheme(() => {});
const { campaign } = pageData();
const source = new EventSource(address("/runs/campaign/live", { campaign }));

source.addEventListener("message", (event) => {
  const now = JSON.parse(event.data);
  if (now.error) {
    byId("state").textContent = `This campaign cannot be read: ${now.error}`;
    return;
  }
  byId("progress").max = now.of;
  byId("progress").value = now.done;
  byId("state").textContent =
    `${now.done} of ${now.of} points measured${now.state === "ended" ? "; no process measures now" : ""}.`;
  const rows = byId("cells").tBodies[0].rows;
  now.cells.forEach((cell, i) => {
    if (!rows[i]) return;
    const why = cell.reason && cell.status === "failed" ? `: ${cell.reason}` : "";
    rows[i].cells[5].textContent = `${cell.status}${why}`;
    rows[i].cells[6].textContent = `${cell.points} of ${cell.of}`;
  });
  performance.mark("paretoken-drawn");
});
source.addEventListener("end", () => source.close());
