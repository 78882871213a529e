"""Latencies of a level that is being measured, from its journals, as the report defines them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from paretoken.bench.client.journal import SUFFIX, records_after
from paretoken.bench.stats.arrays import Floats
from paretoken.bench.stats.chunks import NS
from paretoken.bench.stats.metrics import sample
from paretoken.errors import BadFile

MOST_JOURNALS = 256
MOST_AT_ONCE = 20_000
"""Requests of a journal that are read at once; the next look reads on."""
HEAD_BYTES = 512
"""Of a journal: its header and the times of its first requests, which no other journal has."""
MOST_REQUESTS = 200_000
"""Requests of a level whose latencies are kept: the last ones."""
BINS = 60
"""Spans of a level's time, each with its own latencies."""
QUANTILES = (0.5, 0.9, 0.99)


@dataclass(slots=True)
class LevelLatencies:
    """The latencies of a level's finished requests so far, by when they ended."""

    level: int = 0
    offsets: dict[str, int] = field(default_factory=dict)
    heads: dict[str, bytes] = field(default_factory=dict)
    """The first bytes of each journal, which differ once its level is measured again."""
    rows: list[tuple[float, float, float, float, float]] = field(default_factory=list)

    def read(self, folder: Path) -> None:
        """Take what the journals of a level hold beyond what was read; all of it where they were begun anew."""
        files = sorted(folder.glob(f"*{SUFFIX}"))[:MOST_JOURNALS]
        journals = [path for path in files if not path.is_symlink() and path.is_file()]
        if any(map(self._is_new, journals)):
            self.offsets, self.heads, self.rows = {}, {}, []
        for path in journals:
            with suppress(BadFile, OSError):
                self._read_on(path)
        del self.rows[:-MOST_REQUESTS]

    def _is_new(self, path: Path) -> bool:
        """Whether a journal is not the one that was read before, but another of its name."""
        head, offset = self.heads.get(path.name, b""), self.offsets.get(path.name, 0)
        try:
            return _head(path, len(head)) != head or path.stat().st_size < offset
        except OSError:  # it went away: its level ended, or begins anew
            return True

    def _read_on(self, path: Path) -> None:
        taken = 0
        for records, place in records_after(path, self.offsets.get(path.name, 0)):
            self.offsets[path.name] = place
            self.heads.setdefault(path.name, _head(path, min(place, HEAD_BYTES)))
            self.rows += map(tuple, times_of(records).tolist())
            taken += records.height
            if taken >= MOST_AT_ONCE:
                return

    def picture(self) -> dict[str, object]:
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


def _head(path: Path, most_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(most_bytes)


def times_of(records: pl.DataFrame) -> Floats:
    """When each request ended, how late it was sent, TTFT, TPOT and E2E, all in s; NaN where it has none.

    As the report has them, except that the report leaves out what is not steady.
    """
    s = sample(records)
    return np.stack([s.end_ns * NS, s.lateness_s, s.ttft_s, s.tpot_s, s.e2e_s], axis=1)


def _quantiles(values: Floats) -> list[float | None]:
    """QUANTILES of the values that are numbers; None without any."""
    numbers = values[np.isfinite(values)]
    return [float(q) for q in np.quantile(numbers, QUANTILES)] if len(numbers) else [None] * len(QUANTILES)


def _over_time(end: Floats, ttft: Floats, tpot: Floats) -> dict[str, object]:
    """Median TTFT and TPOT of the requests that ended in each span of the time so far."""
    edges = np.linspace(0.0, max(float(end.max()), 1.0), BINS + 1)
    place = np.clip(np.searchsorted(edges, end, side="right") - 1, 0, BINS - 1)
    spans = np.unique(place)
    return {
        "at_s": [(float(edges[k]) + float(edges[k + 1])) / 2 for k in spans],
        "ttft_p50_s": [_quantiles(ttft[place == k])[0] for k in spans],
        "tpot_p50_s": [_quantiles(tpot[place == k])[0] for k in spans],
    }
