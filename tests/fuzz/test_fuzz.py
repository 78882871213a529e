"""Damaged inputs to every reader: each is read, or refused in one sentence, in bounded time and memory.

`PARETOKEN_FUZZ=5000` takes as many inputs for each reader. A fault is kept under `tests/fuzz/seeds`, and tried first
ever after.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.pool import KEPT, Fault, FuzzPool, kept
from tests.fuzz.registry import READERS

MANY = int(os.environ.get("PARETOKEN_FUZZ", "0"))
FEW = 60
SHOWN = 12


@pytest.fixture(scope="module")
def pool() -> Iterator[FuzzPool]:
    pool = FuzzPool()
    yield pool
    pool.close()


@pytest.mark.parametrize("name", READERS)
def test_every_damaged_input_is_read_or_refused_in_one_sentence(name: str, pool: FuzzPool) -> None:
    many = MANY or FEW // READERS[name].cost
    faults = pool.faults(name, [*kept(name), *range(many)])
    for fault in faults:
        _keep(fault)
    by_kind = {f.why.split(" at ")[-1]: f for f in faults}
    assert not faults, f"{len(faults)} of {many}:\n" + "\n".join(map(str, list(by_kind.values())[:SHOWN]))


@pytest.mark.parametrize("name", READERS)
def test_the_valid_input_is_read(name: str, tmp_path: Path) -> None:
    """A reader that refuses all would pass the test above."""
    reader = READERS[name]
    for path, content in reader.valid.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    reader.read(tmp_path)


def _keep(fault: Fault) -> None:
    if isinstance(fault.input, int) and len(kept(fault.reader)) < SHOWN:
        name = hashlib.sha256(fault.content).hexdigest()[:8]
        (KEPT / fault.reader).mkdir(parents=True, exist_ok=True)
        (KEPT / fault.reader / f"{name}--{fault.path.replace('/', '+')}").write_bytes(fault.content)
