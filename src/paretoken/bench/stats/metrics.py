"""Per-request latencies and token arrivals of one load level, as arrays.

For one request, all times in seconds and from the moment it was *due*:

    TTFT           first_ns − due_ns
    E2E            last_ns − due_ns
    TPOT           (E2E − TTFT) / (V − 1)                the form compared across tools and engines
    unbiased TPOT  (t_last − t_first) / (V − n_first)    n_first = tokens of the first chunk
    ITL            gap between two token-carrying chunks; a chunk with n tokens is one gap and n tokens
    interactivity  1 / TPOT                              its slow tail is TPOT's slow tail

V is OSL without reasoning that was not sent, whose pace nobody saw; TTFT includes its time.

The uncorrected forms count from `sent_ns`. OSL and ISL are the server's usage; the client's count is used
only where the server sent none. A metric is NaN where it is not defined: a request that failed, an answer of one
token (TPOT), an answer that was not streamed or came in one piece (TTFT and TPOT; without a usage OSL as well).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from paretoken.bench.stats.arrays import Floats, Ints, Mask
from paretoken.bench.stats.chunks import NS, Chunks, chunks_of, late_firsts
from paretoken.points.statuses import OK

if TYPE_CHECKING:
    import polars as pl

COUNTED = (OK, "cancelled")
"""Whose arrived tokens are throughput: complete answers, and those cut by us at the end of the run."""


FASTEST_TPOT_S = 50e-6
"""No server makes the tokens of one user faster: an answer that arrives faster was held back on the way."""
FEWEST_TOKENS = 4
"""A few tokens may come in one read without a proxy."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Samples:
    """One load level as arrays, shape (requests,), in order of due time; -1 ns where the event never happened."""

    status: npt.NDArray[np.object_]
    slot: Ints  # one number for each user of a closed loop, -1 in an open loop
    session: Ints  # number of the session, -1 without one
    turn: Ints  # place of the request in its session, from 0
    due_ns: Ints
    sent_ns: Ints
    first_ns: Ints  # of an answer that was not streamed, its end
    last_ns: Ints
    end_ns: Ints
    isl: Floats
    osl: Floats
    client_osl: Floats  # tokens the client counted in the chunks, NaN without chunks
    server_osl: Floats  # of the server's usage, NaN without one
    planned_isl: Floats
    planned_osl: Floats
    cached: Floats
    possible: Floats  # prompt tokens that an endless cache would hold, NaN where the records do not say
    coalesced: Ints
    hidden: Floats  # output tokens of reasoning that were not sent
    streamed: Mask  # the first token was seen to come
    held_back: Mask  # streamed, but with all tokens at once
    ttft_s: Floats
    e2e_s: Floats
    tpot_s: Floats
    tpot_unbiased_s: Floats
    ttft_from_sent_s: Floats
    e2e_from_sent_s: Floats
    lateness_s: Floats
    ttft_late_s: Floats  # by how much TTFT may be too high at most: first tokens that share a later one's stamp
    chunks: Chunks

    @property
    def ok(self) -> Mask:
        ok: Mask = self.status == OK
        return ok

    @property
    def unpaced(self) -> Mask:
        """Complete answers that arrived in one piece, so that nobody saw the pace of their tokens.

        Embeddings have no tokens, hence no pace.
        """
        unpaced: Mask = self.ok & (self.held_back | ~self.streamed) & (self.planned_osl != 0)
        return unpaced

    @property
    def uncounted(self) -> Mask:
        """Answers in one piece whose tokens nobody counted; a request that was cut before any arrived is none."""
        return self.counted & ~self.streamed & (self.last_ns >= 0) & np.isnan(self.osl)

    @property
    def counted(self) -> Mask:
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
    planned_isl, planned_osl, served_isl, served_osl, cached, reasoning, possible = (
        _count(frame, name) for name in _COUNTS
    )
    lengths = frame["chunk_ns"].list.len().to_numpy().astype(np.int64)
    client = np.where(lengths > 0, frame["chunk_tokens"].cast(pl.List(pl.Int64)).list.sum().to_numpy(), np.nan)
    n_first = frame["chunk_tokens"].list.first().fill_null(0).to_numpy()
    streamed = first >= 0
    uncounted = ~streamed & np.isnan(served_osl) & (client == 1) & (planned_osl != 1)
    osl = np.where(np.isnan(served_osl), np.where(uncounted, np.nan, client), served_osl)
    isl = np.where(np.isnan(served_isl), planned_isl, served_isl)
    chunks = chunks_of(frame, counted, osl, client, last)
    hidden = np.where((reasoning > 0) & (client == served_osl - reasoning), reasoning, 0.0)
    visible = osl - hidden
    held_back = streamed & _held_back(first, last, np.fmin(visible, client))
    paced = ok & streamed & ~held_back
    several = paced & (lengths != 1) & (last > first)
    from_sent, ttft, e2e = _span(sent, first, paced), _span(due, first, paced), _span(due, last, ok)
    return Samples(
        status=status,
        slot=_slots(frame),
        session=frame["session"].fill_null(-1).to_numpy().astype(np.int64),
        turn=frame["turn"].fill_null(0).to_numpy().astype(np.int64),
        due_ns=due,
        sent_ns=sent,
        first_ns=np.where(first >= 0, first, last),
        last_ns=last,
        end_ns=np.where(end >= 0, end, np.where(last >= 0, last, due)),
        isl=isl,
        osl=osl,
        client_osl=client,
        server_osl=served_osl,
        planned_isl=planned_isl,
        planned_osl=planned_osl,
        cached=cached,
        possible=possible,
        coalesced=frame["coalesced"].fill_null(0).to_numpy(),
        hidden=hidden,
        streamed=streamed,
        held_back=held_back,
        ttft_s=ttft,
        e2e_s=e2e,
        tpot_s=_per_token(e2e - ttft, visible - 1, several),
        tpot_unbiased_s=_per_token(_span(first, last, ok), visible - n_first, several & (lengths > 1)),
        ttft_from_sent_s=from_sent,
        e2e_from_sent_s=_span(sent, last, ok),
        lateness_s=_span(due, sent, sent >= 0),
        ttft_late_s=np.where(held_back, 0.0, late_firsts(chunks, last - first)),
        chunks=chunks,
    )


_COUNTS = (
    *("planned_input", "planned_output", "input_tokens", "output_tokens"),
    *("cached_tokens", "reasoning_tokens", "possible_tokens"),
)


def _held_back(first_ns: Ints, last_ns: Ints, osl: Floats) -> Mask:
    """Whether an answer's tokens arrived faster than any server makes them."""
    return (osl >= FEWEST_TOKENS) & ((last_ns - first_ns) * NS < (osl - 1) * FASTEST_TPOT_S)


def _ns(frame: pl.DataFrame, name: str) -> Ints:
    return frame[name].fill_null(-1).to_numpy()


def _count(frame: pl.DataFrame, name: str) -> Floats:
    """A count as floats, NaN where it is -1 or null."""
    if name not in frame.columns:
        return np.full(frame.height, np.nan)
    values = frame[name].cast(float).fill_null(-1).to_numpy()
    return np.where(values < 0, np.nan, values)


def _slots(frame: pl.DataFrame) -> Ints:
    """A number for each pair of worker and user, -1 without a user."""
    user = frame["user"].fill_null(-1).to_numpy().astype(np.int64)
    worker = frame["worker"].fill_null(0).to_numpy().astype(np.int64)
    return np.where(user < 0, -1, (worker << 32) + user)


def _span(start: Ints, end: Ints, valid: Mask) -> Floats:
    """Seconds from start to end, NaN where either is missing or the request does not count."""
    return np.where(valid & (start >= 0) & (end >= 0), (end - start) * NS, np.nan)


def _per_token(seconds: Floats, tokens: Floats, valid: Mask) -> Floats:
    usable = valid & (tokens > 0)
    return np.where(usable, seconds / np.where(usable, tokens, 1.0), np.nan)
