"""One reader for each engine: where its CI is defined, and what its steps test.

A new engine is one file with a `read(tree, about, policy)` and one line in `READERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from paretoken.errors import UnknownName
from paretoken.parity.definition import CiDefinition
from paretoken.parity.policy import Policy
from paretoken.parity.release import Release
from paretoken.parity.tree import Tree

Reader = Callable[[Tree, Release, Policy], CiDefinition]

READERS = ("vllm", "sglang", "trtllm", "pytorch")


def reader_of(engine: str) -> Reader:
    """The reader of an engine by its id; UnknownName if no reader supports it."""
    if engine not in READERS:
        raise UnknownName("engine", engine, list(READERS))
    read: Reader = import_module(f"paretoken.parity.readers.{engine}").read
    return read
