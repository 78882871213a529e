"""Pages opened in a real Chromium, which may not complain nor ask for anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

DRAWN = "performance.getEntriesByName('paretoken-drawn').length > 0"
WAIT_MS = 120_000
"""Long, because a busy machine is no failure."""
Open = Callable[..., Page]


@contextmanager
def watched(browser: Browser, at: Path | str, refused: str = "") -> Iterator[Open]:
    """Opens the page of a file or of an address; at the end no error may have been logged and nothing but the file, or
    that server, been asked for. A browser logs each response that is an error: those with the status `refused` may be.
    """
    address = at if isinstance(at, str) else at.as_uri()
    own = (f"{address}/", "data:", "blob:") if isinstance(at, str) else ("file:", "data:", "blob:")
    contexts, complaints, asked = [], [], []

    def opened(link: str = "", width: int = 1280, **options: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.on("request", lambda r: asked.append(r.url))
        page.goto(address + link)
        until(page, DRAWN)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [text for text in complaints if not (refused and f"status of {refused}" in text)] == []
    assert [url for url in asked if not url.startswith(own)] == []


def until(page: Page, expression: str, arg: object = None) -> None:
    """Waits for the expression or function to be true. Playwright's own waiting evaluates text, which the pages'
    Content-Security-Policy forbids."""
    end = time.monotonic() + WAIT_MS / 1000
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(30)
