/* Light or dark, screen or paper. */
import { byId } from "./dom.js";

const darkMedia = matchMedia("(prefers-color-scheme: dark)");
const printMedia = matchMedia("print");

/* Set while a print is prepared, before the print media query matches. */
let printing = false;
export const onPaper = () => printing || printMedia.matches;

export function isDark() {
  if (onPaper()) return false;
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : darkMedia.matches;
}

export function inks() {
  return isDark()
    ? { ground: "#14181c", ink: "#e8eaed", muted: "#a9b1bc", rule: "#2b3138", raised: "#242a31", edge: "#77808c" }
    : { ground: "#ffffff", ink: "#191c20", muted: "#565e6a", rule: "#e6e9ed", raised: "#ffffff", edge: "#8a929e" };
}

function showTheme() {
  byId("theme").textContent = isDark() ? "Light page" : "Dark page";
  byId("theme").setAttribute("aria-pressed", String(isDark()));
}

/* Wires the theme button and printing; `redraw` draws every chart anew. On paper every disclosure that is not marked
   `data-screen` is open. */
export function wireTheme(redraw) {
  const changed = () => {
    showTheme();
    redraw();
  };
  byId("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    changed();
  });
  darkMedia.addEventListener("change", changed);
  let opened = [];
  addEventListener("beforeprint", () => {
    printing = true;
    opened = [...document.querySelectorAll("details:not([open]):not([data-screen])")];
    for (const node of opened) node.open = true;
    redraw();
  });
  addEventListener("afterprint", () => {
    printing = false;
    for (const node of opened) node.open = false;
    opened = [];
    redraw();
  });
  showTheme();
}
