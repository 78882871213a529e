"""What a Prometheus server collects of a running benchmark: never falling, and at the end the records exactly."""

from __future__ import annotations

from array import array
from dataclasses import replace
from pathlib import Path
from threading import Thread

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paretoken.bench.client.counters import Progress
from paretoken.bench.client.journal import _NUMBERS, JournalWriter
from paretoken.bench.plan import Closed, Stop
from paretoken.bench.run_folder import RunFolder
from paretoken.bench.stats.metrics import sample
from paretoken.bench.telemetry.live_figures import PREFIX, LiveFigures
from paretoken.bench.telemetry.request_sums import RequestSums
from tests.support.runs import ladder
from tests.test_exposition import samples_of

ABOUT = {"version": "1", "model": 'a "model"\n'}
NOW = Progress(
    elapsed_s=1.0,
    running=3,
    sent=5,
    finished=2,
    ok=2,
    errors=0,
    tokens=70,
    ttft_sum_s=0.0,
    ttft_count=0,
    tpot_sum_s=0.0,
    tpot_count=0,
    sending=True,
    sessions_begun=4,
    sessions_ended=1,
    cpu_share=0.25,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    return RunFolder(ladder(tmp_path_factory.mktemp("live") / "run", (4,)))


def write(journal: JournalWriter, rows: pl.DataFrame) -> None:
    """Append records as the client would."""
    for row in rows.iter_rows(named=True):
        numbers = [-1 if row[name] is None else row[name] for name in _NUMBERS]
        texts = [row[name] or "" for name in ("status", "detail", "finish_reason")]
        journal.append(numbers, texts, array("q", row["chunk_ns"]), array("i", row["chunk_tokens"]))


def value(figures: LiveFigures, name: str) -> float:
    return samples_of(figures.text())[PREFIX + name]


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 200), max_size=4))
def test_however_often_it_is_read_nothing_falls_and_the_end_is_exact(run, tmp_path_factory, cuts):
    (level,) = run.levels()
    rows, place = level.requests(), tmp_path_factory.mktemp("journal")
    (place / "levels" / "0001").mkdir(parents=True)
    figures = LiveFigures(RunFolder(place), ABOUT)
    figures.begins(1, Closed(4), 1, Stop(requests=200))
    journal = JournalWriter(place / "levels" / "0001" / "requests-0.journal", {})
    before: dict[str, float] = {}
    ends = sorted({min(cut, rows.height) for cut in cuts})
    for start, end in zip([0, *ends], ends, strict=False):
        write(journal, rows[start:end])
        now = samples_of(figures.text())
        assert now.get(f'{PREFIX}requests_total{{status="ok"}}', 0) == end
        assert all(now[name] >= before[name] for name in before if "_total" in name or "_bucket" in name)
        before = now
    journal.close()
    figures.ends(level)
    whole = RequestSums()
    whole.add(sample(rows))
    at_end = samples_of(figures.text())
    expected = samples_of("\n".join(whole.lines(PREFIX)))
    assert {name: at_end[name] for name in expected} == pytest.approx(expected)
    assert all(at_end[name] >= before[name] for name in before if "_total" in name or "_bucket" in name)


def test_the_state_is_that_of_the_level(run):
    (level,) = run.levels()
    figures = LiveFigures(run, ABOUT)
    figures.begins(2, Closed(4), 3, Stop(requests=200))
    figures.goes_on(NOW)
    text = samples_of(figures.text())
    state = {"level": 2, "levels": 3, "level_running": 1, "users": 4, "in_flight_requests": 3, "open_sessions": 3}
    assert {name: text[PREFIX + name] for name in state} == state
    assert text[f"{PREFIX}received_tokens_total"] == 70 and text[f"{PREFIX}client_cpu_ratio"] == 0.25
    figures.ends(level)
    text = samples_of(figures.text())
    state = {"level_running": 0, "users": 0, "in_flight_requests": 0, "open_sessions": 0}
    assert {name: text[PREFIX + name] for name in state} == state
    assert text[f"{PREFIX}received_tokens_total"] == level.requests()["chunk_tokens"].list.sum().sum() > 70
    results = ("measured", "failed", "client_limited")
    assert sum(text[f'{PREFIX}levels_total{{result="{result}"}}'] for result in results) == 1


def test_levels_that_an_earlier_process_measured_do_not_count(run):
    figures = LiveFigures(run, ABOUT)
    for level in run.levels():
        figures.ends(level)
    text = samples_of(figures.text())
    assert not [name for name in text if "requests_total" in name] and value(figures, "output_tokens_total") == 0


def test_a_busy_level_is_read_in_parts(run, tmp_path, monkeypatch):
    monkeypatch.setattr("paretoken.bench.telemetry.live_figures.MOST_AT_ONCE", 1)
    (level,) = run.levels()
    rows = pl.concat([level.requests()] * 12)
    (tmp_path / "levels" / "0001").mkdir(parents=True)
    figures = LiveFigures(RunFolder(tmp_path), ABOUT)
    figures.begins(1, Closed(4), 1, Stop(requests=200))
    journal = JournalWriter(tmp_path / "levels" / "0001" / "requests-0.journal", {})
    write(journal, rows)
    journal.close()
    counts = [value(figures, 'requests_total{status="ok"}') for _ in range(4)]
    assert counts == [1024, 2048, rows.height, rows.height]


def test_received_tokens_are_the_clients_whatever_the_server_counts(run, tmp_path):
    (level,) = run.levels()
    rows = level.requests().with_columns(output_tokens=pl.lit(10_000, dtype=pl.Int32))
    (tmp_path / "levels" / "0001").mkdir(parents=True)
    rows.write_parquet(tmp_path / "levels" / "0001" / "requests.parquet")
    figures = LiveFigures(run, ABOUT)
    figures.begins(1, Closed(4), 1, Stop(requests=200))
    figures.goes_on(NOW)
    figures.ends(replace(level, folder=tmp_path / "levels" / "0001"))
    assert value(figures, "received_tokens_total") == rows["chunk_tokens"].list.sum().sum()
    assert value(figures, "output_tokens_total") == 10_000 * rows.height


def test_a_page_does_not_wait_for_the_records_of_a_level(run, monkeypatch):
    (level,) = run.levels()
    figures = LiveFigures(run, ABOUT)
    figures.begins(1, Closed(4), 1, Stop(requests=200))
    pages = []

    def reads(_: Path) -> None:
        asking = Thread(target=lambda: pages.append(figures.text()), daemon=True)
        asking.start()
        asking.join(10)

    monkeypatch.setattr("paretoken.bench.telemetry.live_figures._of_records", reads)
    figures.ends(level)
    assert len(pages) == 1
