"""How long an answer may take, and how much of it there may be: what ends one that never ends by itself.

Headers, and an answer in one piece, must be complete within the timeout of the send; a stream must bring a token
within it, from its headers on. Comments are no progress, nor are tokens far beyond `max_tokens`.
"""

from __future__ import annotations

from paretoken.bench.client.exchange import Exchange

ENOUGH_PER_TOKEN, ENOUGH_BESIDE = 2, 16
"""Chunks beyond this many per token of `max_tokens`, plus this many, count as no progress."""


def progress_ns(exchange: Exchange) -> int:
    """When the answer last got on."""
    times = exchange.tally.chunk_ns
    if times:
        return times[min(len(times), _enough(exchange)) - 1]
    return exchange.headers_ns if exchange.streams else exchange.begun_ns


def overdue(exchange: Exchange, timeout_ns: int, last_byte_ns: int, now: int) -> str:
    """What has not come in time, in words."""
    seconds, planned = f"{timeout_ns / 1e9:g} s", exchange.prepared.output_tokens
    if exchange.headers_ns < 0:
        return f"nothing arrived for {seconds}"
    if not exchange.response.status:
        return f"the headers were not complete after {seconds}"
    if not exchange.streams:
        return f"the answer was not complete after {seconds}"
    if len(exchange.tally.chunk_ns) > _enough(exchange):
        return f"the stream went on for {seconds} after {_enough(exchange):,} chunks for max_tokens {planned:,}"
    what = "nothing" if now - last_byte_ns > timeout_ns else "no token, only keep-alives,"
    return f"{what} arrived for {seconds}"


def _enough(exchange: Exchange) -> int:
    planned = exchange.prepared.output_tokens
    return ENOUGH_PER_TOKEN * planned + ENOUGH_BESIDE if planned > 0 else exchange.most_chunks
