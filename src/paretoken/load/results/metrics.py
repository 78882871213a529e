"""Per-request latencies and token arrivals of one load level, as arrays.

For one request, all times in seconds and from the moment it was *due*:

    TTFT           first_ns − due_ns
    E2E            last_ns − due_ns
    TPOT           (E2E − TTFT) / (OSL − 1)              the form compared across tools and engines
    unbiased TPOT  (t_last − t_first) / (n − n_first)    n_first = tokens of the first chunk
    ITL            gap between two token-carrying chunks; a chunk with n tokens is one gap and n tokens
    interactivity  1 / TPOT                              its slow tail is TPOT's slow tail

The uncorrected forms count from `sent_ns`. OSL and ISL are the server's usage; the client's count stands in
only where the server gave none. NaN stands where a metric is not defined: a request that failed, OSL of 1,
or an answer that came in one chunk (TPOT).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from paretoken.records.statuses import OK

if TYPE_CHECKING:
    import polars as pl

NS = 1e-9
COUNTED = (OK, "cancelled")
"""Whose arrived tokens are throughput: complete answers, and those cut by us at the end of the run."""


@dataclass(frozen=True, slots=True, eq=False)
class Chunks:
    """Token-carrying arrivals of the counted requests, shape (chunks,), in order within each request.

    `tokens` are weighted so that a request's sum is the server's count. `gap_s` is NaN for a request's
    first chunk, and single precision: to 2 ns where a gap is 20 ms, and half the memory of a long run; `censored`
    marks gaps that touch a stamp which belongs to a later read.
    """

    request: np.ndarray
    at_ns: np.ndarray
    tokens: np.ndarray
    gap_s: np.ndarray
    censored: np.ndarray

    def itl(self, chosen: np.ndarray) -> np.ndarray:
        """The usable gaps among the chosen chunks (a mask), in seconds."""
        return self.gap_s[chosen & ~self.censored & ~np.isnan(self.gap_s)]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """One load level as arrays, shape (requests,), in order of due time; -1 ns where the event never happened."""

    status: np.ndarray
    slot: np.ndarray  # one number for each user of a closed loop, -1 in an open loop
    due_ns: np.ndarray
    sent_ns: np.ndarray
    first_ns: np.ndarray
    last_ns: np.ndarray
    end_ns: np.ndarray
    isl: np.ndarray
    osl: np.ndarray
    client_osl: np.ndarray  # tokens the client counted in the chunks, NaN without chunks
    server_osl: np.ndarray  # of the server's usage, NaN without one
    planned_isl: np.ndarray
    planned_osl: np.ndarray
    cached: np.ndarray
    coalesced: np.ndarray
    ttft_s: np.ndarray
    e2e_s: np.ndarray
    tpot_s: np.ndarray
    unbiased_tpot_s: np.ndarray
    ttft_from_sent_s: np.ndarray
    e2e_from_sent_s: np.ndarray
    lateness_s: np.ndarray
    ttft_late_s: np.ndarray  # by how much TTFT may be too high at most: first tokens that share a later one's stamp
    chunks: Chunks

    @property
    def ok(self) -> np.ndarray:
        return self.status == OK

    @property
    def counted(self) -> np.ndarray:
        return np.isin(self.status, COUNTED)

    def __len__(self) -> int:
        return len(self.due_ns)


def sample(requests: pl.DataFrame) -> Samples:
    """The arrays of a request table; rows are put in order of due time."""
    import polars as pl  # the client starts before it is needed

    frame = requests if requests["due_ns"].is_sorted() else requests.sort("due_ns", maintain_order=True)
    if frame["chunk_ns"].has_nulls() or frame["chunk_tokens"].has_nulls():
        frame = frame.with_columns(pl.col("chunk_ns").fill_null([]), pl.col("chunk_tokens").fill_null([]))
    status = frame["status"].to_numpy()
    ok, counted = status == OK, np.isin(status, COUNTED)
    due, sent, first, last, end = (_ns(frame, f"{n}_ns") for n in ("due", "sent", "first", "last", "end"))
    planned_isl, planned_osl, isl_said, osl_said, cached = (
        _count(frame, name)
        for name in ("planned_input", "planned_output", "input_tokens", "output_tokens", "cached_tokens")
    )
    lengths = frame["chunk_ns"].list.len().to_numpy().astype(np.int64)
    client = np.where(lengths > 0, frame["chunk_tokens"].list.sum().to_numpy(), np.nan)
    n_first = frame["chunk_tokens"].list.first().fill_null(0).to_numpy()
    osl = np.where(np.isnan(osl_said), client, osl_said)
    isl = np.where(np.isnan(isl_said), planned_isl, isl_said)
    chunks = _chunks(frame, counted, lengths, osl, client, last)
    several = ok & (first >= 0) & (lengths != 1)
    ttft, e2e = _span(due, first, ok), _span(due, last, ok)
    return Samples(
        status=status,
        slot=_slots(frame),
        due_ns=due,
        sent_ns=sent,
        first_ns=first,
        last_ns=last,
        end_ns=np.where(end >= 0, end, np.where(last >= 0, last, due)),
        isl=isl,
        osl=osl,
        client_osl=client,
        server_osl=osl_said,
        planned_isl=planned_isl,
        planned_osl=planned_osl,
        cached=cached,
        coalesced=frame["coalesced"].fill_null(0).to_numpy(),
        ttft_s=ttft,
        e2e_s=e2e,
        tpot_s=_per_token(e2e - ttft, osl - 1, several),
        unbiased_tpot_s=_per_token(_span(first, last, ok), osl - n_first, several & (lengths > 1)),
        ttft_from_sent_s=_span(sent, first, ok),
        e2e_from_sent_s=_span(sent, last, ok),
        lateness_s=_span(due, sent, sent >= 0),
        ttft_late_s=_late(chunks, last - first, lengths),
        chunks=chunks,
    )


def _ns(frame: pl.DataFrame, name: str) -> np.ndarray:
    return frame[name].fill_null(-1).to_numpy()


def _count(frame: pl.DataFrame, name: str) -> np.ndarray:
    """A count as floats, NaN where it is -1 or null."""
    values = frame[name].cast(float).fill_null(-1).to_numpy()
    return np.where(values < 0, np.nan, values)


def _slots(frame: pl.DataFrame) -> np.ndarray:
    """A number for each pair of worker and user, -1 where there is no user."""
    user = frame["user"].fill_null(-1).to_numpy().astype(np.int64)
    worker = frame["worker"].fill_null(0).to_numpy().astype(np.int64)
    return np.where(user < 0, -1, (worker << 32) + user)


def _span(start: np.ndarray, end: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Seconds from start to end, NaN where either is missing or the request does not count."""
    return np.where(valid & (start >= 0) & (end >= 0), (end - start) * NS, np.nan)


def _per_token(seconds: np.ndarray, tokens: np.ndarray, valid: np.ndarray) -> np.ndarray:
    usable = valid & (tokens > 0)
    return np.where(usable, seconds / np.where(usable, tokens, 1.0), np.nan)


def _chunks(
    frame: pl.DataFrame, counted: np.ndarray, lengths: np.ndarray, osl: np.ndarray, client: np.ndarray, last: np.ndarray
) -> Chunks:
    """All arrivals of the counted requests, flat. An answer without chunks is one arrival at its last token."""
    rows = np.flatnonzero(counted & (lengths > 0))
    kept = frame.select("chunk_ns", "chunk_tokens")
    kept = kept if len(rows) == len(lengths) else kept[rows]
    at = kept["chunk_ns"].explode(empty_as_null=False).to_numpy()
    tokens = kept["chunk_tokens"].explode(empty_as_null=False).to_numpy()
    n = lengths[rows]
    if len(tokens) != len(at):
        raise ValueError("a request holds chunk_ns and chunk_tokens of different lengths")
    request = np.repeat(rows.astype(np.int32), n)
    weight = osl[rows] / np.where(client[rows] > 0, client[rows], np.nan)
    weight[np.isnan(weight)] = 1.0
    if np.any(weight != 1.0):
        tokens = tokens * np.repeat(weight, n)
    coalesced = frame["coalesced"].fill_null(0).to_numpy()[rows] > 0
    gap, censored = _gaps(at, n, coalesced)
    bare = np.flatnonzero(counted & (lengths == 0) & (last >= 0) & (osl > 0))
    if not len(bare):
        return Chunks(request, at, tokens, gap, censored)
    order = np.argsort(np.concatenate([request, bare]), kind="stable")
    joined = (
        (request, bare.astype(np.int32)),
        (at, last[bare]),
        (tokens, osl[bare]),
        (gap, np.full(len(bare), np.nan)),
        (censored, np.zeros(len(bare), dtype=bool)),
    )
    return Chunks(*(np.concatenate(pair)[order] for pair in joined))


def _gaps(at_ns: np.ndarray, lengths: np.ndarray, coalesced: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gap before each chunk in seconds, and whether it is censored; `lengths` in chunks for each request.

    A read that holds k events gives all of them the stamp of its last byte: of k equal stamps the first
    k − 1 are too late, so the gap into the first and the k − 1 gaps of zero say nothing. Equal stamps of a
    request in which the client saw no such read (`coalesced` false) are real.
    """
    gap, censored = np.empty(len(at_ns), dtype=np.float32), np.zeros(len(at_ns), dtype=bool)
    if not len(at_ns):
        return gap, censored
    starts = np.cumsum(lengths) - lengths
    np.subtract(at_ns[1:], at_ns[:-1], out=gap[1:], casting="unsafe")
    gap *= np.float32(NS)
    gap[starts] = np.nan
    if coalesced.any():
        merged = (gap == 0.0) & np.repeat(coalesced, lengths)  # same stamp as the chunk before
        censored = merged.copy()
        censored[:-1] |= merged[1:]
        censored[starts] = False
    return gap, censored


def _late(chunks: Chunks, span_ns: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """How much later than its first token each request's first stamp may be, in seconds; shape of `lengths`.

    Of k chunks read at once all bear the stamp of the last, so the first may have come k − 1 gaps earlier. The
    other n − k chunks came within (first stamp, last stamp], which gives the request's mean gap; where there are
    none, the level's stands in.
    """
    late = np.zeros(len(lengths))
    merged = chunks.censored & (chunks.gap_s == 0.0)
    if not merged.any():
        return late
    starts = np.flatnonzero(np.isnan(chunks.gap_s))
    apart = np.append(np.flatnonzero(~merged), len(merged))
    behind = apart[np.searchsorted(apart, starts, side="right")] - starts - 1
    request, behind = chunks.request[starts[behind > 0]], behind[behind > 0]
    after = lengths[request] - 1 - behind
    gap_s = np.where(after > 0, span_ns[request] * NS / np.maximum(after, 1), np.nan)
    known = gap_s[after > 0]
    late[request] = behind * np.where(after > 0, gap_s, np.median(known) if len(known) else 0.0)
    return late


def mean_gaps(samples: Samples) -> np.ndarray:
    """The mean usable gap between chunks of each request in seconds, NaN without one; shape (requests,)."""
    chunks, n = samples.chunks, len(samples)
    usable = ~(chunks.censored | np.isnan(chunks.gap_s))
    count = np.bincount(chunks.request, weights=usable, minlength=n)
    total = np.bincount(chunks.request, weights=np.where(usable, chunks.gap_s, 0.0), minlength=n)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
