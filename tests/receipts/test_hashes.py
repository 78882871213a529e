"""Hashes of receipts: a file that changed, is missing, is a link, or that no receipt names is at fault."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.accuracy.gate_file import Gate, write_gate
from paretoken.bench.plan import Closed
from paretoken.bench.receipt import GATE, OF_LEVEL, OF_RUN, RECEIPT, add_to_run_receipt
from paretoken.bench.run_folder import REQUESTS, RUN, RunFolder
from paretoken.errors import BadFile
from paretoken.receipts.hashes import check_hashes
from paretoken.receipts.sealed_files import is_run_file, run_paths
from paretoken.receipts.verify import verify_run
from tests.support.runs import loaded
from tests.support.sealed_runs import (
    edit,
    keep_level,
)


def test_an_added_level_is_not_listed(run):
    shutil.copytree(run / "levels" / "0002", run / "levels" / "0004")
    result = verify_run(run)
    assert ("levels/0004/receipt.json", "not listed") in [(f.path, f.fault) for f in result.hashes.faults]


NAMES = (*OF_RUN, *(f"levels/0001/{name}" for name in (*OF_LEVEL, RECEIPT)))
"""Every file that a run of one level may have, but for its receipt, which has its own hash."""


@pytest.mark.parametrize("path", NAMES)
def test_a_changed_or_added_file_is_at_fault(run, path):
    """Whatever its name: the run of the test has some of these, and none of the others."""
    assert is_run_file(path)
    fault = "changed" if (run / path).exists() else "not listed"
    with (run / path).open("ab") as file:
        file.write(b" ")
    assert (path, fault) in [(f.path, f.fault) for f in check_hashes(run, ("0001", "0002", "0003")).faults]


@pytest.mark.parametrize("name", [*OF_LEVEL, RECEIPT])
def test_a_file_of_a_level_that_no_receipt_names_is_at_fault(run, name):
    (run / "levels" / "0009").mkdir()
    (run / "levels" / "0009" / name).write_bytes(b"{}")
    hashes = check_hashes(run, ("0001", "0002", "0003"))
    assert [(f.path, f.fault) for f in hashes.faults] == [(f"levels/0009/{name}", "not listed")] and not hashes.whole


def test_a_run_with_an_added_file_is_not_verified(run):
    (run / "levels" / "0001" / "telemetry.json").write_text("{}")
    assert verify_run(run).verdict == "differs"


def test_a_file_of_a_level_without_a_hash_leaves_the_run_recomputed(run):
    (run / RECEIPT).unlink()
    (run / "levels" / "0001" / RECEIPT).unlink()
    keep_level(RunFolder(run), loaded(8, 20.0), Closed(8))
    assert not verify_run(run).hashes.faults
    (run / "levels" / "0002" / "telemetry.json").write_text("{}")
    assert [f.path for f in verify_run(run).hashes.faults] == ["levels/0002/telemetry.json"]


def test_an_attached_verdict_has_a_hash_and_hides_no_change(run, call, tmp_path):
    write_gate(Gate(model="m", engine="vllm", endpoint="h/v1", made="2026-01-01", tiers=()), tmp_path / "verdict.json")
    assert call(f"accuracy attach verdict.json {run}")[0] == 0
    hashes = check_hashes(run, ("0001", "0002", "0003"))
    assert hashes.whole and hashes.files == 1 + 4 + 3 + 3 * 2
    edit(run / GATE, lambda g: g.update(verdict="PASS", model="n"))
    assert [f.path for f in check_hashes(run, ()).faults] == [GATE]
    edit(run / RUN, lambda m: m.update(notes=["x"]))
    assert call(f"accuracy attach verdict.json {run}")[0] == 0
    assert [f.path for f in check_hashes(run, ()).faults] == [RUN]


def test_a_receipt_that_was_edited_is_not_written_anew(run):
    edit(run / RECEIPT, lambda r: r.update(command="paretoken bench elsewhere"))
    content = (run / RECEIPT).read_text().rstrip("}") + "\n}"
    (run / RECEIPT).write_text(content)
    add_to_run_receipt(run, (GATE,))
    assert (run / RECEIPT).read_text() == content


@pytest.mark.parametrize("name", ["../outside.json", "/etc/passwd", "levels/0001/../../../x", "notes.txt"])
def test_a_receipt_cannot_name_other_files(run, name):
    edit(run / RECEIPT, lambda r: r["files"].append({"path": name, "sha256": "0" * 64, "bytes": 1}))
    with pytest.raises(BadFile):
        verify_run(run)


def test_a_link_in_place_of_a_file_is_no_file_of_the_run(run, tmp_path):
    file = run / "levels" / "0001" / REQUESTS
    file.rename(tmp_path / "elsewhere.parquet")
    file.symlink_to(tmp_path / "elsewhere.parquet")
    assert [f.fault for f in verify_run(run).hashes.faults] == ["link"]


def flipped(run: Path, folder: Path, data: st.DataObject) -> Path:
    """The run with one bit of one file flipped."""
    file = data.draw(st.sampled_from(run_paths(run)))
    content = bytearray((run / file).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    copy = Path(shutil.copytree(run, folder / "run", copy_function=os.link))
    (copy / file).unlink()
    (copy / file).write_bytes(content)
    return copy


@settings(max_examples=30)
@given(data=st.data())
def test_any_flipped_bit_of_a_hashed_file_is_noticed(sound, data):
    with tempfile.TemporaryDirectory() as folder:
        copy = flipped(sound, Path(folder), data)
        with suppress(BadFile):  # a receipt that cannot be read is as clear
            assert check_hashes(copy, ("0001", "0002", "0003")).faults


@settings(max_examples=5)
@given(data=st.data())
def test_a_run_with_a_flipped_bit_differs_or_cannot_be_read(sound, data):
    with tempfile.TemporaryDirectory() as folder:
        copy = flipped(sound, Path(folder), data)
        with suppress(BadFile):
            assert verify_run(copy).verdict == "differs"
