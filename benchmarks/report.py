"""How fast the default study's report opens and changes in Chromium, and how large it is.

    python benchmarks/report.py [--loads 5] [--throttle 4] [--report FILE]

Prints one line a figure: median (lowest to highest) over the loads, ms. A change is timed from the event to the next
frame after the repaint.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

STARTS = {
    "first text": "performance.getEntriesByName('first-contentful-paint')[0].startTime",
    "first chart": "performance.getEntriesByName('paretoken-first-chart')[0].startTime",
    "all drawn": "performance.getEntriesByName('paretoken-drawn')[0].startTime",
}
CHANGES = {
    "limit": ("limit-value", "input", ("30", "60", "90", "40", "50")),
    "model": ("model", "change", ("deepseek-r1", "llama-3-70b")),
    "price basis": ("basis", "change", ("market:on-demand", "owner")),
    "accelerator": ("accelerators", "click", ("B200",)),
}
TIMED = """([id, event, value]) => new Promise((resolve) => {
  const control = document.getElementById(id);
  const node = event === "click" ? control.querySelector(`[data-accelerator="${value}"]`) : control;
  requestAnimationFrame(() => {
    const start = performance.now();
    if (event !== "click") node.value = value;
    node.dispatchEvent(new Event(event, { bubbles: true }));
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start), 0));
  });
})"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--loads", type=int, default=5)
    parser.add_argument("--throttle", type=float, default=1, help="slow the CPU down by this factor")
    parser.add_argument("--report", type=Path, help="a report that is there; the default study's otherwise")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = (options.report or default_report(Path(folder))).resolve()
        print(f"size                 {path.stat().st_size / 1e6:8.2f} MB")
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        loads = [one_load(chromium, path, options.throttle) for _ in range(options.loads)]
        for name in loads[0]:
            print_times(name, [t for load in loads for t in load[name]])
        chromium.close()


def default_report(folder: Path) -> Path:
    from paretoken import load_study, run_study
    from paretoken.report.html import render

    path = folder / "report.html"
    path.write_text(render(run_study(load_study())), encoding="utf-8")
    return path


def one_load(chromium: Browser, path: Path, throttle: float) -> dict[str, list[float]]:
    """Times in ms of opening the page, and of every change once the charts have been on the screen."""
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    if throttle != 1:
        page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": throttle})
    page.goto(path.as_uri())
    while not page.evaluate("performance.getEntriesByName('paretoken-drawn').length"):
        time.sleep(0.05)
    times = {name: [page.evaluate(start)] for name, start in STARTS.items()}
    page.locator("#four").scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    for name, (control, event, values) in CHANGES.items():
        times[f"change of {name}"] = [changed(page, control, event, value) for value in values]
    page.close()
    return times


def changed(page: Page, control: str, event: str, value: str) -> float:
    ms = float(page.evaluate(TIMED, [control, event, value]))
    page.wait_for_timeout(100)
    return ms


def print_times(name: str, ms: Iterable[float]) -> None:
    ms = list(ms)
    print(f"{name:<22}{statistics.median(ms):7.0f} ms  ({min(ms):.0f} to {max(ms):.0f}, n={len(ms)})")


if __name__ == "__main__":
    main()
