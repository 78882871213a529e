"""A run on disk: what was asked, and each finished load level whole.

    RUN/run.json                 what was asked, with which seed, of which server, on which host
    RUN/levels/0001/             one folder for each load level, in the order measured
        requests.parquet         its request records
        summary.json             its summary, written last: a level with one is finished
        requests-0.journal       while it runs: each request as it ends
    RUN/points.parquet           one operating point for each load; the means where it was repeated
    RUN/summary.json             the summaries of the finished levels and the answer of the run

Files are written beside their place and moved in, so that a reader never sees half of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from paretoken.bench.client.journal import SUFFIX, merge_journals
from paretoken.errors import BadFile, CannotWrite

if TYPE_CHECKING:
    import polars as pl

RUN_VERSION = 1
ROW_GROUP = 1024
"""Requests written at a time: a hundred tokens and more each, and the writer holds a group several times over."""
LEVELS, REQUESTS, SUMMARY, RUN, POINTS = "levels", "requests.parquet", "summary.json", "run.json", "points.parquet"


@dataclass(frozen=True, slots=True)
class LevelOnDisk:
    """One finished level: its summary, and where its requests are."""

    folder: Path
    summary: Mapping[str, Any]

    def requests(self) -> pl.DataFrame:
        """Its request records."""
        import polars as pl

        from paretoken.points.requests import conform_requests

        return conform_requests(pl.read_parquet(self.folder / REQUESTS))

    @property
    def point(self) -> Mapping[str, Any]:
        """Its row of the schema of operating points."""
        return self.summary["point"]


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run."""

    folder: Path

    def create(self, about: Mapping[str, Any]) -> None:
        """Begin a new run. CannotWrite if there is one already, or the place cannot be written to."""
        if (self.folder / RUN).exists():
            raise CannotWrite(
                f"{self.folder} already holds a run; go on with --resume {self.folder}, or give another --out"
            )
        try:
            (self.folder / LEVELS).mkdir(parents=True, exist_ok=True)
            write_json(self.folder / RUN, {"schema": "paretoken.run", "schema_version": RUN_VERSION, **about})
        except OSError as e:
            raise CannotWrite(f"{self.folder} cannot be written to: {e.strerror}; give another --out") from e

    def about(self) -> dict[str, Any]:
        """The content of run.json; BadFile if this is no run."""
        if not (self.folder / RUN).is_file():
            raise BadFile(f"{self.folder} holds no run (no {RUN}); give a folder that 'paretoken bench' made")
        about = read_json(self.folder / RUN)
        if about.get("schema_version", 0) > RUN_VERSION:
            raise BadFile(f"{self.folder} was made by a newer version; update paretoken")
        return about

    def level_folder(self, number: int) -> Path:
        return self.folder / LEVELS / f"{number:04d}"

    def finished(self, number: int) -> LevelOnDisk | None:
        """The level of that number if it was finished."""
        place = self.level_folder(number)
        return _level(place) if (place / SUMMARY).is_file() else None

    def levels(self) -> list[LevelOnDisk]:
        """The finished levels in the order measured."""
        found = sorted(p for p in (self.folder / LEVELS).glob("[0-9]*") if (p / SUMMARY).is_file())
        return [_level(p) for p in found]

    def clear(self, number: int) -> Path:
        """An empty folder for a level that is about to be measured; what an earlier try left is moved aside."""
        place = self.level_folder(number)
        with self._writing(place):
            if place.exists():
                aside = next(p for i in range(1, 1000) if not (p := place.with_name(f"{place.name}.cut{i}")).exists())
                place.rename(aside)
            place.mkdir(parents=True)
        return place

    def keep_requests(self, number: int, requests: pl.DataFrame) -> None:
        """Write the requests of a level; its journals stay until it is finished."""
        place = self.level_folder(number)
        with self._writing(place):
            partial = place / f".{REQUESTS}"
            requests.write_parquet(partial, compression="zstd", row_group_size=ROW_GROUP)
            partial.replace(place / REQUESTS)

    def keep(self, number: int, summary: Mapping[str, Any], point: Mapping[str, Any]) -> LevelOnDisk:
        """Finish a level whose requests are kept: its summary with its point, then the tables of the run."""
        place = self.level_folder(number)
        with self._writing(place):
            write_json(place / SUMMARY, {**summary, "point": dict(point)})
            for journal in (*place.glob(f"*{SUFFIX}"), *place.glob("*.worker.json")):
                journal.unlink()
        self.refresh()
        return LevelOnDisk(place, {**summary, "point": dict(point)})

    @contextmanager
    def _writing(self, place: Path) -> Iterator[None]:
        try:
            yield
        except Exception as e:
            if not _cannot_write(e):
                raise
            raise CannotWrite(
                f"{getattr(e, 'strerror', None) or e} at {place}; finished levels are kept, make room and go on with "
                f"--resume {self.folder}"
            ) from e

    def refresh(self, answer: Mapping[str, Any] | None = None) -> None:
        """Write points.parquet and summary.json anew from the finished levels."""
        with self._writing(self.folder):
            self._refresh(answer)

    def _refresh(self, answer: Mapping[str, Any] | None) -> None:
        from paretoken.bench.stats.point import points_frame
        from paretoken.bench.stats.repeats import merged_points, repeated
        from paretoken.points.files import write_points

        levels = self.levels()
        partial = self.folder / f".{POINTS}"
        write_points(points_frame(merged_points([level.summary for level in levels])), partial)
        partial.replace(self.folder / POINTS)
        before = read_json(self.folder / SUMMARY) if (self.folder / SUMMARY).is_file() else {}
        write_json(
            self.folder / SUMMARY,
            {
                "schema": "paretoken.sweep",
                "schema_version": RUN_VERSION,
                "levels": [level.summary for level in levels],
                "repeats": repeated([level.summary for level in levels]),
                "answer": dict(answer) if answer else before.get("answer"),
            },
        )

    def unfinished(self) -> pl.DataFrame | None:
        """The requests that ended in levels that did not: from the journals of a run that was cut."""
        cut = [p for p in (self.folder / LEVELS).glob(f"*/*{SUFFIX}") if not (p.parent / SUMMARY).is_file()]
        return merge_journals(sorted(cut)) if cut else None


def _cannot_write(error: Exception) -> bool:
    """Whether the disk is to blame: polars has errors of its own for a full one."""
    import polars as pl  # not before the load: it takes a while

    return isinstance(error, (OSError, CannotWrite, pl.exceptions.PolarsError))


def run_folders(place: Path) -> list[Path]:
    """The run that a folder is, or those of a campaign that it holds; BadFile where there is none."""
    if (place / RUN).is_file():
        return [place]
    inside = sorted(p.parent for p in place.glob(f"jobs/*/*/{RUN}"))
    if not inside:
        raise BadFile(f"{place} holds no run; give a folder of 'paretoken bench' or of 'paretoken campaign'")
    return inside


def _level(place: Path) -> LevelOnDisk:
    from paretoken.bench.stats.summary_file import read_summary

    return LevelOnDisk(place, read_summary(place / SUMMARY))


def read_json(path: Path) -> dict[str, Any]:
    """What a JSON file holds; BadFile where it cannot be read or is cut off."""
    try:
        return orjson.loads(path.read_bytes())
    except OSError as e:
        raise BadFile(f"{path} cannot be read: {e.strerror}") from e
    except orjson.JSONDecodeError as e:
        raise BadFile(f"{path} is not whole JSON: {e}") from e


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    partial = path.with_name(f".{path.name}")
    partial.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY))
    partial.replace(path)
