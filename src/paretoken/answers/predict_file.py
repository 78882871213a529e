"""Predictions for every row of a CSV of configurations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from paretoken.answers.prediction import CalibratedQuestion, PredictionData
from paretoken.errors import CannotWrite
from paretoken.predict.csvfile import FigureRow, predict_rows, read_rows, write_rows


@dataclass(frozen=True, kw_only=True)
class PredictFileQuestion(CalibratedQuestion):
    """Predict every row of a CSV of configurations."""

    source: Path
    out: Annotated[Path | None, Field(description="CSV of the same rows with their figures")] = None


@dataclass(frozen=True, kw_only=True)
class PredictFileAnswer:
    """The rows in order, each with its own columns and its figures; `not_predicted` counts the rows without figures."""

    rows: tuple[FigureRow, ...]
    not_predicted: int


def predict_file(question: PredictFileQuestion, data: PredictionData | None = None) -> PredictFileAnswer:
    """Predict the rows of a file, and write them if `out` is given."""
    data = data or PredictionData.of(question)
    rows = read_rows(question.source)
    figures = predict_rows(rows, calibration=data.calibration, catalog=data.catalog)
    if question.out:
        try:
            write_rows(rows, figures, question.out)
        except OSError as e:
            raise CannotWrite(f"{question.out} cannot be written: {e.strerror or e}") from e
    return PredictFileAnswer(
        rows=tuple({**row, **values} for row, values in zip(rows, figures, strict=True)),
        not_predicted=sum(values["status"] != "ok" for values in figures),
    )
