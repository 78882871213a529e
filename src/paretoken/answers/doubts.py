"""What makes a verdict doubtful, line by line, for every verb that prints one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Doubtful(Protocol):
    """A verdict or an answer that holds one; see `frontier.verdict.Verdict`."""

    @property
    def fragile(self) -> str | None: ...
    @property
    def data_end(self) -> str | None: ...
    @property
    def acceptance(self) -> str | None: ...
    @property
    def days_apart(self) -> int | None: ...
    @property
    def stale(self) -> bool: ...


def doubts(verdict: Doubtful, when: str = "") -> Iterator[str]:
    """The lines; `when` is put after the first words, such as " today"."""
    if verdict.fragile:
        yield f"fragile{when}: {verdict.fragile}"
    if verdict.data_end:
        yield f"not settled{when}: {verdict.data_end}"
    if verdict.acceptance:
        yield verdict.acceptance
    if verdict.stale:
        yield f"the software of the two is {verdict.days_apart} days apart"
