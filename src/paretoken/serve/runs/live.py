"""A run or a campaign while it measures: what its files say now.

The counts are those of live.json; latencies come from the journals, in which every finished request is. Both are read
beside the benchmark, which does not know of it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from paretoken.bench.client.fidelity import CPU_SHARE_LIMIT, SEND_LATENESS_LIMIT_S
from paretoken.bench.live_file import LIVE, LiveRecord, Series
from paretoken.bench.lock import is_locked
from paretoken.bench.run_folder import LEVELS, LOCK, SUMMARY
from paretoken.campaign.collect import CellProgress, status
from paretoken.campaign.state import CampaignFolder
from paretoken.errors import BadFile
from paretoken.serve.runs.files import is_measuring, require_no_links
from paretoken.serve.runs.live_latencies import LevelLatencies

EVERY_S = 1.0
MOST_LIVE_BYTES = 4_000_000
RECENT_S = 3.0
COUNTS = ("elapsed_s", "tokens")
Picture = dict[str, object]


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
            self._latencies = LevelLatencies()
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
