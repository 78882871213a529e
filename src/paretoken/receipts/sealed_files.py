"""The files of a run that a receipt may name, and that an archive may hold."""

from __future__ import annotations

import re
from pathlib import Path

from paretoken.bench.receipt import OF_LEVEL, OF_RUN, RECEIPT
from paretoken.errors import BadFile, quoted

_LEVEL = r"levels/[0-9]{4}/"
_NAMES = re.compile(
    "|".join(
        (
            *(re.escape(name) for name in (*OF_RUN, RECEIPT)),
            *(_LEVEL + re.escape(name) for name in (*OF_LEVEL, RECEIPT)),
        )
    )
)


def is_run_file(path: str) -> bool:
    """Whether a path within a run is one that `bench` or `campaign` writes: no other leaves the folder or is a link."""
    return _NAMES.fullmatch(path) is not None


def run_file(run: Path, path: str, where: object) -> Path:
    """The file of a run by its path there; BadFile where `where` names a path that no run has."""
    if not is_run_file(path):
        raise BadFile(f"{where} names {quoted(path)}, which is no file of a run; was it edited by hand?")
    return run / path


def is_plain(run: Path, path: str) -> bool:
    """Whether a file of a run is a regular file, and neither it nor a folder above it within the run is a link."""
    places = [run / path, *(run / parent for parent in Path(path).parents if str(parent) != ".")]
    return (run / path).is_file() and not any(place.is_symlink() for place in places)


def run_paths(run: Path) -> list[str]:
    """The paths of the files of a run that `bench` or `campaign` writes, sorted."""
    files = (str(p.relative_to(run).as_posix()) for p in (*run.glob("*"), *run.glob("levels/*/*")))
    return sorted(path for path in files if is_run_file(path))


def level_names(run: Path) -> list[str]:
    """The folders of the levels that are on disk, finished or not, but for those moved aside."""
    return sorted(p.name for p in (run / "levels").glob("[0-9]*") if re.fullmatch("[0-9]{4}", p.name))
