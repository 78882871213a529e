"""Pages opened in a real Chromium, which may not complain nor ask for anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

DRAWN = "performance.getEntriesByName('paretoken-drawn').length > 0"
WAIT_MS = 120_000
"""Long, because a busy machine is no failure."""
Open = Callable[..., Page]


def until(page: Page, condition: str) -> None:
    """Waits for a condition; `wait_for_function` polls with `eval`, which the page's policy forbids."""
    for _ in range(WAIT_MS // 50):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {condition}")


@contextmanager
def watched(browser: Browser, path: Path) -> Iterator[Open]:
    """Opens the page; at the end no error may have been logged and nothing but the file been asked for."""
    contexts, complaints, asked = [], [], []

    def opened(link: str = "", width: int = 1280, **options: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.on("request", lambda r: asked.append(r.url))
        page.goto(path.as_uri() + link)
        until(page, DRAWN)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
