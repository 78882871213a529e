"""The runs that measure now: one reader for each, and what the list of them shows."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from paretoken.errors import ParetokenError
from paretoken.serve.runs.index import RunIndex
from paretoken.serve.runs.live import Picture, RunWatch

MOST_WATCHED = 128
"""Readers that are kept; the oldest goes."""
MOST_LISTED, MOST_READ = 200, 16
"""Runs of the list, and those of them whose files are read."""
AS_THEY_ARE = ("state", "number", "of", "load", "elapsed_s", "seconds", "running", "finished", "errors", "output_tok_s")


@dataclass(slots=True)
class RunWatches:
    """One reader for each run, whoever watches it: the list reads in threads beside the streams."""

    index: RunIndex
    watches: dict[str, RunWatch] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def of(self, path: str) -> RunWatch:
        """The reader of a run; NoData for what is not in the index."""
        folder = self.index.root / self.index.place(path).path
        with self._lock:
            while path not in self.watches and len(self.watches) >= MOST_WATCHED:
                del self.watches[next(iter(self.watches))]
            return self.watches.setdefault(path, RunWatch(folder))


def live_rows(index: RunIndex, watches: RunWatches) -> list[dict[str, object]]:
    """The runs that measure now, the newest first, each with `now`, its level; beyond MOST_READ without its figures."""
    query = f"SELECT * FROM runs WHERE measuring ORDER BY started DESC, path LIMIT {MOST_LISTED}"  # noqa: S608
    rows = index.tables(query)
    return [
        {**row, "now": level_now(_picture(watches, str(row["path"])) if place < MOST_READ else {})}
        for place, row in enumerate(rows)
    ]


def _picture(watches: RunWatches, path: str) -> Picture:
    """What a run says of itself; nothing where it went away, or where its files cannot be read: the list goes on."""
    try:
        return watches.of(path).picture()
    except (ParetokenError, OSError):
        return {}


def level_now(picture: Picture) -> dict[str, object]:
    """What the list shows of a level: its load, its progress and its figures so far; None where there is none."""
    p50, *_ = cast("Sequence[float | None]", picture.get("ttft_s", (None,)))
    return {name: picture.get(name) for name in AS_THEY_ARE} | {"ttft_p50_s": p50}
