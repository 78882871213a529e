"""The shipped dashboards: every metric exists, and against a real Prometheus every query has data."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from paretoken.bench.plan import Closed, Stop
from paretoken.bench.run_folder import RunFolder
from paretoken.bench.telemetry.live_figures import LiveFigures
from paretoken.emulate.prometheus import EmulatorMetrics, WorkerLoad
from tests.bench.telemetry.test_live_figures import ABOUT, NOW
from tests.support.emulators import program
from tests.support.grafana import dashboard, expressions, metrics_in
from tests.support.load_servers import free_port
from tests.test_exposition import samples_of

BOARDS = ("bench", "emulator")
PROMETHEUS = shutil.which("prometheus")
CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - {{job_name: bench, static_configs: [{{targets: ["127.0.0.1:{bench}"]}}]}}
  - {{job_name: emulator, static_configs: [{{targets: ["{emulator}"]}}]}}
"""


def exposed(name: str, folder: Path) -> set[str]:
    """The names of the samples that the bench, or the emulator, exposes."""
    if name == "emulator":
        text = EmulatorMetrics({"block_size": 16}).text("m", [WorkerLoad(1, 2, 0.5, 0)])
    else:
        figures = LiveFigures(RunFolder(folder), ABOUT)
        figures.begins(1, Closed(4), 3, Stop(requests=9))
        figures._before.by_status.update(ok=1)
        figures.goes_on(NOW)
        text = figures.text()
    return {sample.partition("{")[0] for sample in samples_of(text)}


@pytest.mark.parametrize("name", BOARDS)
def test_every_metric_of_a_dashboard_is_exposed(name, tmp_path):
    wanted = set().union(*map(metrics_in, expressions(dashboard(name))))
    assert len(wanted) >= 10
    assert wanted <= exposed(name, tmp_path)


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_one_that_grafana_imports(name):
    board = dashboard(name)
    variables = {v["name"]: v for v in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource" and variables["datasource"]["query"] == "prometheus"
    source = {"type": "prometheus", "uid": "${datasource}"}
    assert variables["instance"]["datasource"] == source
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids) and board["uid"] and board["schemaVersion"] >= 36
    for panel in board["panels"]:
        assert panel["title"] and panel["description"] and panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"] == source and all(t["datasource"] == source for t in panel["targets"])
        refs = [t["refId"] for t in panel["targets"]]
        assert len(set(refs)) == len(refs) and all('instance=~"$instance"' in t["expr"] for t in panel["targets"])
    boxes = [panel["gridPos"] for panel in board["panels"]]
    cells = [(x, y) for b in boxes for x in range(b["x"], b["x"] + b["w"]) for y in range(b["y"], b["y"] + b["h"])]
    assert len(set(cells)) == len(cells) and max(x for x, _ in cells) < 24


@contextmanager
def prometheus(place: Path, bench: int, emulator: str) -> Iterator[str]:
    """Debian's Prometheus, which collects both every second; its URL."""
    (place / "prometheus.yml").write_text(CONFIG.format(bench=bench, emulator=emulator))
    port = free_port()
    command = [
        PROMETHEUS,
        f"--config.file={place}/prometheus.yml",
        f"--storage.tsdb.path={place}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def page_at(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


def has_data(result: list[dict]) -> bool:
    return any(value != "NaN" for of in result for _, value in of["values"])


def series(url: str, expression: str, since: float) -> list[dict]:
    query = {"query": expression, "start": since, "end": time.time(), "step": 1}
    return json.loads(page_at(f"{url}/api/v1/query_range?{urllib.parse.urlencode(query)}"))["data"]["result"]


@pytest.mark.slow
@pytest.mark.skipif(not PROMETHEUS, reason="needs Debian's package prometheus: scripts/system-packages")
def test_every_query_has_data_of_a_real_bench_in_a_real_prometheus(tmp_path):
    port, since = free_port(), time.time()
    options = "--decode-ms 4 --per-seq-ms 0.05 --prefill-tok-s 200000 --kv-tokens 100000"
    with program(*options.split()) as server:
        line = (
            f"bench {server} --prompt-unit words --isl 32 --osl 16 --concurrency 1,4 --until 4s --out run "
            f"--metrics-port {port}"
        )
        place = urllib.parse.urlsplit(server).netloc
        with prometheus(tmp_path, port, place) as url, measuring(line, tmp_path) as bench:
            page = page_while_measuring(port)
            _, err = bench.communicate(timeout=60)
            empty = {e for name in BOARDS for e in expressions(dashboard(name)) if not has_data(series(url, e, since))}
            total = series(url, "max_over_time(paretoken_bench_requests_total[1m])", since)
    assert bench.returncode == 0, err
    assert not empty
    levels = RunFolder(tmp_path / "run").levels()
    assert 0 < max(float(v) for s in total for _, v in s["values"]) <= sum(s.summary.errors.requests for s in levels)
    checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@contextmanager
def measuring(line: str, place: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-P", "-m", "paretoken", *line.split()]
    with subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as bench:
        try:
            yield bench
        finally:
            bench.kill()


def page_while_measuring(port: int) -> bytes:
    """What the bench exposes once the CPU share of its client is known."""
    for _ in range(300):
        try:
            page = page_at(f"http://127.0.0.1:{port}/metrics")
        except OSError:
            page = b""
        if re.search(rb"^paretoken_bench_client_cpu_ratio \S+$", page, re.MULTILINE):
            return page
        time.sleep(0.1)
    raise AssertionError("the bench exposes no CPU share")
