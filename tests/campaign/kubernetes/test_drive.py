"""A campaign driven through a kubectl of the tests: attempts, failures and interruption."""

from __future__ import annotations

import errno
import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread

import pytest

from paretoken.campaign.collect import status
from paretoken.campaign.kubernetes import drive
from paretoken.campaign.kubernetes.drive import JobDriver
from paretoken.campaign.kubernetes.kubectl import Kubectl
from paretoken.campaign.kubernetes.run import check_kubernetes, go_kubernetes
from paretoken.campaign.load import load_campaign
from paretoken.campaign.run import begin, plan_of, reopen
from paretoken.campaign.state import CampaignFolder
from paretoken.errors import BadConfig, CannotWrite, ParetokenError
from tests.support.cluster_campaigns import BOTH, ENDED, RECIPE, TEXT, calls, measured, prepared, states
from tests.support.kubectl_here import RUNS, over, pod, waits


def test_what_the_load_measured_comes_back_and_nothing_is_left(begun):
    folder, place = begun([[], BOTH, BOTH, ENDED])
    measured(folder, place, 1, _16_8="done", _32_16="done")
    go_kubernetes(folder)
    assert states(folder) == [("done", None)] * 2
    created = [json.loads(line) for line in (place / "objects").read_text().splitlines()]
    assert [o["kind"] for o in created] == ["Job", "Service", "Job"]
    assert [o["metadata"].get("ownerReferences", [{}])[0].get("uid") for o in created] == [None, "uid-1", "uid-1"]
    assert calls(place)[-1][:3] == ["--namespace=bench", "delete", "pod"]
    pushed = json.loads((place / "pod/campaign.json").read_text())["campaign"]
    assert pushed["recipes"]["emulator"].startswith("/campaign/inputs/")
    assert (place / "pod" / Path(pushed["models"]["llama-3-70b"]["tokenizer"]).relative_to("/campaign")).is_file()


@pytest.mark.parametrize(
    ("pods", "kind", "tries", "words"),
    [
        ([pod("engine", server=waits("ImagePullBackOff", "no")), BOTH[1]], "setup", 1, "cannot pull the image: no"),
        ([pod("engine", server=over(1)), BOTH[1]], "out of GPU memory", 2, "the engine ran out of GPU memory"),
        ([BOTH[0], pod("load", load=over(2), keeper=RUNS)], "worker", 2, "the load exited with status 2; CUDA"),
        ([BOTH[1]], "evicted", 2, "the pod of the engine is gone"),
    ],
)
@pytest.mark.parametrize("before", [BOTH, [BOTH[0], pod("load", load=waits("ContainerCreating"))]])
def test_failures_are_counted_with_their_reason(begun, before, pods, kind, tries, words):
    folder, place = begun([before, pods])
    (place / "log").write_text("CUDA out of memory\n")
    go_kubernetes(folder)
    assert states(folder) == [("failed", kind)] * 2
    assert all(words in (row.reason or "") and row.attempts == tries for row in status(folder))
    assert calls(place)[-1][1:3] == ["delete", "pod"]


EVICTED = pod("load", load=over(137), keeper=over(137))


EVICTED["status"] |= {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}


@pytest.mark.parametrize(
    ("load", "kind", "words"),
    [
        (EVICTED, "evicted", "the cluster ended the pod of the load: low on memory"),
        (pod("load", load=over(137, "OOMKilled"), keeper=RUNS), "out of memory", "the load ran out of host memory"),
    ],
)
def test_a_load_that_the_cluster_ends_says_why(begun, load, kind, words):
    """Of an evicted one nothing can be fetched: there is no wait for it."""
    folder, _ = begun([BOTH, [BOTH[0], load]], text=TEXT + "[run]\nretries = 0\n")
    go_kubernetes(folder)
    assert states(folder) == [("failed", kind)] * 2
    assert words in (status(folder)[0].reason or "")


def test_an_engine_that_is_never_ready_is_a_slow_start_with_its_log(begun):
    folder, place = begun([BOTH, [BOTH[0], pod("load", load=over(2), keeper=RUNS)]], text=TEXT + "[run]\nretries = 0\n")
    (job,) = folder.jobs()
    job_file = place / f"measured-1/jobs/{job.slug}/job.json"
    job_file.parent.mkdir(parents=True)
    start = {"kind": "slow start", "failed": "Emulator was not ready after 5 s"}
    job_file.write_text(json.dumps({"status": "running", "starts": [start]}))
    (place / "log-server").write_text("loading weights\n")
    go_kubernetes(folder)
    assert states(folder) == [("failed", "slow start")] * 2
    assert status(folder)[0].reason == "Emulator was not ready after 5 s; loading weights"


def test_a_log_may_have_any_bytes(begun):
    folder, place = begun([BOTH, ENDED])
    measured(folder, place, 1, _16_8="done", _32_16="done")
    (place / "log-server").write_bytes(b"caf\xe9\n")
    go_kubernetes(folder)
    (job,) = folder.jobs()
    assert states(folder) == [("done", None)] * 2
    assert (folder.of(job).folder / "server.1.log").read_text() == "caf\ufffd\n"


def test_what_a_killed_driver_left_is_fetched_before_it_is_deleted(begun):
    folder, place = begun([BOTH, ENDED])
    (place / "pod/.pushed").touch()
    measured(folder, place, 1, _16_8="done", _32_16="done")
    (place / "measured-1/jobs").rename(place / "pod/jobs")
    go_kubernetes(folder)
    assert states(folder) == [("done", None)] * 2
    assert not list(place.glob("created-*")) and calls(place)[-1][1:3] == ["delete", "pod"]


def test_what_a_killed_driver_left_stays_if_it_cannot_be_written_here(begun, monkeypatch):
    def full(*_, **__) -> None:
        raise CannotWrite("jobs is not writable; free some space")

    monkeypatch.setattr(Kubectl, "pull", full)
    folder, place = begun([BOTH, ENDED])
    (place / "pod/.pushed").touch()
    with pytest.raises(CannotWrite, match="free some space"):
        go_kubernetes(folder)
    assert not any(call[1] == "delete" for call in calls(place))


def test_a_cell_that_another_driver_measured_is_not_charged(begun):
    """Its status is left from a driver that was killed: an engine that does not start costs all open cells."""
    folder, place = begun([[pod("engine", server=over(1)), BOTH[1]]], [BOTH, ENDED])
    measured(folder, place, 2, _16_8="done", _32_16="done")
    (job,) = folder.jobs()
    folder.of(job).note_cell(job.cells[0], status="running")
    (place / "log").write_text("CUDA out of memory\n")
    attempts = []
    driver = JobDriver(folder, folder.of(job), *prepared(folder), Event())
    driver.job = folder.of(job)
    count = type(driver.job).count_failure

    def counted(self, *words):
        count(self, *words)
        attempts.extend(len(self.cell(cell)["attempts"]) for cell in job.cells)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(driver.job), "count_failure", counted)
        driver.drive()
    assert attempts == [1, 1]


def test_objects_are_deleted_once_the_cluster_answers_again(begun, monkeypatch):
    folder, place = begun([BOTH, ENDED])
    measured(folder, place, 1, _16_8="done", _32_16="done")
    delete, refused = Kubectl.delete, iter([False, True, True])

    def delete_later(self, name):
        if next(refused, False):
            raise ParetokenError("no route to host")
        delete(self, name)

    monkeypatch.setattr(Kubectl, "delete", delete_later)
    go_kubernetes(folder)
    assert states(folder) == [("done", None)] * 2 and calls(place)[-1][1:3] == ["delete", "pod"]


def test_a_level_that_was_fetched_before_its_engine_was_missed_is_measured_again(begun):
    """The load writes the summary of a failed level, and moves it aside once the engine has not answered."""
    folder, place = begun([BOTH, ENDED], [BOTH, ENDED])
    (job,) = folder.jobs()
    here = folder.of(job).folder / "16-8/levels"
    for name in ("0001", "0002"):
        (here / name).mkdir(parents=True)
        (here / name / "summary.json").write_text(name)
    aside = place / f"measured-1/jobs/{job.slug}/16-8/levels/0002.cut1"
    aside.mkdir(parents=True)
    (aside / "summary.lost.json").write_text("0002")
    measured(folder, place, 2, _16_8="done", _32_16="done")
    JobDriver(folder, folder.of(job), *prepared(folder), Event()).drive()
    assert [(here / name / "summary.json").exists() for name in ("0001", "0002")] == [True, False]
    assert (here / "0002.cut1/summary.lost.json").exists()


def test_a_lost_engine_costs_the_cell_that_was_measured(begun):
    folder, place = begun([BOTH, [pod("engine", server=over(1)), BOTH[1]]], [BOTH, ENDED])
    measured(folder, place, 1, _16_8="running")
    measured(folder, place, 2, _16_8="done", _32_16="done")
    go_kubernetes(folder)
    assert states(folder) == [("done", None)] * 2
    (job,) = folder.jobs()
    assert (folder.of(job).folder / "server.1.log").exists() is (place / "log").exists()


def test_a_dead_keeper_is_explained_by_its_own_log(begun):
    folder, place = begun([BOTH, [BOTH[0], pod("load", load=RUNS, keeper=over(137))]])
    (place / "log").write_text("CUDA out of memory\n")
    (place / "log-keeper").write_text("sleep: killed\n")
    go_kubernetes(folder)
    assert states(folder) == [("failed", "crash")] * 2
    assert "the keeper container of the load ended unexpectedly (exit status 137); sleep: killed" in (
        status(folder)[0].reason or ""
    )


def test_a_full_disk_here_keeps_no_gpu_there(begun, monkeypatch):
    def full(_: str) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(drive, "visible_lines", full)
    folder, place = begun([BOTH, ENDED])
    measured(folder, place, 1, _16_8="done", _32_16="done")
    (place / "log").write_text("ready\n")
    with pytest.raises(OSError, match="No space"):
        go_kubernetes(folder)
    assert calls(place)[-1][1:3] == ["delete", "pod"]


def test_an_interruption_deletes_everything_and_leaves_what_is_done(begun):
    folder, place = begun([BOTH])
    measured(folder, place, 1, _16_8="done", _32_16="running")
    (job,), stop = folder.jobs(), Event()
    driver = JobDriver(folder, folder.of(job), *prepared(folder), stop)
    thread = Thread(target=driver.drive)
    thread.start()
    for _ in range(600):
        if finished := ("done", None) in states(folder):
            break
        time.sleep(0.05)
    stop.set()
    thread.join(30)
    assert finished and not thread.is_alive()
    assert states(folder) == [("done", None), ("interrupted", None)]
    assert calls(place)[-1][1:3] == ["delete", "pod"]


@pytest.mark.slow
def test_sigterm_deletes_everything(begun, tmp_path):
    """A CI that is cancelled sends it."""
    folder, place = begun([BOTH])
    words = ("-m", "paretoken", "campaign", "resume", str(folder.folder), "--kubernetes")
    with subprocess.Popen([sys.executable, "-P", *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as driver:
        try:
            for _ in range(600):
                if (place / "pod/.pushed").exists():
                    break
                time.sleep(0.05)
            driver.send_signal(signal.SIGTERM)
            _, err = driver.communicate(timeout=60)
        finally:
            driver.kill()
    assert (place / "pod/.pushed").exists() and driver.returncode == 130, err
    assert "interrupted; resume with: paretoken campaign resume" in err and "Traceback" not in err
    assert calls(place)[-1][1:3] == ["delete", "pod"]


def test_a_cluster_that_refuses_is_quoted(begun):
    folder, place = begun([BOTH])
    (place / "refuse").write_text("create")
    with pytest.raises(ParetokenError, match="kubectl create failed: error: the server refuses"):
        go_kubernetes(folder)
    assert calls(place)[-1][1:3] == ["delete", "pod"]


def test_a_point_that_takes_too_long_costs_an_attempt(begun):
    folder, place = begun([BOTH], text=TEXT + "[run]\npoint_timeout_s = 0.3\nretries = 0\n")
    measured(folder, place, 1, _16_8="running", _32_16="done")
    cell = next(place.glob("measured-1/jobs/*/16-8/cell.json"))
    point = {"number": 1, "of": 1, "users": 1, "rate": None, "since_unix_s": 0.0}
    cell.write_text(json.dumps({"status": "running", "attempts": [], "point": point}))
    go_kubernetes(folder)
    assert states(folder) == [("failed", "timeout"), ("done", None)]
    assert "longer than point_timeout_s = 0.3 s" in (status(folder)[0].reason or "")


def test_a_cluster_that_is_away_for_long_ends_the_campaign(begun, monkeypatch):
    monkeypatch.setattr(drive, "LOST_S", 0.05)
    folder, place = begun([BOTH])
    (place / "refuse").write_text("get-pods")
    with pytest.raises(ParetokenError, match="kubectl get failed: error: the server refuses"):
        go_kubernetes(folder)
    assert calls(place)[-1][1:3] == ["delete", "pod"] and states(folder) == [("pending", None)] * 2


def test_settings_of_the_cluster_may_change_before_resuming(begun, tmp_path):
    folder, _ = begun([BOTH])
    (tmp_path / "c.toml").write_text(TEXT.replace("registry/paretoken:1", "registry/paretoken:2"))
    assert reopen(folder.folder).campaign().kubernetes.image == "registry/paretoken:2"
    (tmp_path / "c.toml").write_text(TEXT.replace("4 requests", "5 requests"))
    with pytest.raises(BadConfig, match="has changed since"):
        reopen(folder.folder)


def test_no_file_is_named_where_nothing_was_measured(begun, call):
    folder, _ = begun([BOTH, [BOTH[1]]], text=TEXT + "[run]\nretries = 0\n")
    code, out, _ = call(f"campaign resume {folder.folder} --kubernetes")
    assert code == 1 and out.endswith("\nno points\n") and "points.parquet" not in out


def test_without_kubectl(tmp_path, monkeypatch):
    (tmp_path / "emulator.toml").write_text(RECIPE)
    (tmp_path / "c.toml").write_text(TEXT)
    monkeypatch.setenv("PATH", str(tmp_path))
    campaign, plan = plan_of(tmp_path / "c.toml")
    with pytest.raises(BadConfig, match="kubectl is not on the PATH"):
        check_kubernetes(campaign, plan.jobs)
    assert load_campaign(tmp_path / "c.toml").kubernetes.namespace == "bench"


def test_two_campaigns_of_one_file_and_path_have_their_own_objects(begun, tmp_path):
    """Two machines of a CI run the same file in folders of the same name, on one cluster."""
    folder, _ = begun([BOTH])
    names = {prepared(folder)[0].name}
    assert prepared(CampaignFolder(folder.folder))[0].name in names
    folder.folder.rename(tmp_path / "kept")
    names.add(prepared(begin(tmp_path / "c.toml", tmp_path / "out", here=False))[0].name)
    assert len(names) == 2 and prepared(CampaignFolder(tmp_path / "kept"))[0].name in names


def test_objects_of_a_campaign_that_an_earlier_version_began_are_found(begun):
    folder, _ = begun([BOTH])
    record = json.loads((folder.folder / "campaign.json").read_text())
    del record["id"]
    (folder.folder / "campaign.json").write_text(json.dumps(record))
    (job,) = folder.jobs()
    key = f"{folder.folder.resolve()}\n{record['digest']}\n{job.slug}"
    assert prepared(folder)[0].name.endswith(hashlib.sha256(key.encode()).hexdigest()[:10])
