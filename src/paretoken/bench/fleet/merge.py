"""Merge the shares of a level: the records, not percentiles, as one large client would have recorded them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from paretoken.bench.client.fidelity import WorkerTally, judge
from paretoken.bench.client.level import LevelResult
from paretoken.bench.fleet.clock import ClockOffset
from paretoken.bench.fleet.share import Share, ShareReport
from paretoken.bench.plan import Closed, Load

_TIMES = ("due_ns", "sent_ns", "headers_ns", "first_ns", "last_ns", "end_ns")


@dataclass(frozen=True, slots=True)
class SentShare:
    """What one node sent: its records by its own clock, its report, and the offset of its clock from ours."""

    share: Share
    requests: pl.DataFrame
    about: ShareReport
    offset: ClockOffset

    @property
    def t0_unix_s(self) -> float:
        """When the node started, by our clock."""
        return self.about["t0_unix_s"] - self.offset.seconds


def merge(sent: Sequence[SentShare], load: Load) -> LevelResult:
    """One level from all shares that came back. Time 0 is the earliest start, by our clock."""
    zero = min(one.t0_unix_s for one in sent)
    tables = [_moved(one, round((one.t0_unix_s - zero) * 1e9), load) for one in sent]
    requests = pl.concat(tables).sort("due_ns", maintain_order=True)
    requests = requests.with_columns(index=pl.int_range(pl.len(), dtype=pl.Int64))
    tallies = [WorkerTally.from_json(t) for one in sent for t in one.about["tallies"]]
    closed, steal = isinstance(load, Closed), max(one.about["steal"] for one in sent)
    return LevelResult(
        requests=requests,
        fidelity=judge(tallies, closed=closed, steal=steal, lost=sum(one.about["lost"] for one in sent)),
        t0_unix_s=zero,
        t0_monotonic_ns=time.monotonic_ns() - round((time.time() - zero) * 1e9),
        sending_s=max(one.t0_unix_s - zero + one.about["sending_s"] for one in sent),
        elapsed_s=max(one.t0_unix_s - zero + one.about["elapsed_s"] for one in sent),
        journals=(),
    )


def surviving(load: Load, shares: Sequence[Share]) -> Load:
    """The load that these nodes alone sent."""
    if isinstance(load, Closed):
        users = sum(share.of(load.users) for share in shares)
        return replace(load, users=users, from_users=sum(share.of(load.from_users) for share in shares))
    parts = [share.arrivals(load) for share in shares]
    due = np.sort(np.concatenate([part.due_s for part in parts]))
    return replace(load, due_s=due, rate=sum(part.rate for part in parts))


def _moved(one: SentShare, by_ns: int, load: Load) -> pl.DataFrame:
    """Its records on the common time, with workers and users numbered as in one large client."""
    first_user = one.share.first(load.users) if isinstance(load, Closed) else 0
    times = [pl.when(pl.col(c) >= 0).then(pl.col(c) + by_ns).otherwise(pl.col(c)).alias(c) for c in _TIMES]
    return one.requests.with_columns(
        *times,
        chunk_ns=pl.col("chunk_ns").list.eval(pl.element() + by_ns),
        worker=(pl.col("worker") * one.share.nodes + one.share.node).cast(pl.Int32),
        user=pl.when(pl.col("user") >= 0).then(pl.col("user") + first_user).otherwise(pl.col("user")).cast(pl.Int32),
    )
