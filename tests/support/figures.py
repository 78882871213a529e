"""The figures of a page, as last drawn."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page

from tests.support.pages import until

FOUR = ("chart-interactivity", "chart-e2e", "chart-cost", "chart-rent")
_DRAWN = "id => document.getElementById(id).drawn && !document.getElementById(id).drawn.dirty"
_PLOT = """id => { const { plot } = document.getElementById(id).drawn; return {
  title: plot.title, subtitle: plot.subtitle, source: plot.source, empty: plot.empty, x: plot.x, y: plot.y,
  bands: plot.bands || [], bars: plot.bars || [], texts: plot.texts || [], table: plot.table,
  lines: plot.lines.map(({ group, name, dash, points }) => ({ group, name, dash, points })),
  marks: plot.marks.map(({ group, x, y, shape, hollow, faint, interval, about }) =>
    ({ group, x, y, shape, hollow, faint, interval, about })) }; }"""


def drawn(page: Page, figure: str) -> None:
    """Scrolls to a figure and waits until what is selected now is drawn in it."""
    page.locator(f"#{figure}").scroll_into_view_if_needed()
    until(page, _DRAWN, figure)


def plot(page: Page, figure: str) -> dict:
    """The plot of a figure for what is selected now."""
    drawn(page, figure)
    return page.evaluate(_PLOT, figure)


def groups(page: Page, figure: str) -> set[str]:
    """The accelerators that have a line in a figure."""
    drawn(page, figure)
    return set(page.evaluate("id => document.getElementById(id).drawn.plot.lines.map((l) => l.group)", figure))


def choose(page: Page, control: str, value: str) -> None:
    page.select_option(f"#{control}", value)


At = Callable[..., Page]
"""Takes an open page to the selection of a link."""


def at_links(page: Page) -> At:
    """A function that takes the page to the selection of a link."""

    def at(link: str = "") -> Page:
        follow(page, link)
        return page

    return at


def follow(page: Page, link: str = "") -> None:
    """The selection of a link on an open page; what it does not name is the study's own."""
    page.evaluate(
        """link => new Promise((resolve) => {
          document.activeElement.blur();
          history.replaceState(null, "", location.pathname);
          addEventListener("hashchange", () => resolve(), { once: true });
          location.hash = link;
        })""",
        link or "at=",
    )
