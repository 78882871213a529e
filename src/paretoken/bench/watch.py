"""Who looks on while a sweep runs."""

from __future__ import annotations

from typing import Protocol

from paretoken.bench.client.counters import Progress
from paretoken.bench.plan import Load, Stop
from paretoken.bench.run_folder import LevelOnDisk


class Watch(Protocol):
    """An observer of a sweep: a live view, or a record of where it is."""

    def begins(self, number: int, load: Load, of: int | None, stop: Stop) -> None:
        """A level starts and will end by `stop`; `of` is the number of levels, None in a search."""

    def goes_on(self, progress: Progress) -> None:
        """Called some times a second while it runs."""

    def ends(self, level: LevelOnDisk) -> None:
        """A level is finished and on disk."""
