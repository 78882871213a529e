"""The figures of a page of measured runs: distributions, timelines, proofs and tables."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from paretoken.bench.plan import Closed
from paretoken.bench.run_folder import RunFolder
from paretoken.bench.stats.level_summary import LevelTimes, WindowSummary
from paretoken.bench.stats.metrics import sample
from paretoken.bench.stats.scrape import ServerMetrics
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.report.numbers import shown
from paretoken.report.run import tables
from paretoken.report.run.distributions import GRID, distributions
from paretoken.report.run.proof import FIGURES, proof_row
from paretoken.report.run.reading import read_run
from paretoken.report.run.sessions import SESSIONS, sessions
from paretoken.report.run.telemetry import telemetry
from paretoken.report.run.timeline import BARS, server_series, timeline
from tests.support.levels import closed, request, table
from tests.support.runs import COLUMNS, ladder, proof, scraped


def window(start_s: float, end_s: float, *, enough: bool = False) -> WindowSummary:
    return WindowSummary(
        start_s=start_s,
        end_s=end_s,
        seconds=end_s - start_s,
        steady=enough,
        reason="",
        enough=enough,
        needs_s=None,
        requests=10,
        mean_in_flight=1.0,
        mean_active_users=1.0,
        trends=(),
    )


def test_distributions_are_those_of_the_summary(run_folders):
    for level in RunFolder(run_folders / "before").levels():
        made = distributions(sample(level.requests()), level.summary)
        for metric, of in made.items():
            summarised = level.summary.latency.by_metric[metric]
            assert of["n"] == summarised.n
            values = of.get("all") or of["q"]
            assert len(values) <= 200
            median = np.median(values) if "all" in of else of["q"][int(np.searchsorted(GRID, 0.5))]
            assert median == pytest.approx(summarised.p50 * 1000, rel=0.01)
            assert values[-1] == pytest.approx(summarised.max * 1000, rel=1e-3) if metric != "itl" else True


def test_an_open_loop_has_its_distributions(run_folders):
    level = RunFolder(run_folders / "rates").levels()[0]
    made = distributions(sample(level.requests()), level.summary)
    assert {m: d["n"] for m, d in made.items()} == {m: level.summary.latency.by_metric[m].n for m in made}


def test_the_timeline_adds_up():
    requests = closed(8, 20.0)
    made = timeline(sample(requests), window(2.0, 18.0, enough=True))
    assert sum(made["tok"]) * made["step"] == pytest.approx(requests["output_tokens"].sum(), rel=1e-3)
    assert max(made["flight"]) == 8 and made["err"] is None and made["window"] == [2, 18]
    assert made["bars"]["of"] == len(made["bars"]["due"]) == requests.height
    assert made["bars"]["rows"] == made["bars"]["ofRows"] == 8


def test_bars_are_a_sample_of_whole_users():
    requests = closed(40, 40.0)
    bars = timeline(sample(requests), window(0.0, 1.0))["bars"]
    assert bars["of"] == requests.height > BARS >= len(bars["due"])
    assert bars["rows"] < bars["ofRows"] == 40
    per_user = np.bincount(bars["row"])
    assert per_user.min() == per_user.max() == requests.height // 40


def test_packed_rows_never_overlap(run_folders):
    level = RunFolder(run_folders / "rates").levels()[1]
    bars = timeline(sample(level.requests()), level.summary.window)["bars"]
    for row in range(bars["rows"]):
        mine = [i for i, r in enumerate(bars["row"]) if r == row]
        assert all(bars["end"][a] <= bars["due"][b] + 1e-4 for a, b in pairwise(mine))


def test_errors_are_counted_when_they_end():
    rows = [request(k * 10**8, [k * 10**8 + 10**9], user=0, status="reset" if k == 5 else "ok") for k in range(20)]
    made = timeline(sample(table(rows)), window(0.0, 1.0))
    assert sum(made["err"]) == 1
    assert made["err"].index(1) == int(1.5 / made["step"])


def test_server_series_start_with_the_level():
    plain = summarise(closed(2, 5.0), Closed(2), LevelContext(columns=COLUMNS), server=scraped(4, 900))
    made = server_series(replace(plain, run=LevelTimes(t0_monotonic_s=1002.0)))
    assert (made["at"][0], made["aligned"], len(made["at"])) == (-2, True, 300)
    assert server_series(plain)["at"][0] == 0
    assert server_series(replace(plain, server=None)) is None
    running = ServerMetrics(at_s=(1, 2), series={"running": (1, None)})
    assert "waiting" not in server_series(replace(plain, server=running))


def test_the_proof_marks_what_is_past_its_bound():
    row = proof_row("8 users", proof(8, limited=True))
    past = [f.name for f, (_, is_past) in zip(FIGURES, row.cells, strict=True) if is_past]
    assert past == ["Core, busiest worker", "Read lag p99, ms"] and row.limited
    assert proof_row("x", None).verdict == "not recorded"
    assert ("–", False) in proof_row("x", replace(proof(8), loop_lag_p99_s=math.nan)).cells


def test_intervals_and_repeats_are_tables(tmp_path):
    run = read_run(ladder(tmp_path / "run", (2, 4, 4)))
    grid = tables.intervals_grid(run)
    for (_, cells, _), level in zip(grid.rows, run.levels, strict=True):
        itl = level.summary.intervals["median_itl_s"]
        value, low, high = (shown(x * 1000) for x in (itl.value, itl.low, itl.high))
        assert dict(zip(grid.heads, cells, strict=True))["ITL p50, ms"] == f"{value} ({low} to {high})"
        assert itl.low < itl.high
    ((name, cells, _),) = tables.repeats_grid([x.summary for x in run.levels]).rows
    rates = [x.point["output_tput_per_gpu_tok_s"] for x in run.levels[1:]]
    assert (name, cells[0]) == ("4 users", "2") and cells[1].startswith(shown(sum(rates) / 2, 4))


def test_sessions_are_those_of_the_requests(run_folders):
    level = RunFolder(run_folders / "talk").levels()[0]
    requests = level.requests().sort("due_ns", maintain_order=True)
    made = sessions(requests, sample(requests), level.summary)
    bars = made["bars"]
    assert bars["of"] == requests["session"].n_unique() and bars["rows"] == min(SESSIONS, bars["of"])
    assert sorted(set(bars["turn"])) == [1, 2, 3, 4] and len(set(bars["session"])) == bars["rows"]
    for row in range(bars["rows"]):
        mine = [i for i, r in enumerate(bars["row"]) if r == row]
        assert [bars["turn"][i] for i in mine] == list(range(1, len(mine) + 1))
        assert all(bars["end"][a] < bars["due"][b] for a, b in pairwise(mine))


def test_the_first_token_of_each_turn(run_folders):
    level = RunFolder(run_folders / "talk").levels()[0]
    requests = level.requests().sort("due_ns", maintain_order=True)
    turns = sessions(requests, sample(requests), level.summary)["turns"]
    assert [t["turn"] for t in turns] == [1, 2, 3, 4]
    assert [t["p50"] for t in turns] == pytest.approx([80, 130, 180, 230], rel=0.06)
    assert all(t["p10"] < t["p50"] < t["p90"] for t in turns)
    assert [(t["isl"], t["cached"]) for t in turns] == [(200, 0), (400, 0.375), (600, 0.5), (800, 0.562)]
    assert sum(t["n"] for t in turns) == level.summary.window.requests


def test_a_run_of_single_requests_has_no_sessions(run_folders):
    level = RunFolder(run_folders / "before").levels()[0]
    requests = level.requests()
    assert sessions(requests, sample(requests), level.summary) is None


def test_telemetry_is_read_from_beside_the_level(run_folders):
    level = RunFolder(run_folders / "talk").levels()[0]
    made = telemetry(level.folder, replace(level.summary, run=LevelTimes(t0_monotonic_s=1000.0)))
    first, second = made["devices"]
    assert (made["watts"], made["joules"], made["aligned"]) == (607, 31.5, True)
    assert (first["name"], first["at"][0], first["power_w"][0], len(first["at"])) == ("gpu0", -1, 600, 42)
    assert "throttled" not in first and (second["throttled"], second["throttles"]) == (0.262, ["sw_power_cap"])
    assert telemetry(level.folder, level.summary)["devices"][0]["at"][0] == 0
    assert telemetry(RunFolder(run_folders / "before").levels()[0].folder, level.summary) is None
