"""Archives of runs: the same bytes for the same run, verified elsewhere, and hostile ones refused."""

from __future__ import annotations

import gzip
import io
import json
import sys
import tarfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from paretoken.bench.plan import Closed
from paretoken.bench.run_folder import RUN, RunFolder
from paretoken.errors import BadConfig, BadFile, CannotWrite
from paretoken.plain_files import read_parquet
from paretoken.receipts.archive import publish
from paretoken.receipts.keys import key_in_table
from paretoken.receipts.unpack import MOST_FILES, MOST_READ, _write, unpack_run
from paretoken.receipts.verify import verify_run
from tests.support.runs import loaded
from tests.support.sealed_runs import change_latency, edit, forge, keep_level, without_receipts

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


def test_a_link_in_a_run_is_not_followed(run, tmp_path):
    result = verify_run(run)
    (run / "points.parquet").rename(tmp_path / "p.parquet")
    (run / "points.parquet").symlink_to(tmp_path / "p.parquet")
    with pytest.raises(BadFile, match="a link"):
        publish(run, result, tmp_path / "a.zip")


def test_a_run_that_is_being_measured_is_not_published(run, tmp_path):
    result = verify_run(run)
    with RunFolder(run).alone(), pytest.raises(BadConfig, match="is measuring into"):
        publish(run, result, tmp_path / "a.zip")


def grown(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b" ")


def shortened(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def edited(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"1", b"2", 1))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("change", [grown, shortened, edited])
@pytest.mark.parametrize("path", ["receipt.json", "levels/0001/receipt.json", "levels/0001/summary.json"])
def test_a_file_that_changes_after_it_was_verified_is_not_packed(run, tmp_path, form, change, path):
    result = verify_run(run)
    change(run / path)
    with pytest.raises((BadFile, CannotWrite)):
        publish(run, result, tmp_path / f"a{form}")
    assert not list(tmp_path.glob("*a.*"))


def test_a_run_that_goes_on_after_it_was_verified_is_not_packed(run, tmp_path):
    result = verify_run(run)
    keep_level(RunFolder(run), loaded(1, 5.0), Closed(1))
    with pytest.raises(BadFile, match="changed after the run was verified"):
        publish(run, result, tmp_path / "a.zip")


KEY = "sk-verysecretkey123"
HIDING_PLACES = {
    "texts": pl.Series("detail", [KEY]),
    "lists": pl.Series("x", [["a", KEY]]),
    "lists of lists": pl.Series("x", [[["a"], [KEY]]]),
    "arrays": pl.Series("x", [["a", KEY]], dtype=pl.Array(pl.String, 2)),
    "structs": pl.Series("x", [{"a": 1, "b": {"c": [KEY]}}]),
    "categories": pl.Series("x", [KEY], dtype=pl.Categorical),
    "enumerations": pl.Series("x", [KEY], dtype=pl.Enum([KEY])),
    "bytes": pl.Series("x", [KEY.encode()]),
    "lists of bytes": pl.Series("x", [[KEY.encode()]]),
    "the name of a column": pl.Series(KEY, [1]),
    "the name of a field": pl.Series("x", [{KEY: 1}]),
}


@pytest.mark.parametrize("place", HIDING_PLACES)
def test_a_key_is_found_wherever_a_table_holds_it(tmp_path, place):
    pl.DataFrame([HIDING_PLACES[place]]).write_parquet(tmp_path / "t.parquet")
    where = key_in_table(*read_parquet(tmp_path / "t.parquet", "t"))
    assert where and "verysecret" not in where


@pytest.mark.parametrize("metadata", [{"note": KEY}, {KEY: "x"}, {"api_key": "hunter2"}])
def test_a_key_is_found_in_the_metadata_of_a_table(tmp_path, metadata):
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "t.parquet", metadata=metadata)
    where = key_in_table(*read_parquet(tmp_path / "t.parquet", "t"))
    assert where and "verysecret" not in where and "hunter2" not in where


def test_a_key_is_found_in_the_metadata_of_a_column(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    field = arrow.field("x", arrow.int64(), metadata={"note": KEY})
    parquet.write_table(arrow.table({"x": [1]}, schema=arrow.schema([field])), tmp_path / "t.parquet")
    assert key_in_table(*read_parquet(tmp_path / "t.parquet", "t"))


def test_the_tables_of_a_run_hold_no_key(sound):
    for file in sound.rglob("*.parquet"):
        assert key_in_table(*read_parquet(file, str(file))) is None


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


def tar(*members: tuple[str, bytes, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    """A tar of (name, content, type)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tarred:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, "/etc/passwd"
            tarred.addfile(info, io.BytesIO(content))
    return out.getvalue()


def refused(tmp_path, content: bytes, words: str) -> None:
    (tmp_path / "a").write_bytes(content)
    (tmp_path / "out").mkdir()
    with pytest.raises(BadFile, match=words):
        unpack_run(tmp_path / "a", tmp_path / "out")
    written = {p.relative_to(tmp_path).parts[0] for p in tmp_path.rglob("*")}
    assert written <= {"a", "out"}


@pytest.mark.parametrize(
    "name",
    ["../evil", "/tmp/evil", "run/../../evil", "run/levels/0001/../../../evil", "run/notes.txt", "run\\run.json"],
)
def test_a_member_with_another_name_is_refused(tmp_path, name):
    refused(tmp_path, tar((name, b"x", tarfile.REGTYPE)), "no file of a published run")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    refused(tmp_path, tar(("run/run.json", b"", kind)), "link or device")


def test_an_extended_header_is_refused_unread(tmp_path):
    refused(tmp_path, tar((f"run/{'x' * 200}", b"", tarfile.REGTYPE), form=tarfile.PAX_FORMAT), "link or device")


def test_a_bomb_is_refused_long_before_it_is_unpacked(tmp_path):
    bomb = gzip.compress(tar(("run/run.json", bytes(80 << 20), tarfile.REGTYPE)))
    refused(tmp_path, bomb, "far more than its size")


def test_a_member_twice_is_refused(tmp_path):
    refused(tmp_path, tar(*[("run/run.json", b"{}", tarfile.REGTYPE)] * 2), "twice")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        b"\x1f\x8b\x08\x00broken",
        b"PK\x03\x04broken",
        tar(("run/run.json", b"x" * 2000, b"0"))[:900],
    ],
)
def test_what_is_no_whole_archive_is_refused(tmp_path, content):
    refused(tmp_path, content, "archive|holds no run")


def test_a_link_in_a_zip_is_refused(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        info = zipfile.ZipInfo("run/run.json")
        info.external_attr = 0o120777 << 16
        zipped.writestr(info, "/etc/passwd")
    refused(tmp_path, out.getvalue(), "link or device")


@contextmanager
def full_disk() -> Iterator[None]:
    """Every file is the device that is always full."""
    opened = Path.open
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "open", lambda _, *args, **options: opened(Path("/dev/full"), *args, **options))
        yield


def zipped_members(*names: str, kind: int = zipfile.ZIP_STORED, content: bytes = b"{}") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as zipped:
        for name in names:
            zipped.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("kind", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_zip_in_another_compression_is_refused_unread(tmp_path, monkeypatch, kind):
    content = zipped_members("run/run.json", kind=kind)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("opened"))
    refused(tmp_path, content, "another compression")


def test_a_zip_whose_dictionary_would_fill_the_memory_is_refused(tmp_path):
    """An LZMA member states the size of its dictionary, here 1 GB, which is claimed before its first byte."""
    content = bytearray(zipped_members("run/run.json", kind=zipfile.ZIP_LZMA, content=bytes(1 << 20)))
    at = content.index(b"run/run.json") + len("run/run.json")
    content[at + 5 : at + 9] = (1 << 30).to_bytes(4, "little")
    tracemalloc.start()
    refused(tmp_path, bytes(content), "another compression")
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_a_long_list_of_files_in_a_zip_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("paretoken.receipts.unpack.MOST_READ", 100_000)
    content = zipped_members(*(f"run/{i:0100}" for i in range(1000)))
    with monkeypatch.context() as patched:
        patched.setattr(zipfile.ZipFile, "infolist", lambda *_: pytest.fail("listed"))
        refused(tmp_path, content, "list of files that is far too long")


def test_the_list_of_the_most_files_that_a_run_may_have_is_read(tmp_path):
    assert MOST_FILES * (46 + len("run/levels/0001/requests.parquet") + 28) < MOST_READ


@pytest.mark.parametrize("at", [-6, -2])
@pytest.mark.parametrize("cut", [None, 200_000])
def test_a_damaged_gzip_is_called_damaged(tmp_path, at, cut):
    """Its checksum or its length is wrong, which shows at its end, or while a member is written."""
    whole = tar(("run/run.json", bytes(400_000), tarfile.REGTYPE))
    content = bytearray(gzip.compress(whole[:cut]))
    content[at] ^= 1
    refused(tmp_path, bytes(content) + (gzip.compress(whole[cut:]) if cut else b""), "damaged, truncated or encrypted")


def test_a_full_disk_is_called_so(tmp_path):
    with pytest.raises(CannotWrite, match="No space left on device; free some space"), full_disk():
        _write(tmp_path / "run.json", iter([b"{}"]))


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
