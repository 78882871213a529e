"""Journals: read back as written, damaged ones up to the damage."""

from __future__ import annotations

import os
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.client.journal import JournalWriter, journal_meta, merge_journals, read_journal, records_after
from paretoken.errors import BadFile, CannotWrite


def written(path: Path, n: int) -> bytes:
    journal = JournalWriter(path, {"worker": 0})
    for i in range(n):
        numbers = (0, i, 0, -1, 0, 100 - i, 101, 102, 103, 104, 105, 200, 3, 4, 3, 4, -1, -1, 0)
        journal.append(numbers, ("ok", "dé" * i, "stop"), array("q", range(i)), array("i", [1 + i % 2] * i))
    journal.close()
    return path.read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_journal_on_a_full_disk_is_the_users_mistake(tmp_path):
    journal = JournalWriter(tmp_path / "j", {})
    with Path("/dev/full").open("wb", buffering=0) as full:
        os.dup2(full.fileno(), journal._fd)
        with pytest.raises(CannotWrite, match="No space left"):
            journal.append((0,) * 19, ("ok", "", "stop"), array("q", [1]), array("i", [1]))
    journal.close()


def test_a_journal_reads_back_what_was_written(tmp_path):
    written(tmp_path / "j", 5)
    rows = read_journal(tmp_path / "j")
    assert rows["detail"].to_list() == ["dé" * i for i in range(5)]
    assert rows["chunk_ns"].to_list() == [list(range(i)) for i in range(5)]
    assert rows["chunk_tokens"].to_list() == [[1 + i % 2] * i for i in range(5)]
    assert merge_journals([tmp_path / "j"])["due_ns"].to_list() == [96, 97, 98, 99, 100]
    assert journal_meta(tmp_path / "j") == {"worker": 0}


def test_any_torn_tail_or_flipped_bit_loses_only_what_follows(tmp_path):
    data = written(tmp_path / "whole", 6)
    whole = read_journal(tmp_path / "whole").rows()

    @given(st.integers(21, len(data)), st.booleans())  # from the first frame on
    def damaged(at, torn):
        path = tmp_path / "damaged"
        path.write_bytes(data[:at] if torn or at == len(data) else data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        rows = read_journal(path).rows()
        assert rows == whole[: len(rows)]

    damaged()


def test_what_is_no_journal_is_called_so(tmp_path):
    (tmp_path / "x").write_bytes(b"hello, this is text")
    for path in (tmp_path / "x", tmp_path / "none"):
        with pytest.raises(BadFile):
            read_journal(path)


def test_a_journal_that_grows_is_read_on_from_an_offset(tmp_path, monkeypatch):
    monkeypatch.setattr("paretoken.bench.client.journal.BATCH", 2)
    data = written(tmp_path / "whole", 5)
    (tmp_path / "j").write_bytes(b"")
    assert list(records_after(tmp_path / "j", 0)) == []
    users, offset = [], 0
    for end in (25, len(data) // 2, len(data) - 1, len(data)):
        (tmp_path / "j").write_bytes(data[:end])
        for rows, after in list(records_after(tmp_path / "j", offset)):
            assert rows.height <= 2
            users, offset = users + rows["user"].to_list(), after
    assert users == list(range(5)) and offset == len(data)
