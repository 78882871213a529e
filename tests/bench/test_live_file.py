"""`live.json`: what a running benchmark says of itself."""

from __future__ import annotations

import pytest

from paretoken.bench.live_file import EVERY_S, LIVE, MOST_SAMPLES, LevelHistory, LiveFile, LiveRecord, live_file
from paretoken.bench.lock import is_locked, locked
from paretoken.bench.plan import Closed, Stop
from paretoken.bench.stats.metrics_reading import MetricsReading
from tests.support.live_levels import Silent, progress


def test_holds_the_level_its_load_and_what_was_counted(tmp_path):
    clock = iter(range(100))
    live = LiveFile(tmp_path / LIVE, Silent(), clock=lambda: next(clock))
    live.begins(2, Closed(4), 3, Stop(seconds=30))
    for second in range(1, 4):
        live.goes_on(progress(second, server=MetricsReading(waiting=float(second), kv_cache_usage=0.25)))
    record = LiveRecord.read(tmp_path / LIVE)
    assert (record.number, record.of, record.load.name, record.stop.seconds) == (2, 3, "4 users", 30)
    assert record.measuring
    assert record.progress.tokens == 300
    assert record.series["waiting"] == (1.0, 2.0, 3.0)
    assert "preemptions" not in record.series
    live.ends(None)
    assert not LiveRecord.read(tmp_path / LIVE).measuring


def test_is_written_at_most_once_a_second_and_passes_everything_on(tmp_path):
    now, watch = [0.0], Silent()
    live = LiveFile(tmp_path / LIVE, watch, clock=lambda: now[0])
    live.begins(1, Closed(1), 1, Stop())
    for step in range(20):
        now[0] = step * EVERY_S / 4
        live.goes_on(progress(now[0] + 1))
    assert len(LiveRecord.read(tmp_path / LIVE).series["tokens"]) == 5
    assert watch.calls == 21


def test_goes_with_the_run_also_when_it_is_interrupted(tmp_path):
    with pytest.raises(KeyboardInterrupt), live_file(tmp_path, Silent()) as watch:
        watch.begins(1, Closed(1), 1, Stop())
        assert (tmp_path / LIVE).is_file()
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_stops_no_run(tmp_path):
    LiveFile(tmp_path / "missing" / LIVE, Silent()).begins(1, Closed(1), 1, Stop())


@pytest.mark.parametrize("moments", [1, MOST_SAMPLES - 1, MOST_SAMPLES, 7 * MOST_SAMPLES])
def test_the_history_of_a_long_level_is_bounded_and_spans_it(moments):
    history = LevelHistory()
    for second in range(moments):
        history.add(progress(second + 1.0))
    at_s = history.columns()["elapsed_s"]
    assert len(at_s) < MOST_SAMPLES
    assert list(at_s) == sorted(at_s)
    assert at_s[-1] > moments - 2 * history.every
    assert at_s[0] <= 2 * history.every


def test_a_lock_is_seen_without_being_taken(tmp_path):
    path = tmp_path / ".lock"
    assert not is_locked(path)
    with locked(path, 0.0):
        assert is_locked(path)
    assert not is_locked(path)
