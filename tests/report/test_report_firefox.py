"""The report in Firefox too."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.load_servers import free_port
from tests.support.marionette import firefox

pytestmark = pytest.mark.slow

WITNESS = """
window.complaints = [];
for (const kind of ["error", "warn"]) console[kind] = (...parts) => window.complaints.push(parts.join(" "));
addEventListener("error", (event) => window.complaints.push(String(event.message)));
addEventListener("unhandledrejection", (event) => window.complaints.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => window.complaints.push(event.violatedDirective));
"""


def test_it_draws_and_changes_in_firefox(default_page: Path, tmp_path: Path) -> None:
    binary = shutil.which("firefox-esr") or shutil.which("firefox")
    if binary is None:
        pytest.skip("Firefox is not installed; apt-get install firefox-esr")
    page = default_page.read_text(encoding="utf-8")
    path = tmp_path / "report.html"
    path.write_text(page.replace("<style>", f"<script>{WITNESS}</script><style>", 1), encoding="utf-8")
    with firefox(binary, tmp_path / "profile", free_port()) as browser:
        browser.open(path.as_uri())
        browser.until("return performance.getEntriesByName('paretoken-drawn').length > 0")
        drawn = "return document.getElementById('chart-hero').drawn.plot.marks.length"
        title = "return document.querySelector('#chart-hero .fig-title').textContent"
        assert browser.run(drawn) > 20
        assert browser.run("return document.querySelectorAll('#chart-hero svg path').length") > 20
        before = browser.run(title)
        browser.run(
            "const node = document.getElementById('limit-value'); node.value = '20';"
            "node.dispatchEvent(new Event('input', { bubbles: true }))"
        )
        assert before != browser.run(title) and "20 tok/s/user" in browser.run(title)
        browser.run("document.getElementById('chart-cost').scrollIntoView()")
        browser.until("return Boolean(document.getElementById('chart-cost').drawn)")
        assert browser.run("return document.scrollingElement.scrollWidth <= innerWidth")
        assert browser.run("return window.complaints") == []
