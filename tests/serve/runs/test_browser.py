"""Browsing, comparing and watching runs in a real Chromium, with the app, a benchmark and an emulated server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest

from tests.support.axe import violations
from tests.support.emulators import emulated
from tests.support.pages import until, watched
from tests.support.run_places import bare_campaign, hostile, point_table, two_runs
from tests.support.serving import serving

pytestmark = pytest.mark.slow
DAYS = [f"2026-{month:02d}-15" for month in range(1, 13)]
STATE = "(document.getElementById('state')?.textContent ?? '')"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = two_runs(tmp_path_factory.mktemp("served") / "runs")
    hostile(root / "strange", root / "2026-11" / "before")
    bare_campaign(root / "matrix")
    rates = [100.0 + k % 3 for k in range(6)] + [150.0 + k % 3 for k in range(6)]
    point_table(
        root / "kept.parquet",
        model=["a"] * 12,
        accelerator=["B200"] * 12,
        date=DAYS,
        concurrency=[8.0] * 12,
        output_tput_per_gpu_tok_s=rates,
        total_tput_per_gpu_tok_s=rates,
    )
    return root


@pytest.fixture(scope="module")
def app(folder):
    """The app, once the folder is read: until then a list loads itself anew."""
    with serving("serve", folder=folder) as (url, _):
        address = url.rstrip("/")
        while json.loads(urlopen(f"{address}/api/v1/runs").read())["reading"]:
            time.sleep(0.1)
        yield address


def calm(page) -> None:
    """The page has no violation, nor anything wider than the screen."""
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_filter_open_and_compare(browser, app):
    with watched(browser, app) as opened:
        page = opened("/runs", bypass_csp=True)
        until(page, "document.querySelectorAll('tbody tr').length > 10")
        calm(page)
        page.select_option("select[name=model]", "llama-3-70b")
        page.get_by_role("button", name="Show", exact=True).click()
        until(page, "document.querySelector('#count')?.textContent === '2 entries.'")
        page.get_by_role("link", name="TTFT p50, ms").click()
        assert "sort=ttft_p50_s" in page.url
        assert page.locator("tbody th").all_inner_texts() == ["2026-11/after", "2026-11/before"]
        page.get_by_role("link", name="2026-11/before").click()
        until(page, "document.querySelector('.answer .lead') !== null")
        assert "Best throughput" in page.inner_text(".lead")
        until(page, "document.querySelectorAll('#chart-curve svg').length === 1")
        calm(page)
        page.go_back()
        for path in ("before", "after"):
            page.get_by_label(f"Compare 2026-11/{path}").check()
        page.get_by_role("button", name="Compare the two chosen").click()
        until(page, "document.getElementById('verdict') !== null")
        assert "regressed" in page.inner_text("#verdict") or "0 of" in page.inner_text("#verdict")
        page.goto(f"{app}/runs/compare?run=2026-11/before&run=2026-11/after&load=1")
        assert "worse" in page.inner_text("main")
        assert page.inner_text("#verdict") == "3 of 3 comparisons regressed"
        calm(page)


def test_a_report_opens_in_a_sandbox(browser, app):
    with watched(browser, app) as opened:
        page = opened("/runs/report?run=2026-11/before")
        assert page.inner_text("#h-curve") == "Throughput against latency"
        assert page.evaluate("origin") == "null"


def test_the_history_of_a_configuration_has_its_step(browser, app):
    with watched(browser, app) as opened:
        page = opened("/runs/history?model=a&accelerator=B200", bypass_csp=True)
        until(page, "document.querySelectorAll('#chart-history svg').length === 1")
        assert "improvement" in page.inner_text("#h-steps >> xpath=..")
        calm(page)


def test_a_strange_folder_is_inert_and_fits_a_phone(browser, app):
    with watched(browser, app) as opened:
        page = opened("/runs?words=strange", width=390, bypass_csp=True)
        assert page.locator("img").count() == 0
        assert page.locator(".unread").count() == 6
        calm(page)
        for path in ("many-levels", "linked-levels"):
            page.goto(f"{app}/runs/open?run=strange/{path}")
            assert page.locator("[role=alert], main p").count()
            calm(page)
        assert "is a link" in page.inner_text("[role=alert]")
        for path in ("/points", "/live", "/runs/history?model=a", "/runs/open?run=2026-11/after"):
            page.goto(app + path)
            calm(page)


def test_a_campaign_lists_its_cells(browser, app):
    with watched(browser, app) as opened:
        page = opened("/runs/campaign?campaign=matrix", width=390, bypass_csp=True)
        until(page, f"{STATE} === '0 of 64 points measured; no process measures now.'")
        assert page.locator("#cells tbody tr").count() == 16
        calm(page)


def test_a_benchmark_is_watched_to_its_end(browser, app, folder):
    with emulated() as server, watched(browser, app) as opened:
        url, out = f"http://127.0.0.1:{server.port}/v1", folder / "going"
        options = ("--model", "m", "--isl", "64", "--osl", "32", "--concurrency", "2,4", "--until", "5s")
        command = [sys.executable, "-m", "paretoken", "bench", url, *options, "--out", str(out)]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ)
        try:
            page = opened("/live", bypass_csp=True)
            while not page.get_by_role("link", name="going").count():
                page.wait_for_timeout(200)
                page.reload()
            page.get_by_role("link", name="going").click()
            until(page, f"/^Level 1 of 2: 2 users/.test({STATE})")
            until(page, "/[1-9] requests finished/.test(document.getElementById('tiles').textContent)")
            calm(page)
            tiles = page.inner_text("#tiles")
            assert "KV cache" in tiles
            assert "limit 90 %" in tiles
            until(page, f"/^Level 2 of 2: 4 users/.test({STATE})")
            until(page, "document.querySelectorAll('#chart-throughput svg').length === 1")
            until(page, f"{STATE} === 'The run is over: 2 levels finished.'")
        finally:
            errors = child.communicate(timeout=60)[1]
        assert child.returncode == 0, errors
    assert not (out / "live.json").exists()
