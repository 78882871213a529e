"""The request record: what one request was, and when each of its parts arrived.

One row is one request of one load level. A live benchmark and the simulator write the same rows, so
every metric, percentile and plot works on both. Times are int64 nanoseconds on the monotonic clock
since the start of the run (`t0`), -1 where the event never happened; tokens are ints, -1 where the
server did not say. Chunks are the arrivals that carry tokens: `chunk_ns[i]` is when the bytes of the
i-th arrived and `chunk_tokens[i]` how many tokens they carried.
"""

from __future__ import annotations

import polars as pl

REQUEST_SCHEMA: dict[str, pl.DataType] = {
    "index": pl.Int64(),  # in order of due time within the load level
    "worker": pl.Int32(),  # process that sent it
    "user": pl.Int32(),  # slot of a closed loop, -1 in an open loop
    "endpoint": pl.Int32(),  # which of several base URLs
    "session": pl.Int64(),  # conversation it belongs to, -1 if none
    "turn": pl.Int32(),  # its place in the conversation, from 0
    "due_ns": pl.Int64(),  # when it was meant to be sent
    "sent_ns": pl.Int64(),  # when its last byte was handed to the kernel
    "headers_ns": pl.Int64(),  # first byte of the answer
    "first_ns": pl.Int64(),  # first token, -1 where the answer was not streamed
    "last_ns": pl.Int64(),  # last token
    "end_ns": pl.Int64(),  # end of the answer, or of the attempt
    "status": pl.String(),
    "http_status": pl.Int32(),
    "detail": pl.String(),  # the server's or the system's words on a failure
    "finish_reason": pl.String(),
    "planned_input": pl.Int32(),
    "planned_output": pl.Int32(),
    "input_tokens": pl.Int32(),  # of the server's usage
    "output_tokens": pl.Int32(),
    "cached_tokens": pl.Int32(),
    "reasoning_tokens": pl.Int32(),
    "possible_tokens": pl.Int32(),  # prompt tokens that an endless cache would hold; of requests of recorded sessions
    "coalesced": pl.Int32(),  # chunks whose stamp is that of a later read (censored gaps)
    "chunk_ns": pl.List(pl.Int64()),
    "chunk_tokens": pl.List(pl.Int32()),
}


def empty_requests() -> pl.DataFrame:
    """A table of no requests."""
    return pl.DataFrame(schema=REQUEST_SCHEMA)


def conform_requests(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with every column, in order and of its type; absent ones null, others dropped."""
    have = set(frame.columns)
    return frame.select((pl.col(n) if n in have else pl.lit(None)).cast(t).alias(n) for n, t in REQUEST_SCHEMA.items())
