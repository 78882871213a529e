"""Archives of runs: the same bytes for the same run, verified elsewhere, and hostile ones refused."""

from __future__ import annotations

import json
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from paretoken.bench.plan import Closed
from paretoken.bench.run_folder import RUN, RunFolder
from paretoken.errors import BadConfig, BadFile, CannotWrite
from paretoken.receipts.archive import publish
from paretoken.receipts.unpack import unpack_run
from paretoken.receipts.verify import verify_run
from tests.support.runs import loaded
from tests.support.sealed_runs import change_latency, edit, forge, keep_level, without_receipts
from tests.support.tars import tar

FORMS = (".tar.gz", ".zip")


@pytest.mark.parametrize("form", FORMS)
def test_a_published_run_is_verified_elsewhere(call, run, tmp_path, form):
    code, out, _ = call(f"publish {run} --out a{form} --licence CC-BY-4.0 --json")
    published = json.loads(out)
    assert code == 0 and published["bytes"] == (tmp_path / f"a{form}").stat().st_size
    code, out, _ = call(f"verify a{form} --json")
    (result,) = json.loads(out)
    assert (code, result["verdict"]) == (0, "verified")
    assert result["hashes"]["receipt"] == published["receipt"]


@pytest.mark.parametrize("form", FORMS)
def test_the_same_run_gives_the_same_bytes(sound, tmp_path, form):
    result = verify_run(sound)
    hashes = {publish(sound, result, tmp_path / f"{i}{form}").sha256 for i in range(2)}
    assert len(hashes) == 1


def test_an_archive_says_what_it_ran_on(sound, tmp_path):
    publish(sound, verify_run(sound), tmp_path / "a.zip", "CC-BY-4.0")
    with zipfile.ZipFile(tmp_path / "a.zip") as zipped:
        environment = json.loads(zipped.read("environment.json"))
        assert environment["engine_configuration"]["engine"] == "vllm"
        assert environment["clients"][0]["packages"]["numpy"] and environment["clients"][0]["tool"]
        assert "Licence: CC-BY-4.0" in zipped.read("README.txt").decode()
        assert not [i for i in zipped.infolist() if i.date_time != (1980, 1, 1, 0, 0, 0)]


def test_the_server_of_a_campaign_goes_with_its_cell(sound, run, tmp_path):
    start = {"command": "vllm serve m", "image": "vllm/vllm-openai:v1", "env": {}, "installed_version": "1.0"}
    (run.parent / "job.json").write_text(json.dumps({"status": "done", "starts": [start]}))
    (run.parent / "environment.json").write_text(json.dumps({"image_digest": "vllm@sha256:00"}))
    publish(run, verify_run(run), tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as zipped:
        assert {"server/job.json", "server/environment.json"} <= set(zipped.namelist())
    (tmp_path / "out").mkdir()
    assert verify_run(unpack_run(tmp_path / "a.zip", tmp_path / "out")).verdict == "verified"


@pytest.mark.parametrize("spoil", [change_latency, without_receipts])
def test_only_a_verified_run_is_published(run, tmp_path, spoil):
    spoil(run)
    with pytest.raises(BadConfig, match="not verified"):
        publish(run, verify_run(run), tmp_path / "a.zip")


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["run"].update(command="paretoken bench http://h/v1 --header 'X: sk-verysecretkey123'"),
        lambda m: m["run"].update(command="paretoken bench http://me:hunter2@h/v1"),
        lambda m: m.update(notes=["the key is sk-verysecretkey123"]),
        lambda m: m["config"].update(api_key="hunter2"),
        lambda m: m.update({"sk-verysecretkey123": 1}),
    ],
)
def test_nothing_that_looks_like_a_key_is_published(run, tmp_path, change):
    edit(run / RUN, change)
    forge(run)
    with pytest.raises(BadFile, match="looks like a key"):
        publish(run, verify_run(run), tmp_path / "a.zip")
    assert not list(tmp_path.glob("*.zip*"))


def test_a_link_in_a_run_is_not_followed(run, verified, tmp_path):
    (run / "points.parquet").rename(tmp_path / "p.parquet")
    (run / "points.parquet").symlink_to(tmp_path / "p.parquet")
    with pytest.raises(BadFile, match="a link"):
        publish(run, verified, tmp_path / "a.zip")


def test_a_run_that_is_being_measured_is_not_published(run, verified, tmp_path):
    with RunFolder(run).alone(), pytest.raises(BadConfig, match="is measuring into"):
        publish(run, verified, tmp_path / "a.zip")


def grown(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b" ")


def shortened(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def edited(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"1", b"2", 1))


@pytest.mark.parametrize(("form", "change"), [(".zip", grown), (".tar.gz", shortened), (".tar.gz", edited)])
@pytest.mark.parametrize("path", ["receipt.json", "levels/0001/receipt.json", "levels/0001/summary.json"])
def test_a_file_that_changes_after_it_was_verified_is_not_packed(run, verified, tmp_path, form, change, path):
    change(run / path)
    with pytest.raises((BadFile, CannotWrite)):
        publish(run, verified, tmp_path / f"a{form}")
    assert not list(tmp_path.glob("*a.*"))


def test_a_run_that_goes_on_after_it_was_verified_is_not_packed(run, verified, tmp_path):
    keep_level(RunFolder(run), loaded(1, 5.0), Closed(1))
    with pytest.raises(BadFile, match="changed after the run was verified"):
        publish(run, verified, tmp_path / "a.zip")


def test_other_files_of_the_folder_stay_behind(run, tmp_path):
    (run / "secrets.txt").write_text("sk-verysecretkey123")
    publish(run, verify_run(run), tmp_path / "a.zip")
    assert b"verysecret" not in (tmp_path / "a.zip").read_bytes()


def test_mistakes_are_one_sentence(call, run):
    for line, words in {
        f"publish {run} --out a.rar": "ends in none of",
        f"publish {run} --out {run}/a.zip": "is inside the run",
        "publish nowhere": "not the folder of one run",
        "verify nowhere": "does not exist",
    }.items():
        code, _, err = call(line)
        assert code == 2 and words in err, err


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python has Zstandard")
def test_zstandard_needs_a_newer_python(call, run):
    code, _, err = call(f"publish {run} --out a.tar.zst")
    assert code == 2 and "Python 3.14" in err


def test_a_changed_run_in_an_archive_differs(call, run, tmp_path):
    publish(run, verify_run(run), tmp_path / "a.tar.gz")
    with tarfile.open(tmp_path / "a.tar.gz") as tarred:
        members = [(m.name, tarred.extractfile(m).read(), tarfile.REGTYPE) for m in tarred]
    folder = RunFolder(run)
    changed = (folder.level_folder(1) / "summary.json").read_bytes().replace(b'"requests"', b'"requests" ', 1)
    members = [(n, changed if n == "run/levels/0001/summary.json" else c, k) for n, c, k in members]
    (tmp_path / "b.tar").write_bytes(tar(*members))
    code, out, _ = call("verify b.tar")
    assert code == 1 and "levels/0001/summary.json" in out
