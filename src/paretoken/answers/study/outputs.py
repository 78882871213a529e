"""The folder a study leaves behind: whole, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import polars as pl

from paretoken.answers.study.config import to_toml
from paretoken.answers.study.result import StudyResult
from paretoken.answers.study.tables import study_tables, verdicts
from paretoken.csv_cells import with_quoted_cells
from paretoken.errors import CannotWrite
from paretoken.points.files import write_points


def check_out(out: Path) -> None:
    """CannotWrite if `out` cannot become, or is not, a folder that can be written to."""
    if out.exists() and not out.is_dir():
        raise CannotWrite(f"--out {out} is a file; give a folder")
    parent = next(p for p in (out, *out.absolute().parents) if p.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise CannotWrite(f"--out {out} cannot be made or written to ({parent} is not writable); give another folder")


def write_study(result: StudyResult, out: Path | str, render: Callable[[StudyResult], str] | None = None) -> list[Path]:
    """Write every output of the study into the folder `out` and return their paths.

    All files are written beside the folder first and moved in together at the end, so that an error
    or a full disk leaves what was there before. `render` makes report.html; without it none is made.
    """
    out = Path(out)
    check_out(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as temporary:
            staged = Path(temporary) / "study"
            staged.mkdir(mode=0o755)
            _write_all(result, staged, render)
            return _move_in(staged, out)
    except OSError as e:
        raise CannotWrite(f"--out {out}: {e.strerror or e}; nothing was written") from e


def study_points_table(result: StudyResult) -> pl.DataFrame:
    """Every point that takes part and every flagged one that was left out, once each."""
    parts = [frame for p in result.panels for frame in (p.points, p.flagged)]
    return pl.concat(parts).unique(maintain_order=True)


def _write_all(result: StudyResult, folder: Path, render: Callable[[StudyResult], str] | None) -> None:
    """Every file; the points are compressed, which takes no Python, while the rest is made."""
    with ThreadPoolExecutor(1) as beside:
        points = beside.submit(write_points, study_points_table(result), folder / "points.parquet")
        for stem, rows in study_tables(result).items():
            with_quoted_cells(pl.DataFrame(rows, infer_schema_length=None)).write_csv(folder / f"{stem}.csv")
        options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY
        (folder / "verdicts.json").write_bytes(orjson.dumps(verdicts(result), option=options))
        (folder / "study.toml").write_text(to_toml(result.study), encoding="utf-8")
        if render:
            (folder / "report.html").write_text(render(result), encoding="utf-8")
        points.result()


def _move_in(staged: Path, out: Path) -> list[Path]:
    names = sorted(p.name for p in staged.iterdir())
    if not out.exists():
        shutil.move(staged, out)
    else:
        for name in names:
            (staged / name).replace(out / name)
    return [out / name for name in names]
