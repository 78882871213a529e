"""A campaign as jobs of a real Slurm: submitted, requeued in the middle of a point, collected at the end."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time

import polars as pl
import pytest

from paretoken.campaign.collect import status
from paretoken.campaign.load import load_campaign
from paretoken.campaign.plan import CampaignJob
from paretoken.campaign.run import begin
from paretoken.campaign.slurm import SlurmArray, array_script, arrays, collect_script, states, submit
from paretoken.campaign.state import CampaignFolder
from paretoken.errors import BadConfig, ParetokenError
from tests.campaign.test_campaign_run import TINY, finished, write
from tests.support.slurm_here import slurm, why_not


def serving(accelerator: str, tp: int):
    from paretoken.campaign.matrix import ServingConfig

    return ServingConfig(
        accelerator=accelerator,
        engine="vllm",
        model="llama-3-70b",
        precision="fp8",
        tp=tp,
        ep=1,
        dp_attention=False,
    )


JOBS = [
    CampaignJob(1, serving("H200", 4), ("chat",), 1),
    CampaignJob(2, serving("H200", 8), ("chat",), 1),
    CampaignJob(3, serving("H200", 4), ("chat",), 2),
    CampaignJob(4, serving("CPU", 1), ("chat",), 1),
]


class TestScripts:
    def slurm_campaign(self, tmp_path, text=""):
        return load_campaign(write(tmp_path, TINY + text))

    def test_one_array_for_each_kind_of_resource(self):
        made = [(b.accelerator, b.gpus, [j.number for j in b.jobs]) for b in arrays(JOBS)]
        assert made == [("H200", 4, [1, 3]), ("H200", 8, [2]), ("CPU", 0, [4])]

    def test_what_is_asked_for(self, tmp_path):
        text = (
            '[slurm]\npartition = { H200 = "hopper" }\naccount = "perf"\ntime = "04:00:00"\nmost_at_once = 2\n'
            'gres = "gpu:h200:{gpus}"\nlines = ["--exclusive"]\nsetup = ["module load cuda"]\n'
        )
        script = array_script(self.slurm_campaign(tmp_path, text), tmp_path / "out", arrays(JOBS)[0])
        lines = script.splitlines()
        for line in (
            "--array=1,3%2",
            "--partition=hopper",
            "--account=perf",
            "--time=04:00:00",
            "--gres=gpu:h200:4",
            "--exclusive",
            "--requeue",
        ):
            assert f"#SBATCH {line}" in lines
        assert "module load cuda" in lines
        assert lines[-1].endswith(f'campaign job {tmp_path / "out"} "$SLURM_ARRAY_TASK_ID"')

    def test_names_with_blanks_and_signs_stay_whole(self, tmp_path):
        """sbatch splits its lines at blanks, ends them at #, and replaces % in the path of the log."""
        spaced = self.slurm_campaign(tmp_path, '[slurm]\ngres = "gpu:{model}:{gpus}"\n').model_copy(
            update={"name": "a b/c #1"}
        )
        script = array_script(spaced, tmp_path / "my 5% runs", arrays(JOBS)[0])
        options = [shlex.split(line[8:], comments=True) for line in script.splitlines() if line.startswith("#SBATCH")]
        assert all(len(words) == 1 for words in options)
        words = [word for (word,) in options]
        assert "--job-name=a-b-c-1-h200-4" in words and "--gres=gpu:{model}:4" in words
        assert f"--output={tmp_path}/my 5%% runs/slurm/%x-%a.log" in words

    @pytest.mark.parametrize(
        ("script", "match"),
        [
            ("echo queued", "sbatch printed no job number: 'queued'"),
            ("echo 'site: hello'; echo '17;cluster'", None),
            ("echo 'caf\\351' >&2; exit 1", "sbatch failed: caf"),
        ],
    )
    def test_what_sbatch_prints(self, tmp_path, monkeypatch, script, match):
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/sbatch").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin/sbatch").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
        folder = begin(write(tmp_path), tmp_path / "out", here=False)
        if match is None:
            assert submit(folder) == {"cpu-0": 17, "collect": 17}
        else:
            with pytest.raises(ParetokenError, match=match):
                submit(folder)

    def test_on_a_cpu_no_gpu_is_asked_for(self, tmp_path):
        assert "gres" not in array_script(self.slurm_campaign(tmp_path), tmp_path, SlurmArray("CPU", 0, (JOBS[3],)))

    def test_collecting_waits_for_all_arrays(self, tmp_path):
        assert "#SBATCH --dependency=afterany:17:18\n" in collect_script(
            self.slurm_campaign(tmp_path), tmp_path, [17, 18]
        )

    def test_no_slurm(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(BadConfig, match="Slurm is not installed here"):
            submit(begin(write(tmp_path), tmp_path / "out", here=False))


def until(condition, seconds: float = 300.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


STALLING = """
import glob, signal, subprocess, sys, time
out, stalled, *command = sys.argv[1:]
engine = subprocess.Popen(command)
while engine.poll() is None and not glob.glob(stalled):
    if glob.glob(f"{out}/jobs/*/*/levels/0001/summary.json"):
        engine.send_signal(signal.SIGSTOP)
        open(stalled, "w").close()
    time.sleep(0.005)
sys.exit(engine.wait())
"""
"""An engine that, in its first life, answers no more once a level is finished."""


def logs(folder: CampaignFolder) -> str:
    return "\n".join(p.read_text() for p in sorted((folder.folder / "slurm").glob("*.log")))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    reason = why_not()
    if reason:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with slurm(tmp_path_factory.mktemp("slurm")):
        yield


@pytest.fixture(scope="module")
def done(cluster, tmp_path_factory):
    """Two jobs, one of which fails; the first is requeued while its second level cannot end."""
    place = tmp_path_factory.mktemp("jobs")
    stalled = place / "stalled"
    (place / "engine.py").write_text(STALLING)
    program = [
        sys.executable,
        place / "engine.py",
        place / "out",
        stalled,
        "{python}",
        "-P",
        "{here}/llamacpp_server.py",
    ]
    text = TINY + f"[engines.llamacpp]\nprogram = {json.dumps([str(part) for part in program])}\n"
    folder = begin(write(place, text), place / "out", here=False)
    ids = submit(folder)
    seen = {"queued": states(folder)}
    assert until(stalled.exists), logs(folder)
    before = finished(folder.folder)
    seen["running"] = states(folder)
    array = next(iter(ids.values()))
    subprocess.run(["scontrol", "requeue", f"{array}_1"], check=True)
    assert until(lambda: not states(folder), 600), (status(folder, states(folder)), logs(folder))
    return folder, ids, before, seen


class TestRealSlurm:
    def test_it_was_in_the_queue(self, done):
        _, ids, _, seen = done
        assert set(ids) == {"cpu-0", "collect"}
        assert set(seen["queued"]) == {1, 2}
        assert seen["running"][1].startswith("RUNNING")

    def test_every_point_came_home_once(self, done):
        folder, _, before, _ = done
        after = finished(folder.folder)
        assert {p: after[p] for p in before} == before and len(after) == 6
        assert pl.read_parquet(folder.folder / "points.parquet").height == 6

    def test_the_failed_cell_says_why(self, done):
        folder, *_ = done
        rows = {(r.model, r.workload): r.status for r in status(folder)}
        assert rows == {
            ("random-llama-4m", "16/8"): "done",
            ("random-llama-4m", "32/16"): "done",
            ("broken", "32/16"): "failed",
        }

    def test_nothing_is_left_to_submit(self, done):
        folder, *_ = done
        until(lambda: not states(folder))
        assert submit(CampaignFolder(folder.folder)) == {}

    def test_what_slurm_refuses_is_said_in_its_words(self, cluster, tmp_path):
        text = TINY + '[slurm]\npartition = "no-such-partition"\n'
        with pytest.raises(ParetokenError, match=r"sbatch failed: .*partition"):
            submit(begin(write(tmp_path, text), tmp_path / "out", here=False))
