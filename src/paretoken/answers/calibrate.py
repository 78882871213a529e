"""A calibration fitted to operating points, written as a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from paretoken.answers.bundles import BundlesQuestion
from paretoken.answers.learning import points_data
from paretoken.answers.points import Data
from paretoken.errors import BadConfig, CannotWrite
from paretoken.predict.calibration.file import (
    Calibration,
    CalibrationErrors,
    shipped_calibration,
    write_calibration,
)
from paretoken.predict.calibration.make import calibrate as fit_calibration
from paretoken.predict.calibration.splits import SPLITS


@dataclass(frozen=True, kw_only=True)
class CalibrateQuestion(BundlesQuestion):
    """Which points to learn from, and where to write the calibration."""

    out: Annotated[Path, Field(description="The calibration file to write")]
    points: Annotated[tuple[Path, ...], Field(description="Files of operating points")] = ()
    published: Annotated[bool, Field(description="Learn from the shipped and installed points")] = False
    on_top: Annotated[bool, Field(description="Start from the shipped calibration, for a few runs of your own")] = False
    cross_validation: Annotated[bool, Field(description="Find errors by split and intervals")] = True
    workers: Annotated[int, Field(description="Processes of the cross-validation", ge=1)] = 2
    catalog: Annotated[tuple[Path, ...], Field(description="Folders that overlay the shipped catalog")] = ()


@dataclass(frozen=True, kw_only=True)
class CalibrateAnswer:
    """The file, what it was made from, and its errors by cell and by split."""

    out: Path
    made_from: dict[str, object]
    errors: CalibrationErrors


def calibrate(
    question: CalibrateQuestion, data: Data | None = None, on_progress: Callable[[str], None] = lambda text: None
) -> CalibrateAnswer:
    """Fit, cross-validate and write."""
    published = question.published or bool(question.bundles)
    if not question.points and not published:
        raise BadConfig("no points to learn from; give files of operating points, or --published")
    data = data or points_data(question, question.points, question.catalog, published=published)
    calibration = fit_calibration(
        data.points,
        base=shipped_calibration() if question.on_top else None,
        splits=tuple(SPLITS) if question.cross_validation else (),
        workers=question.workers,
        catalog=data.catalog,
        on_progress=on_progress,
    )
    save(calibration, question.out)
    return CalibrateAnswer(out=question.out, made_from=dict(calibration.made_from), errors=calibration.errors)


def save(calibration: Calibration, out: Path) -> None:
    """Write a calibration to a file; CannotWrite if the system refuses."""
    try:
        write_calibration(calibration, out)
    except OSError as e:
        raise CannotWrite(f"{out} cannot be written: {e.strerror or e}") from e
