"""Archives of others: hostile and damaged ones are refused, before they take memory or disk."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from paretoken.errors import BadFile, CannotWrite
from paretoken.receipts.unpack import MOST_FILES, MOST_READ, _write, unpack_run
from tests.support.tars import tar


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
