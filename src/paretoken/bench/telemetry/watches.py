"""Several observers of a sweep as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paretoken.bench.client.counters import Progress
from paretoken.bench.plan import Load, Stop
from paretoken.bench.run_folder import LevelOnDisk
from paretoken.bench.watch import Watch


@dataclass(frozen=True, slots=True)
class Watches:
    """Passes every call on to all of them, in order."""

    watches: Sequence[Watch]

    def begins(self, number: int, load: Load, of: int | None, stop: Stop) -> None:
        for watch in self.watches:
            watch.begins(number, load, of, stop)

    def goes_on(self, progress: Progress) -> None:
        for watch in self.watches:
            watch.goes_on(progress)

    def ends(self, level: LevelOnDisk) -> None:
        for watch in self.watches:
            watch.ends(level)
