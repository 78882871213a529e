"""Prompts by their block ids, as runs of blocks that the same prompts hold, so that memory grows with branches."""

from __future__ import annotations

from dataclasses import dataclass, field

Blocks = tuple[int, ...]


@dataclass(slots=True)
class _Run:
    """The blocks `begin` to `end` − 1 of `blocks`; `leaf` is of a prompt through all of them."""

    blocks: Blocks
    begin: int
    end: int
    leaf: int
    next: dict[int, _Run] = field(default_factory=dict)


class BlockRuns:
    """The prompts so far. Equal ids are equal prompts up to the end of that block, if all before them are equal."""

    def __init__(self) -> None:
        self._first: dict[int, _Run] = {}

    def longest(self, blocks: Blocks) -> tuple[int, int]:
        """The longest common prefix with an earlier prompt, in blocks, and that prompt's leaf; 0 and −1 if none."""
        common, leaf, runs = 0, -1, self._first
        while common < len(blocks) and (run := runs.get(blocks[common])):
            common, leaf, runs = _common(run, blocks), run.leaf, run.next
            if common < run.end:
                break
        return common, leaf

    def add(self, blocks: Blocks, leaf: int) -> None:
        """One more prompt, with its leaf."""
        at, runs = 0, self._first
        while at < len(blocks) and (run := runs.get(blocks[at])):
            at = _common(run, blocks)
            if at < run.end:
                rest = _Run(run.blocks, at, run.end, run.leaf, run.next)
                run.end, run.next = at, {run.blocks[at]: rest}
            runs = run.next
        if at < len(blocks):
            runs[blocks[at]] = _Run(blocks, at, len(blocks), leaf)


def _common(run: _Run, blocks: Blocks) -> int:
    """The blocks that both have in common; those before the run and its first one are known to be."""
    low, high = run.begin + 1, min(run.end, len(blocks))
    if run.blocks[low:high] == blocks[low:high]:
        return high
    while high - low > 1:  # `low` are common, `high` are not
        middle = (low + high) // 2
        low, high = (middle, high) if run.blocks[low:middle] == blocks[low:middle] else (low, middle)
    return low
