"""Which runs, campaigns and tables of points a folder holds, and what their files were when they were last seen.

Nothing is followed that is a link: what a link leads to is not in the folder. The walk is bounded, because a folder
may come from anyone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Literal

from paretoken.bench.live_file import LIVE
from paretoken.bench.lock import is_locked
from paretoken.bench.run_folder import LEVELS, LOCK, POINTS, REQUESTS, RUN, SUMMARY
from paretoken.campaign.state import CAMPAIGN
from paretoken.errors import BadFile
from paretoken.foreign_text import visible

MOST_ENTRIES = 500_000
DEEPEST = 12
MOST_PLACES = 20_000
FRESH_S = 10.0
"""A live file that is older may be one that a killed run left; its lock says whether the run goes on."""
PARQUET = ".parquet"
PlaceKind = Literal["run", "campaign", "points"]
FileState = tuple[int, int] | None
"""When a file was changed, ns, and its size; None where there is none."""


@dataclass(frozen=True, slots=True)
class RunPlace:
    """A run, a campaign or a Parquet file by its path in the folder, with the states of its files.

    `measuring` says whether a process measures into it now.
    """

    path: str
    kind: PlaceKind
    states: tuple[FileState, ...]
    measuring: bool = False


def run_places(root: Path) -> Iterator[RunPlace]:
    """Every place of a folder, in no order; at most MOST_PLACES, in at most MOST_ENTRIES entries."""
    open_: list[tuple[str, str, int, bool]] = [(str(root), "", 0, False)]
    entries = places = 0
    while open_:
        folder, path, depth, in_campaign = open_.pop()
        files, folders = _listed(folder)
        entries += len(files) + len(folders)
        own, is_campaign = _place_of(folder, path, files), CAMPAIGN in files
        if own is None and not (in_campaign or is_campaign):
            tables = [n for n in files if n.endswith(PARQUET)]
            own = [RunPlace(_joined(path, n), "points", (_state(files[n]),)) for n in tables]
        for place in own or ():
            yield place
            places += 1
            if places >= MOST_PLACES:
                return
        if entries > MOST_ENTRIES:
            return
        if RUN not in files and depth < DEEPEST:
            below = in_campaign or is_campaign
            open_ += [(f"{folder}/{name}", _joined(path, name), depth + 1, below) for name in folders]


def require_no_links(folder: Path, deep: int = 2) -> None:
    """BadFile where a file of a run, or with `deep` 3 of a campaign, is a link: only what is in its folder is read."""
    open_ = [(str(folder), deep)]
    while open_:
        place, below = open_.pop()
        for entry in _entries(place):
            if entry.is_symlink():
                raise BadFile(
                    f"{visible(entry.name)} in {visible(Path(place).name)} is a link; copy the file there instead"
                )
            if below and entry.is_dir(follow_symlinks=False):
                open_.append((entry.path, below - 1))


def measured_size(folders: Iterable[Path]) -> tuple[int, int]:
    """How many finished levels runs have, and the size of their requests in bytes."""
    levels = [place.parent for folder in folders for place in folder.glob(f"{LEVELS}/[0-9]*/{SUMMARY}")]
    sizes = [(level / REQUESTS).lstat().st_size for level in levels if (level / REQUESTS).is_file()]
    return len(levels), sum(sizes)


def _listed(folder: str) -> tuple[dict[str, os.DirEntry[str]], list[str]]:
    """The regular files of a folder by name, and its folders; hidden ones and links are left out."""
    files: dict[str, os.DirEntry[str]] = {}
    folders: list[str] = []
    for entry in _entries(folder):
        if entry.name.startswith(".") or not _is_text(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            folders.append(entry.name)
        elif entry.is_file(follow_symlinks=False):
            files[entry.name] = entry
    return files, folders


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:  # it went away, or may not be read
        return []


def _place_of(folder: str, path: str, files: dict[str, os.DirEntry[str]]) -> list[RunPlace] | None:
    """The run or campaign that a folder is, None where it is neither."""
    if RUN in files:
        states = tuple(_state(files.get(name)) for name in (RUN, SUMMARY, POINTS))
        return [RunPlace(path, "run", states, LIVE in files and is_measuring(Path(folder)))]
    if CAMPAIGN in files:
        return [RunPlace(path, "campaign", (_state(files[CAMPAIGN]),))]
    return None


def is_measuring(folder: Path) -> bool:
    """Whether a process measures into a run now: its live file is fresh, or its lock is held."""
    try:
        state = (folder / LIVE).lstat()
    except OSError:
        return False
    if not S_ISREG(state.st_mode):
        return False
    return time.time() - state.st_mtime < FRESH_S or is_locked(folder / LOCK)


def _state(entry: os.DirEntry[str] | None) -> FileState:
    if entry is None:
        return None
    try:
        state = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size


def _joined(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _is_text(name: str) -> bool:
    """Whether a name can be written as UTF-8: others cannot be named in a question."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
