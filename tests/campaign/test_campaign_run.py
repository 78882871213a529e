"""A campaign with a real engine: cells that fail, a run killed with SIGKILL and gone on with, and what it leaves."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import polars as pl
import pytest

from paretoken.campaign.collect import INTERRUPTED, collect, status
from paretoken.campaign.config import Campaign
from paretoken.campaign.run import begin, go, reopen
from paretoken.campaign.state import CampaignFolder
from paretoken.campaign.supervise import PointTimer, supervise
from paretoken.engines.command import CONTEXT_BESIDE
from paretoken.errors import BadConfig
from paretoken.points.files import read_points
from paretoken.receipts.verify import verify_run
from tests.support.tiny_campaigns import TINY, write


def by_cell(folder: CampaignFolder) -> dict[tuple[str, str], dict]:
    return {(r.model, r.workload): r for r in status(folder)}


def finished(out: Path) -> dict[Path, str]:
    """Every level that is whole on disk, with a hash of its summary and requests."""
    return {
        p.parent: hashlib.sha256(p.read_bytes() + (p.parent / "requests.parquet").read_bytes()).hexdigest()
        for p in out.glob("jobs/*/*/levels/*/summary.json")
    }


RUN = """
import sys
from paretoken.campaign import supervise
from paretoken.cli.main import main
worker = sys.argv[1]
supervise.worker_command = lambda out, number: [sys.executable, worker, str(out), str(number)]
sys.argv = ["paretoken", "campaign", "run", *sys.argv[2:]]
main()
"""


WORKER = """
import sys
from dataclasses import replace
from pathlib import Path
from paretoken.bench.setup import Setup
from paretoken.campaign.work import work
stop, endless = Setup.stop, {"requests": None, "seconds": 3600.0}
Setup.stop = lambda self, load: replace(stop(self, load), **(endless if load.users == 3 else {}))
work(Path(sys.argv[1]), int(sys.argv[2]))
"""


"""The worker, but for levels of three users, which do not end: whoever kills it does so in the middle of a point."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A campaign killed in the middle of a point, its processes ended, and the same one resumed."""
    place = tmp_path_factory.mktemp("killed")
    out = place / "out"
    (place / "run.py").write_text(RUN)
    (place / "worker.py").write_text(WORKER)
    arguments = [place / "run.py", place / "worker.py", write(place), "--out", out]
    with (place / "run.log").open("wb") as log:
        ours = subprocess.Popen([sys.executable, *map(str, arguments)], stdout=log, stderr=log)

    def in_the_third_point() -> bool:
        assert ours.poll() is None, (place / "run.log").read_text()
        return any(p.stat().st_size for p in out.glob("jobs/*/*/levels/0003/*.journal"))

    try:
        assert _until(in_the_third_point, 300), (place / "run.log").read_text()
    finally:
        ours.send_signal(signal.SIGKILL)
        ours.wait()
    assert _until(lambda: not _ours(out), 60), "processes are left behind"
    before, at = finished(out), status(CampaignFolder(out))
    done = subprocess.run(
        [sys.executable, "-m", "paretoken", "campaign", "resume", str(out)], capture_output=True, text=True
    )
    return CampaignFolder(out), before, at, done


def _until(condition, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _ours(out: Path) -> list[int]:
    """Processes that name the folder, or run an engine for it."""
    found = []
    for p in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(out).encode() in p.read_bytes() and int(p.parent.name) != os.getpid():
                found.append(int(p.parent.name))
        except OSError:
            continue
    return found


class TestKilledAndResumed:
    def test_it_was_cut(self, killed):
        _, before, at, _ = killed
        assert len(before) == 2
        assert {r.status for r in at} == {INTERRUPTED, "pending"}

    def test_no_finished_point_was_measured_again(self, killed):
        folder, before, _, _ = killed
        after = finished(folder.folder)
        assert {place: after[place] for place in before} == before
        assert len(after) == 6

    def test_the_rest_is_done_and_the_broken_cell_said_why(self, killed):
        folder, _, _, done = killed
        cells = by_cell(folder)
        assert [cells["random-llama-4m", w].status for w in ("16/8", "32/16")] == ["done", "done"]
        broken = cells["broken", "32/16"]
        assert (broken.status, broken.attempts, broken.kind) == ("failed", 2, "no model")
        assert "cannot find its model" in broken.reason and "server.log" in broken.reason
        assert done.returncode == 1 and "failed: job" in done.stdout

    def test_points(self, killed):
        folder, *_ = killed
        table, errors = read_points(folder.folder / "points.parquet")
        assert not errors and table.height == 6
        assert set(table["engine_version"]) == {importlib.metadata.version("xllamacpp")}
        assert set(table["model"]) == {"random-llama-4m"} and set(table["engine"]) == {"llamacpp"}
        assert sorted(set(zip(table["isl"], table["osl"], strict=True))) == [(16, 8), (32, 16)]
        assert set(table["origin"]) == {"measured"}
        assert (table["output_tput_per_gpu_tok_s"] > 0).all()

    def test_every_finished_cell_is_verified_with_its_telemetry(self, killed):
        folder, *_ = killed
        runs = sorted({level.parents[1] for level in finished(folder.folder)})
        assert len(runs) == 2
        for run in runs:
            result = verify_run(run)
            assert result.verdict == "verified", (result.hashes.faults, result.differences[:3])
        listed = json.loads((runs[0] / "levels" / "0001" / "receipt.json").read_text())["files"]
        assert {"telemetry.json", "telemetry.parquet"} <= {file["path"] for file in listed}

    def test_what_was_served_is_kept(self, killed):
        folder, *_ = killed
        job = folder.of(folder.jobs()[0]).status()
        start = next(s for s in job["starts"] if "command" in s)
        assert "llamacpp_server.py" in start["command"] and start["ready_s"] > 0
        assert start["parameters"]["max_num_seqs"] == 3
        assert start["parameters"]["max_model_len"] == 48 + CONTEXT_BESIDE

    def test_every_request_has_the_length_asked_for(self, killed):
        folder, *_ = killed
        for place in finished(folder.folder):
            requests = pl.read_parquet(place / "requests.parquet").filter(pl.col("status") == "ok")
            osl = 8 if "16-8" in str(place) else 16
            assert set(requests["output_tokens"]) == {osl}

    def test_nothing_is_left_to_do(self, killed):
        folder, *_ = killed
        before = finished(folder.folder)
        assert go(reopen(folder.folder)) == 6
        assert finished(folder.folder) == before

    def test_status_for_programs(self, killed, call):
        folder, *_ = killed
        code, out, _ = call(f"campaign status {folder.folder} --json")
        rows = orjson.loads(out)["cells"]
        assert code == 0 and [r["points"] for r in rows if r["status"] == "done"] == [3, 3]

    def test_its_pages(self, killed, call):
        folder, *_ = killed
        row = by_cell(folder)["random-llama-4m", "32/16"]
        code, out, _ = call(f"report {row.folder}")
        assert code == 0 and "report.html" in out
        code, out, _ = call(
            f"frontier --model random-llama-4m --workload 32/16 --no-published --points {folder.folder}/points.parquet"
        )
        assert code == 0 and "llamacpp" in out


class TestFailures:
    def test_a_server_that_dies_under_load_costs_one_attempt(self, tmp_path):
        """A program that runs the engine and kills it once a request of a point has ended, the first time."""
        mark = tmp_path / "died"
        code = (
            "import glob, os, subprocess, sys, time\n"
            "p = subprocess.Popen(sys.argv[1:])\n"
            f"first = not os.path.exists({str(mark)!r})\n"
            f"open({str(mark)!r}, 'w').close()\n"
            f"journals = {str(tmp_path / 'out/jobs/*/*/levels/*/*.journal')!r}\n"
            "while first and p.poll() is None and not any(map(os.path.getsize, glob.glob(journals))):\n"
            "    time.sleep(0.005)\n"
            "p.kill() if first else p.wait()\n"
            "p.wait(); sys.exit('torch.OutOfMemoryError: CUDA out of memory')\n"
        )
        script = tmp_path / "engine.py"
        script.write_text(code)
        program = f'["{sys.executable}", "{script}", "{{python}}", "-P", "{{here}}/llamacpp_server.py"]'
        text = TINY.replace('"broken"]', '"random-llama-4m"]').replace('until = "12 requests"', 'until = "2s"')
        text = text.replace('["16/8", "32/16"]', '["16/8"]').replace('"1,2,3"', '"1,2"').replace("exclude", "# ")
        folder = begin(write(tmp_path, text + f"[engines.llamacpp]\nprogram = {program}\n"), tmp_path / "out")
        assert go(folder) == 2
        row = by_cell(folder)["random-llama-4m", "16/8"]
        assert (row.status, row.points, row.attempts) == ("done", 2, 1)
        cell = folder.of(folder.jobs()[0]).cell(folder.jobs()[0].cells[0])
        assert cell["attempts"][0]["kind"] == "out of GPU memory"
        assert not any("failed" in orjson.loads((p / "summary.json").read_bytes()) for p in finished(tmp_path))

    def test_a_point_that_takes_too_long(self, tmp_path):
        text = TINY.replace('until = "12 requests"', 'until = "60s"').replace("exclude", "# ")
        text = text.replace('"broken"]', '"random-llama-4m"]').replace('["16/8", "32/16"]', '["16/8"]')
        file = write(tmp_path, text + "retries = 0\npoint_timeout_s = 1.5\n")
        folder = begin(file, tmp_path / "out")
        assert go(folder) == 0
        row = by_cell(folder)["random-llama-4m", "16/8"]
        assert (row.status, row.kind) == ("failed", "timeout")
        assert "longer than point_timeout_s = 1.5 s" in row.reason

    def test_a_worker_that_crashes(self, tmp_path, monkeypatch):
        folder = begin(write(tmp_path), tmp_path / "out")
        dies = [sys.executable, "-c", "import sys; sys.exit('worker out of luck')"]
        monkeypatch.setattr("paretoken.campaign.supervise.worker_command", lambda out, number: dies)
        supervise(folder, 1)
        rows = [r for r in status(folder) if r.job == 1]
        assert {(r.status, r.kind, r.attempts) for r in rows} == {("failed", "worker", 2)}
        assert "worker out of luck" in rows[0].reason
        assert collect(folder) == 0

    def test_a_worker_that_does_nothing(self, tmp_path, monkeypatch):
        """It exits with 0 and all still to do: that counts as a failure too, and there is an end to it."""
        folder = begin(write(tmp_path), tmp_path / "out")
        monkeypatch.setattr("paretoken.campaign.supervise.worker_command", lambda out, number: ["true"])
        supervise(folder, 1)
        assert {r.status for r in status(folder) if r.job == 1} == {"failed"}

    def test_what_was_cut_long_ago_is_not_overdue(self, tmp_path):
        """A run killed in a point and resumed after more than the point's timeout."""
        text = TINY.replace("exclude", "# ").replace('"broken"]', '"random-llama-4m"]')
        text = text.replace('["16/8", "32/16"]', '["16/8"]').replace('"1,2,3"', '"1"')
        folder = begin(write(tmp_path, text + "retries = 0\npoint_timeout_s = 30\n"), tmp_path / "out")
        place = folder.of(folder.jobs()[0])
        place.note_cell(
            folder.jobs()[0].cells[0],
            status="running",
            point={"number": 1, "of": 1, "users": 1, "rate": None, "since_unix_s": 0.0},
        )
        assert go(folder) == 1
        assert [r.status for r in status(folder)] == ["done"]

    def test_failed_cells_again(self, tmp_path, monkeypatch):
        folder = begin(write(tmp_path), tmp_path / "out")
        monkeypatch.setattr("paretoken.campaign.supervise.worker_command", lambda out, number: ["false"])
        go(folder)
        assert {r.status for r in status(folder)} == {"failed"}
        reopen(folder.folder)
        assert {r.status for r in status(folder)} == {"failed"}
        reopen(folder.folder, retry_failed=True)
        assert {(r.status, r.kind, r.attempts) for r in status(folder)} == {("pending", None, 0)}

    def test_a_crash_costs_the_cell_that_is_measured(self, tmp_path):
        folder = begin(write(tmp_path, TINY.replace("exclude", "# ")), tmp_path / "out", here=False)
        job = folder.of(folder.jobs()[0])
        first, second = job.job.cells
        job.note_cell(first, status="running")
        job.begin_attempt()
        job.count_failure("no start", "worker", retries=2)
        job.note_cell(second, status="running")
        job.count_failure("crash", "worker", retries=2)
        assert [len(job.cell(cell)["attempts"]) for cell in (first, second)] == [1, 2]

    def test_a_point_is_timed_here_whatever_the_clock_of_its_worker(self, tmp_path):
        folder, now = begin(write(tmp_path), tmp_path / "out", here=False), 100.0
        job = folder.of(folder.jobs()[0])
        timer = PointTimer(10.0, lambda: now)
        for since_unix_s in (0.0, 1e12):
            point = {"number": 1, "of": 1, "users": 1, "rate": None, "since_unix_s": since_unix_s}
            job.note_cell(job.job.cells[0], status="running", point=point)
            assert timer.overdue(job) is None
            now += 9.0
            assert timer.overdue(job) is None
        now += 2.0
        assert timer.overdue(job) == "a point took longer than point_timeout_s = 10 s"
        job.note_cell(job.job.cells[0], point=None)
        assert timer.overdue(job) is None

    def test_a_point_in_which_its_cell_failed_is_over(self, tmp_path):
        """The other cells of the job are measured for longer than a point may take."""
        folder, now = begin(write(tmp_path, TINY.replace("exclude", "# ")), tmp_path / "out", here=False), 100.0
        job = folder.of(folder.jobs()[0])
        first, second = job.job.cells
        timer, point = PointTimer(10.0, lambda: now), {"number": 1, "of": 1, "users": 1, "rate": None}
        job.note_cell(first, status="running", point=point | {"since_unix_s": 0.0})
        assert timer.overdue(job) is None
        job.failed(first, "no answer", "error", 0)
        assert job.cell(first)["point"] is None
        job.note_cell(first, point=point | {"since_unix_s": 0.0})  # as an earlier version leaves it
        for since_unix_s in (8.0, 16.0):
            job.note_cell(second, status="running", point=point | {"since_unix_s": since_unix_s})
            now += 8.0
            assert timer.overdue(job) is None

    def test_a_campaign_begun_with_a_relative_trace_goes_on(self, tmp_path):
        """Earlier versions kept its path as it was in the file."""
        (tmp_path / "trace.jsonl").write_text("{}\n")
        file = write(tmp_path, TINY.replace("[bench]", '[bench]\ntrace = "trace.jsonl"'))
        folder = begin(file, tmp_path / "out", here=False)
        record = json.loads((folder.folder / "campaign.json").read_text())
        record["campaign"]["bench"]["trace"] = "trace.jsonl"
        earlier = Campaign.model_validate(record["campaign"])
        (folder.folder / "campaign.json").write_text(json.dumps(record | {"digest": earlier.digest()}))
        for _ in range(2):
            assert reopen(folder.folder).campaign().bench["trace"] == str(tmp_path.resolve() / "trace.jsonl")
        file.write_text(file.read_text().replace("12 requests", "13 requests"))
        with pytest.raises(BadConfig, match="has changed since"):
            reopen(folder.folder)
