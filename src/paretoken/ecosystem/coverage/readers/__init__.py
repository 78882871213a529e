"""One reader for each engine: where its CI is defined, and what its steps test.

A new engine is one file with a `read(tree, about, policy)` and one line in `READERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from paretoken.ecosystem.coverage.about import About
from paretoken.ecosystem.coverage.found import Found
from paretoken.ecosystem.coverage.policy import Policy
from paretoken.ecosystem.coverage.tree import Tree
from paretoken.errors import UnknownName

Reader = Callable[[Tree, About, Policy], Found]

READERS = ("vllm", "sglang", "trtllm", "pytorch")


def reader_of(engine: str) -> Reader:
    """The reader of an engine by its name."""
    if engine not in READERS:
        raise UnknownName("engine", engine, list(READERS))
    return import_module(f"paretoken.ecosystem.coverage.readers.{engine}").read
