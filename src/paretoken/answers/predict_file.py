"""Predictions for every row of a CSV of configurations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from paretoken.answers.prediction import CalibratedQuestion, PredictionData
from paretoken.errors import CannotWrite
from paretoken.predict.csvfile import FigureRow, predict_rows, read_rows, write_rows
from paretoken.predict.pools.csvrows import is_pooled, predict_pool_rows


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
    figures = _figures(rows, data)
    if question.out:
        try:
            write_rows(rows, figures, question.out)
        except OSError as e:
            raise CannotWrite(f"{question.out} cannot be written: {e.strerror or e}") from e
    return PredictFileAnswer(
        rows=tuple({**row, **values} for row, values in zip(rows, figures, strict=True)),
        not_predicted=sum(values["status"] != "ok" for values in figures),
    )


def _figures(rows: Sequence[Mapping[str, str]], data: PredictionData) -> list[FigureRow]:
    """The figures of the rows in order, whether they have one pool or two."""
    figures: dict[int, FigureRow] = {}
    for two, predicted in ((False, predict_rows), (True, predict_pool_rows)):
        places = [n for n, row in enumerate(rows) if is_pooled(row) is two]
        of_kind = predicted([rows[n] for n in places], calibration=data.calibration, catalog=data.catalog)
        figures.update(zip(places, of_kind, strict=True))
    return [figures[n] for n in range(len(rows))]
