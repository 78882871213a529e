"""What the stream of a running benchmark shows, from the files that it writes."""

from __future__ import annotations

import time
from array import array

import pytest
from bs4 import BeautifulSoup
from starlette.testclient import TestClient

from paretoken.bench.client.counters import Progress
from paretoken.bench.client.journal import JournalWriter, read_journal, records_after
from paretoken.bench.live_file import LIVE, LiveFile
from paretoken.bench.lock import locked
from paretoken.bench.plan import Closed, Stop
from paretoken.bench.stats.metrics_reading import MetricsReading
from paretoken.errors import BadFile, NoData
from paretoken.serve.api.openapi import ROOT
from paretoken.serve.app import create_app
from paretoken.serve.runs.index import RunIndex
from paretoken.serve.runs.live import RunWatch, campaign_picture, token_rates
from paretoken.serve.runs.live_latencies import LevelLatencies, times_of
from paretoken.serve.runs.watches import RunWatches, live_rows
from paretoken.serve.settings import ServeSettings
from tests.support.run_places import bare_campaign, bare_run

MS = 1_000_000


class Nobody:
    """An observer that looks away."""

    def begins(self, *_: object) -> None:
        pass

    goes_on = ends = begins


def write(path, *requests):
    """A journal of requests (due, sent, first, last in ms; tokens)."""
    journal = JournalWriter(path, {"worker": 0})
    for due, sent, first, last, tokens in requests:
        numbers = [0, 0, 0, -1, 0, due * MS, sent * MS, sent * MS, first * MS, last * MS, last * MS, 200, 8, tokens]
        times = array("q", [first * MS, last * MS])
        journal.append([*numbers, 8, tokens, -1, -1, 0], ("ok", "", "stop"), times, array("i", [1, tokens - 1]))
    return journal


def progress(at_s, **more):
    sums = {"ttft_sum_s": 0.0, "ttft_count": 0, "tpot_sum_s": 0.0, "tpot_count": 0}
    counted = {"running": 4, "sent": 9, "finished": 5, "ok": 5, "errors": 0, "tokens": round(100 * at_s)}
    return Progress(elapsed_s=at_s, sending=True, **(sums | counted | more))


def live(folder, seconds, **more):
    """A run that measures its first level, after some seconds."""
    clock = iter(range(1_000))
    file = LiveFile(folder / LIVE, Nobody(), clock=lambda: next(clock))
    file.begins(1, Closed(4), 2, Stop(seconds=30))
    for second in range(1, seconds + 1):
        server = MetricsReading(engine="vllm", waiting=2.0, running=4.0, kv_cache_usage=0.5, preemptions=7.0 + second)
        file.goes_on(progress(second, cpu_share=0.25, server=server, **more))


@pytest.mark.parametrize("content", [b"", b"PTKJ", b"no journal at all", b"PTKJ\x01\x00\x02\x00{}" + b"\xff" * 40])
def test_a_journal_that_is_none_holds_nothing_up(tmp_path, content):
    folder = bare_run(tmp_path / "run")
    live(folder, 2)
    (folder / "levels" / "0001").mkdir()
    (folder / "levels" / "0001" / "requests-0.journal").write_bytes(content)
    assert "ttft_s" not in RunWatch(folder).picture()


def test_latencies_are_those_of_the_finished_requests(tmp_path):
    journal = write(tmp_path / "j", (0, 1, 100, 300, 21))
    numbers = [0, 0, 0, -1, 0, 0, MS, -1, -1, -1, 300 * MS, 500, 8, 21, 8, -1, -1, -1, 0]
    journal.append(numbers, ("error", "", ""), array("q"), array("i"))
    journal.close()
    answered, failed = times_of(next(records_after(tmp_path / "j", 0))[0])
    assert answered == pytest.approx((0.3, 0.001, 0.1, 0.01, 0.3))
    assert tuple(failed[:2]) == pytest.approx((0.3, 0.001))
    assert all(value != value for value in failed[2:])


def test_a_journal_is_read_on_at_the_next_look(tmp_path, monkeypatch):
    monkeypatch.setattr("paretoken.serve.runs.live_latencies.MOST_AT_ONCE", 1)
    monkeypatch.setattr("paretoken.bench.client.journal.BATCH", 1)
    write(tmp_path / "a.journal", (0, 1, 100, 300, 21), (10, 11, 50, 90, 5)).close()
    latencies = LevelLatencies()
    for rows in (1, 2, 2):
        latencies.read(tmp_path)
        assert len(latencies.rows) == rows


def test_hidden_reasoning_and_single_reads_are_judged_as_in_the_report(tmp_path):
    journal = JournalWriter(tmp_path / "j", {"worker": 0})

    def answer(due, chunks, output, reasoning):
        first, last = chunks[0][0] * MS, chunks[-1][0] * MS
        numbers = [0, 0, 0, -1, 0, due * MS, due * MS, due * MS, first, last, last, 200, 8, output]
        times, tokens = array("q", [at * MS for at, _ in chunks]), array("i", [n for _, n in chunks])
        journal.append([*numbers, 8, output, -1, reasoning, 0], ("ok", "", "stop"), times, tokens)

    answer(0, [(100, 1), (300, 20)], 61, 40)  # 40 of 61 tokens were not sent: 20 gaps in 0.2 s, not 60
    answer(1, [(101, 1), (301, 20)], 21, -1)
    answer(2, [(300, 21)], 21, -1)  # held back: nobody saw the pace
    journal.close()
    records = read_journal(tmp_path / "j")
    hidden, plain, held_back = times_of(records)
    assert hidden[3] == pytest.approx(0.01)
    assert plain[3] == pytest.approx(0.01)
    assert held_back[2] != held_back[2] and held_back[3] != held_back[3] and held_back[4] == pytest.approx(0.298)


@pytest.mark.parametrize("looked", [True, False], ids=["seen while it was killed", "seen again later"])
def test_a_level_that_is_measured_again_is_read_anew(tmp_path, monkeypatch, looked):
    folder = bare_run(tmp_path / "run")
    live(folder, 5)
    level = folder / "levels" / "0001"
    level.mkdir()
    write(level / "a.journal", (0, 1, 100, 300, 21), (10, 11, 50, 90, 5)).close()
    watch = RunWatch(folder, clock=iter(range(100)).__next__)
    assert watch.picture()["requests"] == 2
    if looked:
        with monkeypatch.context() as killed:
            killed.setattr("paretoken.serve.runs.files.time.time", lambda: time.time_ns() / 1e9 + 60)
            assert watch.picture()["state"] == "ended"
    # Longer than before, so that its size alone does not say so.
    write(level / "a.journal", *[(k, k + 2, k + 200, k + 300, 11) for k in range(5)]).close()
    picture = watch.picture()
    assert picture["requests"] == 5
    assert picture["ttft_s"] == pytest.approx([0.2] * 3)
    write(level / "a.journal").close()
    assert "requests" not in watch.picture()


def test_the_picture_has_counts_latencies_and_both_sides_proof(tmp_path):
    folder = bare_run(tmp_path / "run")
    live(folder, 5)
    (folder / "levels" / "0001").mkdir()
    requests = [(k * 10, k * 10 + 1, k * 10 + 100, k * 10 + 300, 21) for k in range(100)]
    write(folder / "levels" / "0001" / "requests-0.journal", *requests).close()
    picture = RunWatch(folder).picture()
    assert (picture["state"], picture["load"], picture["number"], picture["of"]) == ("measuring", "4 users", 1, 2)
    assert picture["ttft_s"] == pytest.approx([0.1] * 3)
    assert picture["tpot_s"] == pytest.approx([0.01] * 3)
    assert picture["late_p99_s"] == pytest.approx(0.001)
    assert (picture["cpu_share"], picture["running"], picture["seconds"]) == (0.25, 4, 30)
    assert picture["output_tok_s"] == pytest.approx(100.0)
    assert picture["server"] == {
        "engine": "vllm",
        "running": 4.0,
        "waiting": 2.0,
        "kv_cache_usage": 0.5,
        "preemptions": 4.0,
    }
    assert picture["series"]["at_s"] == (1.0, 2.0, 3.0, 4.0, 5.0)
    assert len(picture["over_time"]["at_s"]) == len(picture["over_time"]["ttft_p50_s"])


def test_token_rates_are_of_the_last_seconds():
    assert token_rates({"elapsed_s": (1.0, 2.0, 3.0, 4.0, 5.0), "tokens": (10.0, 20.0, 30.0, 130.0, 230.0)}) == (
        pytest.approx([10.0, 10.0, 10.0, 40.0, 70.0])
    )
    assert token_rates({}) == []


def test_a_run_that_no_process_measures_is_over(tmp_path, monkeypatch):
    folder = bare_run(tmp_path / "run")
    assert RunWatch(folder).picture() == {"state": "ended", "levels_done": 0}
    with locked(folder / ".lock", 0.0):
        assert RunWatch(folder).picture()["state"] == "between"
    live(folder, 2)
    assert RunWatch(folder).picture()["state"] == "measuring"
    later = time.time() + 60  # killed: the file stays and grows old
    monkeypatch.setattr("paretoken.serve.runs.files.time.time", lambda: later)
    assert RunWatch(folder).picture()["state"] == "ended"


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": "paretoken.live", "schema_version": 1}', "x" * 5_000_000])
def test_a_live_file_that_is_odd_has_its_reason(tmp_path, content):
    folder = bare_run(tmp_path / "run")
    (folder / LIVE).write_text(content)
    picture = RunWatch(folder).picture()
    assert picture["error"]
    assert str(tmp_path) not in picture["error"]


def test_a_campaign_counts_its_cells_and_their_points(tmp_path):
    campaign = bare_campaign(tmp_path / "matrix")
    picture = campaign_picture(campaign.folder)
    assert (picture["state"], picture["done"], len(picture["cells"])) == ("ended", 0, 16)
    job = campaign.of(campaign.jobs()[0])
    cell = job.job.cells[0]
    level = job.cell_folder(cell) / "levels" / "0001"
    level.mkdir(parents=True)
    (level / "summary.json").write_text("{}")
    job.note_cell(cell, status="running")
    with locked(job.folder / ".lock", 0.0):
        picture = campaign_picture(campaign.folder)
    assert (picture["state"], picture["done"], picture["of"]) == ("measuring", 1, 64)
    assert picture["cells"][0]["status"] == "running"
    (job.folder / "job.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(BadFile, match="is a link"):
        campaign_picture(campaign.folder)


def test_a_live_file_that_is_a_link_is_not_followed(tmp_path):
    folder = bare_run(tmp_path / "run")
    outside = bare_run(tmp_path / "outside")
    live(outside, 1)
    (folder / LIVE).symlink_to(outside / LIVE)
    assert RunWatch(folder).picture()["state"] == "ended"


def test_the_list_of_runs_that_measure_shows_their_level(tmp_path):
    live(bare_run(tmp_path / "one"), 5)
    bare_run(tmp_path / "over")
    (tmp_path / "one" / "levels" / "0001").mkdir()
    write(tmp_path / "one" / "levels" / "0001" / "requests-0.journal", (0, 1, 100, 300, 21)).close()
    client = TestClient(create_app(ServeSettings(folder=tmp_path)), base_url="http://localhost")
    ((row,),) = client.get(f"{ROOT}/live").json().values()
    now = row["now"]
    assert (row["path"], now["number"], now["of"], now["load"], now["elapsed_s"]) == ("one", 1, 2, "4 users", 5.0)
    assert (now["seconds"], now["running"], now["finished"], now["errors"]) == (30.0, 4, 5, 0)
    assert (now["output_tok_s"], now["ttft_p50_s"]) == (pytest.approx(100.0), pytest.approx(0.1))
    page = BeautifulSoup(client.get("/live").text, "html.parser")
    cells = [cell.text.strip() for cell in page.select("#going tbody td")]
    assert cells[1:] == ["1 of 2", "4 users", "5 of 30 s", "4", "5", "0", "100.0", "100", "–"]


def test_runs_beyond_the_first_are_listed_without_figures(tmp_path, monkeypatch):
    monkeypatch.setattr("paretoken.serve.runs.watches.MOST_READ", 1)
    for name in ("a", "b"):
        live(bare_run(tmp_path / name), 2)
    index = RunIndex(tmp_path)
    index.refresh()
    first, second = live_rows(index, RunWatches(index))
    index.close()
    assert first["now"]["load"] == "4 users"
    assert set(second["now"].values()) == {None}


@pytest.mark.parametrize("error", [NoData("it went away"), FileNotFoundError()])
def test_a_run_that_went_away_leaves_the_list_of_the_others(tmp_path, monkeypatch, error):
    for name in ("a", "b"):
        live(bare_run(tmp_path / name), 2)
    index = RunIndex(tmp_path)
    index.refresh()
    read = RunWatch.picture

    def picture(watch):
        if watch._folder.name == "a":
            raise error
        return read(watch)

    monkeypatch.setattr(RunWatch, "picture", picture)
    rows = {row["path"]: row["now"] for row in live_rows(index, RunWatches(index))}
    index.close()
    assert set(rows["a"].values()) == {None} and rows["b"]["load"] == "4 users"


def test_readers_of_runs_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("paretoken.serve.runs.watches.MOST_WATCHED", 1)
    for name in ("a", "b"):
        bare_run(tmp_path / name)
    index = RunIndex(tmp_path)
    index.refresh()
    watches = RunWatches(index)
    first = watches.of("a")
    assert watches.of("a") is first
    watches.of("b")
    assert list(watches.watches) == ["b"]
    index.close()
