/* Before anything is drawn: that scripts run, and the page's theme of last time, which it keeps when it changes. */
{
  const root = document.documentElement;
  const KEPT = "paretoken-theme";
  root.classList.add("js");
  try {
    const theme = localStorage.getItem(KEPT);
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    new MutationObserver(() => localStorage.setItem(KEPT, root.dataset.theme)).observe(root, {
      attributeFilter: ["data-theme"],
    });
  } catch {
    /* A browser that keeps nothing starts with the theme of its system. */
  }
}
