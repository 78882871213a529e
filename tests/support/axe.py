"""axe-core over an open page."""

from __future__ import annotations

from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Page

AXE = next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js"))


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong: rule, how bad, and the first places.

    The drawings are left out: they are hidden from readers of the page's text, who have each figure's table.
    """
    if not page.evaluate("typeof axe !== 'undefined'"):
        page.add_script_tag(content=AXE.read_text(encoding="utf-8"))
    results = page.evaluate("axe.run({ exclude: ['.host'] }, { resultTypes: ['violations'] })")
    return [
        f"{v['id']} ({v['impact']}): {'; '.join(n['html'][:160] for n in v['nodes'][:4])}"
        f" [{len(v['nodes'])}] {v['nodes'][0]['failureSummary'][:300]}"
        for v in results["violations"]
    ]
