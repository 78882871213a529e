"""The arrivals of tokens of one load level, flat over all requests, and what their stamps can tell.

A level has millions of tokens, so only the stamp of each is kept; its request and the gap before it are computed
on demand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from paretoken.bench.stats.arrays import Floats, Ints, Mask

if TYPE_CHECKING:
    import polars as pl

NS = 1e-9
BLOCK = 1 << 17
SLICES = 16


@dataclass(frozen=True, slots=True, eq=False)
class Chunks:
    """Token-carrying arrivals of the counted requests, shape (chunks,), in order within each request.

    `lengths` are the chunks of each request, shape (requests,), 0 where it does not count. `tokens` are weighted
    so that a request's sum is the server's count. `censored` marks gaps that touch a stamp which belongs to a
    later read.
    """

    lengths: Ints
    at_ns: Ints
    tokens: Floats | Ints
    censored: Mask

    @property
    def starts(self) -> Ints:
        """Where each request that has chunks begins."""
        starts: Ints = (np.cumsum(self.lengths) - self.lengths)[self.lengths > 0]
        return starts

    @property
    def request(self) -> npt.NDArray[np.int32]:
        """The request of each chunk, by its place."""
        return np.repeat(np.arange(len(self.lengths), dtype=np.int32), self.lengths)

    @property
    def gap_s(self) -> Floats:
        """The gap before each chunk, NaN for a request's first; single precision, to 2 ns where a gap is 20 ms."""
        gap = np.empty(len(self.at_ns), dtype=np.float32)
        np.subtract(self.at_ns[1:], self.at_ns[:-1], out=gap[1:], casting="unsafe")
        gap[1:] *= np.float32(NS)
        gap[self.starts] = np.nan
        return gap

    def spread(self, of_requests: Mask) -> Mask:
        """A value of each request at each of its chunks."""
        return np.repeat(of_requests, self.lengths)

    def usable(self, chosen: Mask) -> Mask:
        """Those of the chosen chunks (a mask) before which there is a gap that says something."""
        usable: Mask = chosen & ~self.censored
        usable[self.starts] = False
        return usable

    def itl(self, chosen: Mask, *, in_time: bool = False) -> Floats:
        """The usable gaps among the chosen chunks, in seconds; `in_time` in order of time over all requests."""
        usable, at = self.usable(chosen), self.at_ns
        gaps, n = np.empty(np.count_nonzero(usable), dtype=np.float32), 0
        for where in self._in_time(usable) if in_time else self._in_place(usable):
            np.multiply(at[where] - at[where - 1], NS, out=gaps[n : n + len(where)], casting="unsafe")
            n += len(where)
        return gaps

    def _in_place(self, chosen: Mask) -> Iterator[npt.NDArray[np.intp]]:
        """Where the chosen chunks are, some at a time."""
        for k in range(0, len(chosen), BLOCK):
            yield np.flatnonzero(chosen[k : k + BLOCK]) + k

    def _in_time(self, chosen: Mask) -> Iterator[npt.NDArray[np.intp]]:
        """Where the chosen chunks are, in order of time: sorted slice by slice, which takes a slice's memory."""
        at = self.at_ns
        edges = np.linspace(at.min(initial=0) - 1, at.max(initial=0), SLICES + 1).astype(np.int64)
        for start, end in pairwise(edges.tolist()):
            where = np.flatnonzero(chosen & (at > start) & (at <= end))
            yield where[np.argsort(at[where], kind="stable")]

    def mean_gaps(self) -> Floats:
        """The mean usable gap between chunks of each request in seconds, NaN without one; shape (requests,)."""
        gap, request, n = self.gap_s, self.request, len(self.lengths)
        usable = self.usable(np.ones(len(gap), dtype=bool))
        count = np.bincount(request, weights=usable, minlength=n)
        total = np.bincount(request, weights=np.where(usable, gap, 0.0), minlength=n)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def chunks_of(frame: pl.DataFrame, counted: Mask, osl: Floats, client: Floats, last_ns: Ints) -> Chunks:
    """All arrivals of the counted requests. An answer without chunks is one arrival at its last token.

    `osl` is what each request's tokens must sum up to, `client` what its chunks were counted as.
    """
    received = frame["chunk_ns"].list.len().to_numpy().astype(np.int64)
    bare = counted & (received == 0) & (last_ns >= 0) & (osl > 0)
    lengths = np.where(counted, received, 0)
    kept = frame.select("chunk_ns", "chunk_tokens").filter(lengths > 0) if (lengths != received).any() else frame
    at, tokens = np.concatenate(_flat(kept["chunk_ns"])), _shared(_flat(kept["chunk_tokens"]))
    if len(tokens) != len(at):
        raise ValueError("a request holds chunk_ns and chunk_tokens of different lengths")
    if bare.any():
        where = (np.cumsum(lengths) - lengths)[bare]
        at, tokens = np.insert(at, where, last_ns[bare]), np.insert(tokens, where, 1)
        lengths = lengths + bare
        client = np.where(bare, 1, client)
    weight = np.where(client > 0, osl / np.where(client > 0, client, 1), 1.0)
    weight[np.isnan(weight)] = 0.0  # tokens that nobody counted
    if (weight[lengths > 0] != 1.0).any():
        tokens = tokens * np.repeat(weight, lengths)
    return Chunks(lengths, at, tokens, _censored(at, lengths, frame["coalesced"].fill_null(0).to_numpy() > 0))


def _flat(lists: pl.Series) -> list[Ints]:
    """The values of all lists, in parts that are views."""
    return [chunk.explode(empty_as_null=False).to_numpy() for chunk in lists.get_chunks()]


def _shared(parts: list[Ints]) -> Ints:
    """The parts as one array; if all are 1, as for most servers, a broadcast 1."""
    if all(len(part) and part.min() == part.max() == 1 for part in parts):
        return np.broadcast_to(np.int32(1), sum(map(len, parts)))
    return np.concatenate(parts)


def _censored(at_ns: Ints, lengths: Ints, coalesced: Mask) -> Mask:
    """Whether the gap before each chunk says nothing.

    A read that holds k events gives all of them the stamp of its last byte: of k equal stamps the first
    k − 1 are too late, so the gap into the first and the k − 1 gaps of zero say nothing. Equal stamps of a
    request in which the client saw no such read (`coalesced` false) are real.
    """
    if not (coalesced & (lengths > 1)).any():
        return np.broadcast_to(np.False_, len(at_ns))
    merged = np.zeros(len(at_ns), dtype=bool)
    merged[1:] = at_ns[1:] == at_ns[:-1]  # same stamp as the chunk before
    starts = (np.cumsum(lengths) - lengths)[lengths > 0]
    merged[starts] = False
    merged &= np.repeat(coalesced, lengths)
    censored = merged.copy()
    censored[:-1] |= merged[1:]
    censored[starts] = False
    return censored


def late_firsts(chunks: Chunks, span_ns: Ints) -> Floats:
    """How much later than its first token each request's first stamp may be, in seconds; shape (requests,).

    Of k chunks read at once all bear the stamp of the last, so the first may have come k − 1 gaps earlier. The
    other n − k chunks came within (first stamp, last stamp], a span of `span_ns`, which gives the request's mean
    gap; without any, the level's median gap is used.
    """
    late = np.zeros(len(chunks.lengths))
    if not chunks.censored.any():
        return late
    merged = chunks.censored & (chunks.gap_s == 0.0)
    starts = chunks.starts
    apart = np.append(np.flatnonzero(~merged), len(merged))
    behind = apart[np.searchsorted(apart, starts, side="right")] - starts - 1
    request, behind = np.flatnonzero(chunks.lengths)[behind > 0], behind[behind > 0]
    after = chunks.lengths[request] - 1 - behind
    gap_s = np.where(after > 0, span_ns[request] * NS / np.maximum(after, 1), np.nan)
    measured = gap_s[after > 0]
    late[request] = behind * np.where(after > 0, gap_s, np.median(measured) if len(measured) else 0.0)
    return late
