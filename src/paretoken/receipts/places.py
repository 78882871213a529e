"""What `verify` is given: a run, a campaign, or an archive, which is read in a folder that is gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from paretoken.bench.run_folder import RUN, run_folders
from paretoken.errors import BadFile
from paretoken.receipts.unpack import unpack_run
from paretoken.receipts.verify import RunVerification, verify_run


@contextmanager
def runs_at(place: Path) -> Iterator[list[tuple[str, Path]]]:
    """The runs of a place with their names; BadFile where there is none."""
    if place.is_dir():
        yield [(str(run), run) for run in run_folders(place)]
        return
    if not place.exists():
        raise BadFile(f"{place} does not exist; check the path")
    with TemporaryDirectory(prefix="paretoken-") as folder:
        yield [(str(place), unpack_run(place, Path(folder)))]


@contextmanager
def verified_at(place: Path) -> Iterator[list[tuple[RunVerification, Path]]]:
    """The results of the runs of a place, with their folders."""
    with runs_at(place) as runs:
        yield [(verify_run(run, name), run) for name, run in runs]


def one_verified(run: Path) -> RunVerification:
    """The result for a folder that is one run; BadFile for a campaign, of which each cell is a run."""
    if not (run / RUN).is_file():
        inside = run_folders(run)[0] if run.is_dir() else None
        hint = f"; it is a campaign, whose runs are folders such as {inside}" if inside else ""
        raise BadFile(f"{run} is not the folder of one run{hint}")
    return verify_run(run)
