"""A run or a campaign while it measures: what its files say now.

The counts are those of live.json; latencies come from the journals, in which every finished request is. Both are read
beside the benchmark, which does not know of it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from paretoken.bench.client.fidelity import CPU_SHARE_LIMIT, SEND_LATENESS_LIMIT_S
from paretoken.bench.client.journal import SUFFIX, records_after
from paretoken.bench.live_file import LIVE, LiveRecord, Series
from paretoken.bench.lock import is_locked
from paretoken.bench.run_folder import LEVELS, LOCK, SUMMARY
from paretoken.campaign.collect import CellProgress, status
from paretoken.campaign.state import CampaignFolder
from paretoken.errors import BadFile
from paretoken.points.statuses import OK
from paretoken.serve.run_files import is_measuring, require_no_links

EVERY_S = 1.0
MOST_LIVE_BYTES = 4_000_000
MOST_JOURNALS = 256
MOST_AT_ONCE = 20_000
"""Requests of a journal that are read at once; the next look reads on."""
MOST_REQUESTS = 200_000
"""Requests of a level whose latencies are kept: the last ones."""
BINS = 60
"""Spans of a level's time, each with its own latencies."""
QUANTILES = (0.5, 0.9, 0.99)
RECENT_S = 3.0
COUNTS = ("elapsed_s", "tokens")
Picture = dict[str, object]
Floats = npt.NDArray[np.float64]


@dataclass(slots=True)
class LevelLatencies:
    """The latencies of a level's finished requests so far, by when they ended."""

    level: int = 0
    offsets: dict[str, int] = field(default_factory=dict)
    rows: list[tuple[float, float, float, float, float]] = field(default_factory=list)

    def read(self, folder: Path) -> None:
        """Take what the journals of a level hold beyond what was read."""
        for path in sorted(folder.glob(f"*{SUFFIX}"))[:MOST_JOURNALS]:
            if path.is_symlink() or not path.is_file():
                continue
            with suppress(BadFile):
                self._read_on(path)
        del self.rows[:-MOST_REQUESTS]

    def _read_on(self, path: Path) -> None:
        taken = 0
        for records, place in records_after(path, self.offsets.get(path.name, 0)):
            self.offsets[path.name] = place
            self.rows += map(tuple, times_of(records).tolist())
            taken += records.height
            if taken >= MOST_AT_ONCE:
                return

    def picture(self) -> Picture:
        """Quantiles of all of them, the lateness of sending, and TTFT over the time of the level."""
        if not self.rows:
            return {}
        end, late, ttft, tpot, e2e = np.array(self.rows).T
        return {
            "requests": len(self.rows),
            "ttft_s": _quantiles(ttft),
            "tpot_s": _quantiles(tpot),
            "e2e_s": _quantiles(e2e),
            "late_p99_s": _quantiles(late)[-1],
            "over_time": _over_time(end, ttft, tpot),
        }


def times_of(records: pl.DataFrame) -> Floats:
    """When each request ended, how late it was sent, TTFT, TPOT and E2E, all in s; NaN where it has none.

    As `bench.stats.metrics` defines them; whether an answer was held back on the way is judged at the end of the level.
    """
    due, sent, first, last, end = (records[f"{n}_ns"].to_numpy() for n in ("due", "sent", "first", "last", "end"))
    stated, client = records["output_tokens"].to_numpy(), records["chunk_tokens"].list.sum().to_numpy()
    tokens = np.where(stated >= 0, stated, client)
    answered = (records["status"] == OK).to_numpy() & (last >= 0)
    late = np.where(sent >= 0, (sent - due) / 1e9, np.nan)
    ttft = np.where(answered & (first >= 0), (first - due) / 1e9, np.nan)
    e2e = np.where(answered, (last - due) / 1e9, np.nan)
    tpot = np.where(tokens > 1, (e2e - ttft) / np.maximum(tokens - 1, 1), np.nan)
    return np.stack([end / 1e9, late, ttft, tpot, e2e], axis=1)


class RunWatch:
    """What one run says of itself now. Several who watch it share one, which reads its files once a second."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._lock = threading.Lock()
        self._latencies = LevelLatencies()
        self._picture: Picture = {}
        self._due_s = 0.0

    def picture(self) -> Picture:
        """The state now: at most EVERY_S old."""
        with self._lock:
            if self._clock() >= self._due_s:
                self._picture = self._read()
                self._due_s = self._clock() + EVERY_S / 2
            return self._picture

    def _read(self) -> Picture:
        done = sum(1 for _ in self._folder.glob(f"{LEVELS}/[0-9]*/{SUMMARY}"))
        if not (is_measuring(self._folder) or is_locked(self._folder / LOCK)):
            return {"state": "ended", "levels_done": done}
        try:
            live = live_record(self._folder)
        except BadFile as e:
            return {"state": "measuring", "levels_done": done, "error": str(e).replace(f"{self._folder}/", "")}
        if live is None or live.progress is None:
            where = {"number": live.number, "of": live.of} if live and live.number else {}
            return {"state": "between", "levels_done": done, **where}
        if self._latencies.level != live.number:
            self._latencies = LevelLatencies(live.number)
        self._latencies.read(self._folder / LEVELS / f"{live.number:04d}")
        return {"state": "measuring", "levels_done": done, **level_picture(live), **self._latencies.picture()}


def live_record(folder: Path) -> LiveRecord | None:
    """The content of a run's live.json, None without one; BadFile for a link, or one that is too large."""
    path = folder / LIVE
    if path.is_symlink():
        raise BadFile(f"{LIVE} is a link; it is not followed")
    if not path.is_file():
        return None
    if path.stat().st_size > MOST_LIVE_BYTES:
        raise BadFile(f"{LIVE} is larger than {MOST_LIVE_BYTES // 1_000_000} MB; check that it is the right file")
    return LiveRecord.read(path)


def level_picture(live: LiveRecord) -> Picture:
    """The level that runs: its load, counts, the client's own measurements and the server's."""
    now, series = live.progress, live.series
    if now is None:
        return {}
    rates = token_rates(series)
    server = now.server
    preemptions = series.get("preemptions", ())
    first = next((v for v in preemptions if v is not None), None)
    risen = None if server is None or server.preemptions is None or first is None else server.preemptions - first
    return {
        "number": live.number,
        "of": live.of,
        "load": live.load.name if live.load else "",
        "elapsed_s": now.elapsed_s,
        "seconds": live.stop.seconds + live.stop.warmup_s if live.stop and live.stop.seconds else None,
        "sending": now.sending,
        "running": now.running,
        "finished": now.finished,
        "errors": now.errors,
        "output_tok_s": rates[-1] if rates else None,
        "cpu_share": now.cpu_share,
        "cpu_limit": CPU_SHARE_LIMIT,
        "late_limit_s": SEND_LATENESS_LIMIT_S if live.load and live.load.kind == "open" else None,
        "server": None
        if server is None
        else {
            "engine": server.engine,
            "running": server.running,
            "waiting": server.waiting,
            "kv_cache_usage": server.kv_cache_usage,
            "preemptions": risen,
        },
        "series": {
            "at_s": series.get("elapsed_s", ()),
            "output_tok_s": rates,
            "running": series.get("running", ()),
            "waiting": series.get("waiting", ()),
            "kv_cache_usage": series.get("kv_cache_usage", ()),
        },
    }


def token_rates(series: Series) -> list[float | None]:
    """Output tok/s at each moment of a level: over the RECENT_S before it, or since the moment before."""
    moments = [(float(s or 0), float(n or 0)) for s, n in zip(*(series.get(k, ()) for k in COUNTS), strict=False)]
    before = deque([(0.0, 0.0)])
    rates: list[float | None] = []
    for at_s, tokens in moments:
        while len(before) > 1 and at_s - before[1][0] >= RECENT_S:
            before.popleft()
        span = at_s - before[0][0]
        rates.append(max(tokens - before[0][1], 0.0) / span if span > 0 else None)
        before.append((at_s, tokens))
    return rates


def campaign_picture(folder: Path) -> Picture:
    """A campaign now: its cells with their points, and whether it is over."""
    require_no_links(folder, deep=3)
    cells = status(CampaignFolder(folder))
    going = is_locked(folder / LOCK) or any(cell.status == "running" for cell in cells)
    return {
        "state": "measuring" if going else "ended",
        "done": sum(cell.points for cell in cells),
        "of": sum(cell.of for cell in cells),
        "cells": [_cell(cell) for cell in cells],
    }


def _cell(cell: CellProgress) -> Picture:
    names = ("job", "workload", "status", "points", "of", "reason", "point")
    return {name: value for name, value in asdict(cell).items() if name in names}


def _quantiles(values: Floats) -> list[float | None]:
    """QUANTILES of the values that are numbers; None without any."""
    numbers = values[np.isfinite(values)]
    return [float(q) for q in np.quantile(numbers, QUANTILES)] if len(numbers) else [None] * len(QUANTILES)


def _over_time(end: Floats, ttft: Floats, tpot: Floats) -> Picture:
    """Median TTFT and TPOT of the requests that ended in each span of the time so far."""
    edges = np.linspace(0.0, max(float(end.max()), 1.0), BINS + 1)
    place = np.clip(np.searchsorted(edges, end, side="right") - 1, 0, BINS - 1)
    spans = np.unique(place)
    return {
        "at_s": [(float(edges[k]) + float(edges[k + 1])) / 2 for k in spans],
        "ttft_p50_s": [_quantiles(ttft[place == k])[0] for k in spans],
        "tpot_p50_s": [_quantiles(tpot[place == k])[0] for k in spans],
    }
