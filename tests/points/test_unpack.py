"""Bundles from archives: the rows of their folder, nothing outside it, and no more than the limit."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from paretoken.errors import BadFile
from paretoken.points import bundles, download
from tests.support.bundles import DASHBOARD, DUMP


def zipped(folder: Path, files: dict[str, bytes], name: str = "dump.zip") -> Path:
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in files.items():
            archive.writestr(member, data)
    return folder / name


def tarred(folder: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(folder / "dump.tar.gz", "w:gz") as archive:
        for member, data in files.items():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("configs.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return folder / "dump.tar.gz"


def tables() -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in DUMP.iterdir()}


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_packed_dump_holds_the_rows_of_its_folder(add, pack, tmp_path):
    packed = {f"inferencex-dump/{name}": data for name, data in tables().items()} | {"README": b"a dump"}
    assert add(pack(tmp_path, packed), name="packed").read().equals(add(DUMP, name="folder").read())


def test_members_cannot_leave_their_folder(add, tmp_path, data_folder):
    files = {"../../../configs.json": tables()["configs.json"], "/abs/benchmark_results.json": b"[]"}
    files["/abs/benchmark_results.json"] = tables()["benchmark_results.json"]
    add(zipped(tmp_path, files), name="slip")
    assert {p.name for p in tmp_path.rglob("*.json")} == set()
    assert [p.name for p in data_folder.iterdir()] == ["slip"]


def test_an_archive_of_one_file_is_that_file(add, tmp_path):
    assert add(zipped(tmp_path, {"..\\data.js": DASHBOARD.read_bytes()})).manifest.rows == 3


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"a.txt": b"x", "b.txt": b"y"}, "holds 2 files, none of them"),
        ({"a/configs.json": b"[]", "b/configs.json": b"[]", "benchmark_results.json": b"[]"}, "more than once"),
        ({"configs.json": b"[]", "x": b""}, "benchmark_results.json"),
    ],
)
def test_archives_of_something_else_are_refused(add, tmp_path, files, says):
    with pytest.raises(BadFile, match=says):
        add(zipped(tmp_path, files))


def test_an_archive_that_unpacks_to_too_much_is_refused(add, tmp_path, monkeypatch, data_folder):
    bomb = zipped(tmp_path, {"configs.json": b"0" * 3_000_000, "benchmark_results.json": b"[]"})
    monkeypatch.setattr(download, "MAX_BYTES", 1_000_000)
    with pytest.raises(BadFile, match=r"unpacked, is larger than 0.001 GB"):
        add(bomb)
    assert not list(data_folder.iterdir())


def test_a_tar_is_not_read_beyond_the_limit(add, tmp_path, monkeypatch):
    bomb = tarred(tmp_path, {"other": b"0" * 3_000_000, **tables()})
    monkeypatch.setattr(download, "MAX_BYTES", 1_000_000)
    with pytest.raises(BadFile, match="unpacked, is larger than"):
        add(bomb)


def test_a_truncated_archive_is_refused(add, tmp_path):
    whole = tarred(tmp_path, tables()).read_bytes()
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadFile):
        add(cut)
    assert not bundles.installed()
