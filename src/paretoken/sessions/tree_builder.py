"""A tree of segments, runs of tokens that the same requests hold, built request by request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
ROOT = -1


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PrefixTree:
    """The segments of n requests. Parents come before their children.

    Segment s holds the tokens `start[s]` to `end[s]` − 1 of every prompt through it, below segment `parent[s]`, which
    is ROOT for the first; shape (segments,). The prompt of request i ends in segment `prompt[i]`; with the part of its
    answer that the KV cache holds it ends in `whole[i]`; shape (n,), ROOT where there is nothing.
    """

    parent: Ints
    start: Ints
    end: Ints
    prompt: Ints
    whole: Ints

    def __len__(self) -> int:
        return len(self.prompt)


@dataclass(slots=True)
class TreeBuilder:
    """A tree that grows request by request. Segments are split where a prompt leaves one in the middle."""

    parent: list[int] = field(default_factory=list)
    start: list[int] = field(default_factory=list)
    end: list[int] = field(default_factory=list)

    def add(self, below: int, tokens: int) -> int:
        """The segment of `tokens` more tokens below another, or that one if there are none."""
        if tokens <= 0:
            return below
        begin = self.reach(below)
        return self._append(below, begin, begin + tokens)

    def reach(self, segment: int) -> int:
        """Tokens up to the end of a segment."""
        return 0 if segment == ROOT else self.end[segment]

    def at(self, segment: int, tokens: int) -> int:
        """The segment above or at `segment` that ends after `tokens` tokens; a longer one is split."""
        while segment != ROOT and self.start[segment] >= tokens:
            segment = self.parent[segment]
        if segment == ROOT or self.end[segment] <= tokens:
            return segment
        upper = self._append(self.parent[segment], self.start[segment], tokens)
        self.parent[segment], self.start[segment] = upper, tokens
        return upper

    def _append(self, parent: int, start: int, end: int) -> int:
        self.parent.append(parent)
        self.start.append(start)
        self.end.append(end)
        return len(self.parent) - 1

    def tree(self, prompt: Sequence[int], whole: Sequence[int]) -> PrefixTree:
        """The tree with parents in front, for the leaves of n requests."""
        start = np.array(self.start, np.int64)
        order = np.argsort(start, kind="stable")
        place = np.empty(len(order) + 1, np.int64)
        place[order], place[ROOT] = np.arange(len(order)), ROOT
        return PrefixTree(
            parent=place[np.array(self.parent, np.int64)[order]],
            start=start[order],
            end=np.array(self.end, np.int64)[order],
            prompt=place[np.array(prompt, np.int64)],
            whole=place[np.array(whole, np.int64)],
        )
