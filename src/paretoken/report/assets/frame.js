/* The theme button, and what print needs; the page's own drawPlots() redraws, and drawMoneyPlots() where it has one. */
const redraw = () => {
  drawPlots();
  if (typeof drawMoneyPlots === "function") drawMoneyPlots();
};
function showTheme() {
  byId("theme").textContent = isDark() ? "Light page" : "Dark page";
  byId("theme").setAttribute("aria-pressed", String(isDark()));
}
byId("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  showTheme();
  redraw();
});
darkMedia.addEventListener("change", () => {
  showTheme();
  redraw();
});

/* In print every disclosure is open and the plots are light and as wide as the page. */
let opened = [];
function beforePrint() {
  printing = true;
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const node of opened) node.open = true;
  redraw();
}
function afterPrint() {
  printing = false;
  for (const node of opened) node.open = false;
  opened = [];
  redraw();
}
addEventListener("beforeprint", beforePrint);
addEventListener("afterprint", afterPrint);
