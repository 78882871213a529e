"""What goes to the pods of a campaign and what comes back: whole, new, in time, and nowhere else."""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
import time
from threading import Event

import pytest

from paretoken.campaign.collect import status
from paretoken.campaign.kubernetes import drive, kubectl
from paretoken.campaign.kubernetes.drive import JobDriver
from paretoken.campaign.kubernetes.kubectl import Kubectl, unpack
from paretoken.campaign.kubernetes.parcel import pack
from paretoken.campaign.kubernetes.run import go_kubernetes
from paretoken.campaign.state import CampaignFolder
from paretoken.errors import BadFile, CannotWrite, ParetokenError
from tests.support.cluster_campaigns import BOTH, ENDED, TEXT, calls, measured, prepared, states


def test_an_interruption_ends_a_transfer(begun, tmp_path):
    folder, _ = begun([BOTH])
    after = tmp_path / "after"
    (tmp_path / "bin" / "kubectl").write_text(
        f"#!{sys.executable} -IS\nimport pathlib, time\ntime.sleep(60)\npathlib.Path({str(after)!r}).touch()\n"
    )
    stop = Event()
    stop.set()
    with pytest.raises(ParetokenError, match="the transfer was interrupted"):
        Kubectl(folder.campaign().kubernetes).push("load-1", lambda tar: None, stop)
    assert not after.exists()


def test_a_transfer_that_takes_too_long_says_so(begun, tmp_path, monkeypatch):
    monkeypatch.setattr(kubectl, "STREAM_S", 0.1)
    monkeypatch.setattr(kubectl, "STOP_S", 0.05)
    folder, _ = begun([BOTH])
    (tmp_path / "bin" / "kubectl").write_text(f"#!{sys.executable} -IS\nimport time\ntime.sleep(60)\n")
    with pytest.raises(ParetokenError, match=r"or took longer than 0\.1 s"):
        Kubectl(folder.campaign().kubernetes).pull("load-1", "jobs/a", tmp_path)


def test_only_what_is_new_is_fetched_by_the_clock_of_the_pod(begun, tmp_path):
    folder, place = begun([BOTH])
    inside = place / "pod/jobs/a"
    inside.mkdir(parents=True)
    now_s = time.time()
    for name, age_s in {"pushed": 5_000, "old": 200, "new": 20, "new.journal": 20}.items():
        (inside / name).write_text(name)
        os.utime(inside / name, (now_s - age_s, now_s - age_s))
    (place / "pod/.pushed").touch()
    os.utime(place / "pod/.pushed", (now_s - 3_000, now_s - 3_000))
    client = Kubectl(folder.campaign().kubernetes)
    client.pull("load-1", "jobs/a", tmp_path / "part", newest_s=75.0)
    client.pull("load-1", "jobs/a", tmp_path / "all")
    assert {p.name for p in (tmp_path / "part/jobs/a").iterdir()} == {"new"}
    assert {p.name for p in (tmp_path / "all/jobs/a").iterdir()} == {"old", "new", "new.journal"}


def test_a_long_transfer_has_heartbeats(begun, tmp_path, monkeypatch):
    """The load ends without them, and a transfer may take longer than it waits."""
    monkeypatch.setattr(kubectl, "HEARTBEAT_S", 0.05)
    folder, _ = begun([BOTH])
    beats, program = tmp_path / "beats", tmp_path / "bin" / "kubectl"
    program.write_text(
        f"#!{sys.executable} -IS\nimport os, pathlib, sys, tarfile, time\nbeats = pathlib.Path({str(beats)!r})\n"
        "if sys.argv[-2] == 'touch':\n    sys.exit(beats.touch())\n"
        "while not beats.exists():\n    time.sleep(0.01)\n"
        "if '--stdin' in sys.argv:\n    sys.exit(not sys.stdin.buffer.read())\n"
        "tarfile.open(fileobj=sys.stdout.buffer, mode='w|').close()\n"
    )
    monkeypatch.setattr(kubectl, "STREAM_S", 20.0)
    client = Kubectl(folder.campaign().kubernetes)
    client.pull("load-1", "jobs/a", tmp_path)
    beats.unlink()
    client.push("load-1", lambda tar: None, Event())
    assert beats.exists()


def test_what_the_load_wrote_while_this_machine_slept_is_new(begun, monkeypatch):
    folder, _ = begun([BOTH])
    (job,), windows, at = folder.jobs(), [], {"clock": 0.0, "wall": 0.0}
    monkeypatch.setattr(Kubectl, "pull", lambda *_, newest_s=None: windows.append(newest_s))
    driver = JobDriver(
        folder, folder.of(job), *prepared(folder), Event(), lambda: at["clock"], wall_clock=lambda: at["wall"]
    )
    for clock, wall in ((0.0, 0.0), (20.0, 600.0), (40.0, 0.0)):
        at |= {"clock": clock, "wall": wall}
        driver._pull(BOTH[1])
    driver._pull(BOTH[1], everything=True)
    assert windows == [None, 660.0, 80.0, None]


def test_a_long_transfer_that_fails_is_no_silence_of_the_cluster(begun, monkeypatch):
    """One list that fails after it does not end the campaign."""
    monkeypatch.setattr(drive, "PULL_S", -1.0)
    folder, place = begun([BOTH, BOTH, ENDED])
    measured(folder, place, 1, _16_8="done", _32_16="done")
    (job,), pull, at_s = folder.jobs(), Kubectl.pull, [0.0]

    def slow_then_cut(self, *words, newest_s=None):
        if list(place.glob("created-*")) and not (place / "cut").exists():
            (place / "cut").touch()
            (place / "refuse").write_text("get-pods 1")
            at_s[0] += drive.LOST_S + 1
            raise ParetokenError("connection reset")
        pull(self, *words, newest_s=newest_s)

    monkeypatch.setattr(Kubectl, "pull", slow_then_cut)
    JobDriver(folder, folder.of(job), *prepared(folder), Event(), lambda: at_s[0], lambda: at_s[0]).drive()
    assert (place / "cut").exists() and states(folder) == [("done", None)] * 2


def test_results_that_do_not_come_at_once_are_fetched_again(begun):
    folder, place = begun([BOTH, ENDED])
    measured(folder, place, 1, _16_8="done", _32_16="done")
    (place / "refuse").write_text("pull-all 2")
    go_kubernetes(folder)
    assert states(folder) == [("done", None)] * 2 and len(list(place.glob("created-*"))) == 1


@pytest.mark.parametrize(
    ("refused", "words"), [("push", "did not reach the pod of the load"), ("pull-all", "could not be fetched within")]
)
def test_a_transfer_that_fails_costs_an_attempt_and_not_the_campaign(begun, monkeypatch, refused, words):
    monkeypatch.setattr(drive, "LOST_S", 0.05)
    folder, place = begun([BOTH, ENDED])
    (place / "refuse").write_text(refused)
    go_kubernetes(folder)
    assert states(folder) == [("failed", "transfer")] * 2
    assert all(words in (row.reason or "") and row.attempts == 2 for row in status(folder))
    assert calls(place)[-1][1:3] == ["delete", "pod"]


def test_a_push_that_fails_once_is_tried_again(begun):
    folder, place = begun([BOTH, ENDED])
    for attempt in (1, 2):
        measured(folder, place, attempt, _16_8="done", _32_16="done")
    (place / "refuse").write_text("push 1")
    go_kubernetes(folder)
    assert states(folder) == [("done", None)] * 2 and len(list(place.glob("created-*"))) == 2


def test_many_warnings_of_a_pod_block_no_transfer(begun, monkeypatch):
    monkeypatch.setattr(kubectl, "STREAM_S", 10.0)
    folder, place = begun([BOTH, ENDED])
    measured(folder, place, 1, _16_8="done", _32_16="done")
    (place / "noise").write_text("tar: file changed as we read it\n" * 20_000)
    go_kubernetes(folder)
    assert states(folder) == [("done", None)] * 2


def test_a_pod_that_writes_elsewhere_is_not_waited_for(begun, tmp_path):
    folder, place = begun([BOTH])
    hostile = place / "hostile.tar"
    with tarfile.open(hostile, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../x"), io.BytesIO())
    waited = place / "waited"
    program = tmp_path / "bin" / "kubectl"
    program.write_text(
        f"#!{sys.executable} -IS\nimport pathlib, sys, time\n"
        f"sys.stdout.buffer.write(pathlib.Path({str(hostile)!r}).read_bytes())\nsys.stdout.flush()\n"
        f"time.sleep(20)\npathlib.Path({str(waited)!r}).touch()\n"
    )
    with pytest.raises(BadFile, match="is outside jobs/a"):
        Kubectl(folder.campaign().kubernetes).pull("load-1", "jobs/a", tmp_path)
    assert not waited.exists()


def sent(folder: CampaignFolder) -> dict[str, bytes]:
    """What the parcel of its only job holds, by name; only files have content."""
    (job,), content = folder.jobs(), io.BytesIO()
    with tarfile.open(fileobj=content, mode="w|") as tar:
        pack(tar, folder, folder.of(job))
    content.seek(0)
    with tarfile.open(fileobj=content) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isreg()}


def test_no_weights_logs_or_locks_are_sent(begun):
    folder, _ = begun([BOTH])
    (job,) = folder.jobs()
    inside = folder.of(job).folder
    for name in ("server.1.log", ".lock", "16-8/levels/0001/summary.json"):
        (inside / name).parent.mkdir(parents=True, exist_ok=True)
        (inside / name).write_text("{}")
    names = list(sent(folder))
    assert f"jobs/{job.slug}/16-8/levels/0001/summary.json" in names and "campaign.json" in names
    assert not [n for n in names if n.endswith((".log", ".lock"))]


def test_files_behind_links_are_sent_with_their_content(begun, tmp_path):
    """As the tokenizers in the cache of the hub are."""
    (tmp_path / "hub").mkdir()
    (tmp_path / "blob").write_text('{"a": 1}')
    (tmp_path / "hub" / "tokenizer.json").symlink_to("../blob")
    folder, _ = begun([BOTH], text=TEXT.replace('"tokenizer.json"', '"hub"'))
    assert b'{"a": 1}' in sent(folder).values()


def test_a_trace_beside_the_campaign_file_is_sent(begun, tmp_path):
    (tmp_path / "trace.jsonl").write_text("{}\n")
    folder, _ = begun([BOTH], text=TEXT.replace("[bench]", '[bench]\ntrace = "trace.jsonl"'))
    members = sent(folder)
    trace = json.loads(members["campaign.json"])["campaign"]["bench"]["trace"]
    assert members[trace.removeprefix("/campaign/")] == b"{}\n"


def test_a_full_disk_here_is_named(tmp_path):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("jobs/a/x/y"), io.BytesIO())
    content.seek(0)
    (tmp_path / "jobs/a").mkdir(parents=True)
    (tmp_path / "jobs/a/x").touch()
    with pytest.raises(CannotWrite, match="jobs/a/x/y is not writable"), tarfile.open(fileobj=content) as tar:
        unpack(tar, "jobs/a", tmp_path)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "jobs/a/../../x", "other/x"])
def test_a_pod_cannot_write_elsewhere(tmp_path, name):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    content.seek(0)
    with pytest.raises(BadFile, match="is outside jobs/a"), tarfile.open(fileobj=content) as tar:
        unpack(tar, "jobs/a", tmp_path / "in")
    assert not list(tmp_path.rglob("x"))


def test_links_are_left_out(tmp_path):
    content, link = io.BytesIO(), tarfile.TarInfo("jobs/a/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("jobs/a/link/passwd"), io.BytesIO())
    content.seek(0)
    with tarfile.open(fileobj=content) as tar:
        unpack(tar, "jobs/a", tmp_path)
    assert (tmp_path / "jobs/a/link").is_dir() and not (tmp_path / "jobs/a/link").is_symlink()
