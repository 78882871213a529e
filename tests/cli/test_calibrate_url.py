"""`calibrate --url` from end to end: a server of exact pace, a continued folder, a server that dies."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from paretoken.bench.client.counters import Progress
from paretoken.bench.config import BenchConfig
from paretoken.bench.keys import ApiKey
from paretoken.bench.plan import Load, Stop
from paretoken.bench.run_folder import LevelOnDisk
from paretoken.bench.short_ladder import ShortLadder, begin_ladder, measure_ladder, measure_pace, probed
from paretoken.bench.short_ladder_plan import LengthPair
from paretoken.bench.truth.server import Pace, truth_server
from paretoken.catalog.loader import load_catalog
from paretoken.cli.measure.live import Quiet
from paretoken.errors import BadConfig, EndpointFailed
from paretoken.predict.calibration.file import read_calibration

DEPLOYED = "--accelerator my-box --model llama-3.2-3b --precision bf16 --engine llamacpp --tp 1 --catalog box"
LENGTHS = "--isl 64 --osl 16 --concurrency 1,4"
BOX = """
[my-box]
name = "A box of mine"
vendor = "Somebody"
hbm_gib = 64
hbm_tb_per_s = 0.5
bf16_tflops = 10
max_scaleup_gpus = 1
gpus_per_node = 1
source = "data sheet"
date = "2026-11-30"
"""


@pytest.fixture
def box(tmp_path: Path) -> Path:
    folder = tmp_path / "box"
    folder.mkdir()
    (folder / "accelerators.toml").write_text(BOX, encoding="utf-8")
    return folder


def test_a_ladder_is_measured_fitted_and_continued(call, tmp_path, box):
    with truth_server(Pace(ttft_ms=30.0, itl_ms=6.0), log=tmp_path / "log") as server:
        line = f"calibrate --url http://127.0.0.1:{server.port} {DEPLOYED} {LENGTHS} --minutes 0.1 --runs runs"
        code, out, err = call(f"{line} --out ours.parquet")
        assert code == 0, err
        assert "will measure 64/16 tokens at 1, 2, 4 users" in err
        for words in ("Predicted before and after", "Measured, and predicted", "Each level predicted from the others"):
            assert words in out
        levels = {p: p.stat().st_mtime_ns for p in tmp_path.glob("runs/*/levels/*/requests.parquet")}
        assert len(levels) == 7  # six and the pace
        (finished := next(iter(tmp_path.glob("runs/64-16/levels/0002/summary.json")))).unlink()
        code, out, err = call(f"{line} --out again.parquet --json")
        assert code == 0, err
        kept = {p for p in levels if p.is_file() and p.stat().st_mtime_ns == levels[p]}
        assert set(levels) - kept == {finished.parent / "requests.parquet"}
        code, _, err = call(f"{line} --prefix-hits 0.5 --out hits.parquet")
        assert code == 0, err
    answer = json.loads(out)
    assert answer["points"] == 6 and not answer["emulated"]
    for change in answer["intervals"]:
        (_, low, high), (_, new_low, new_high) = change["before"], change["after"]
        assert new_high / new_low < high / low, change["figure"]
    for level in answer["levels"]:
        if level["figure"] == "tpot":
            assert abs(level["after"] - level["measured"]) < abs(level["before"] - level["measured"])
    effects = read_calibration(tmp_path / "again.parquet").effects
    assert any(key.group == "my-box" for key in effects)
    assert read_calibration(tmp_path / "hits.parquet").effects == effects  # no prompt of a ladder hits the cache
    code, _, err = call(f"{line.replace('bf16', 'fp8')} --out other.parquet")
    assert code == 2 and "runs holds runs of precision bf16, not fp8; give another --runs" in err


class Killing(Quiet):
    """Ends the server as a level begins."""

    def __init__(self, kill: Callable[[], None], at: int) -> None:
        self.kill, self.left, self.finished = kill, at, 0

    def begins(self, number: int, load: Load, of: int | None, stop: Stop) -> None:
        self.left -= 1
        if not self.left:
            self.kill()

    def goes_on(self, progress: Progress) -> None: ...

    def ends(self, level: LevelOnDisk) -> None:
        self.finished += not level.summary.failed


def ladder(port: int, folder: Path) -> ShortLadder:
    config = BenchConfig(
        urls=(f"http://127.0.0.1:{port}",), engine="llamacpp", timeout_s=2.0, warmup_per_user=0, on_error="stop"
    )
    pairs = [LengthPair(isl=n, osl=8, users=(1, 2), seconds=0.2) for n in (16, 32)]
    return begin_ladder(config, ApiKey(), load_catalog(), folder, pairs)


@pytest.mark.parametrize(("dies_at", "finished"), [(4, 3), (3, 2), (2, 1)])
def test_the_levels_before_the_servers_death_are_kept(tmp_path, dies_at, finished):
    with truth_server(Pace(ttft_ms=10.0, itl_ms=2.0), log=tmp_path / "log") as server:
        begun = ladder(server.port, tmp_path / "runs")
        watch = Killing(lambda: os.kill(server.pid, signal.SIGKILL), dies_at)
        list(measure_ladder(begun, watch))
    assert watch.finished == finished
    assert begun.points


def test_the_pace_of_another_load_is_not_planned_with(tmp_path):
    with truth_server(Pace(ttft_ms=10.0, itl_ms=2.0), log=tmp_path / "log") as server:
        config = BenchConfig(urls=(f"http://127.0.0.1:{server.port}",), isl="16", osl="8", warmup_per_user=0)
        two, four = (probed(replace(config, concurrency=n), ApiKey(), load_catalog()) for n in ("2", "4"))
        pace = measure_pace(two, 2, tmp_path, 0.1, Quiet())
        assert measure_pace(two, 2, tmp_path, 0.1, Quiet()) == pace  # read from the folder
        with pytest.raises(BadConfig, match="holds runs of concurrency 2, not 4; give another --runs"):
            measure_pace(four, 4, tmp_path, 0.1, Quiet())


def test_an_error_of_this_machine_is_not_blamed_on_the_server(tmp_path):
    with truth_server(Pace(ttft_ms=10.0, itl_ms=2.0), log=tmp_path / "log") as server:
        begun = ladder(server.port, tmp_path / "runs")
        levels = measure_ladder(begun, Quiet())
        next(levels)
        next(levels)
        with begun.runs[1].folder.alone(), pytest.raises(BadConfig, match="another process is measuring"):
            next(levels)


def test_a_server_that_answers_nothing_is_an_error(tmp_path):
    with truth_server(Pace(), log=tmp_path / "log") as server:
        begun = ladder(server.port, tmp_path / "runs")
    with pytest.raises(EndpointFailed, match="answers no requests"):
        list(measure_ladder(begun, Quiet()))
