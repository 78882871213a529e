/* Views that a reader opens by one click: which accelerators, or the panel of their own runs. */
import { byId } from "../base/dom.js";
import { DEFAULTS, select } from "./state.js";
import { data, word } from "./study.js";

const others = (keep) => new Set(data.accelerators.filter((a) => !keep(a)).map((a) => a.id));
const GENERATIONS = ["Hopper", "Blackwell"];
const ofGeneration = (a) => GENERATIONS.some((name) => a.generation.startsWith(name));

/* The first panel with points that the reader measured. */
const ownPanel = () => data.panels.find((p) => p.points.r.some((r) => word(r) === "measured"));

/* What each view selects; null where the study has nothing to show in it. */
const VIEWS = {
  all: () => ({ off: new Set() }),
  amd: () => (data.accelerators.some((a) => a.vendor === "AMD") ? { off: others((a) => a.vendor === "AMD") } : null),
  generations: () => (data.accelerators.some(ofGeneration) ? { off: others(ofGeneration) } : null),
  own: () => {
    const p = ownPanel();
    return p
      ? { model: p.model, precision: p.precision, workload: p.workload, scenario: p.scenario, off: new Set() }
      : null;
  },
  reset: () => ({ ...DEFAULTS, off: new Set(), prices: new Map() }),
};

export function wirePresets() {
  for (const button of byId("presets").querySelectorAll("[data-preset]")) {
    const view = VIEWS[button.dataset.preset];
    button.hidden = view() === null;
    button.addEventListener("click", () => select(view()));
  }
  byId("copy-page").addEventListener("click", async ({ target }) => {
    const text = target.textContent;
    try {
      await navigator.clipboard.writeText(location.href);
      target.textContent = "Copied";
    } catch {
      target.textContent = "The link is in the address bar";
    }
    setTimeout(() => (target.textContent = text), 2000);
  });
}
