"""Which verdicts flip between two states of the data, by how much, and by whose software: `paretoken data diff`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, ClassVar

import polars as pl
from pydantic import Field

from paretoken.answers.compare import CompareAnswer, CompareQuestion, compare_serving
from paretoken.answers.points import Data
from paretoken.answers.priced import PricedCandidate
from paretoken.answers.seam import Question
from paretoken.answers.study.config import DEFAULT, Study, load_study, resolved, with_ids
from paretoken.answers.study.panels import cells
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.answers.verdict_change import Cell, Kind, VerdictChange, change_of
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import NoData, UnknownName
from paretoken.points.bundles import names
from paretoken.points.load import load_points
from paretoken.points.selection import AXES, Axis


@dataclass(frozen=True, kw_only=True)
class DataDiffQuestion(Question):
    """Which verdicts of a study changed between two states of the data, `before` and `after`?

    A state is a bundle by name, a day (all bundles as of it), or a file of points.
    """

    before: Annotated[str, Field(description="Bundle, day or file")]
    after: Annotated[str, Field(description="Bundle, day or file")]
    study: Annotated[str, Field(description="Study, by name or as a TOML file")] = DEFAULT
    catalog: Annotated[tuple[Path, ...], Field(description="Folders that overlay the shipped catalog")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDiffAnswer(TypedAnswer):
    """The verdicts that differ, flips first. `compared` counts those that both states have.

    `origins` and `sources` are those of the points on either side.
    """

    TABLE: ClassVar[str] = "changes"
    before: str
    after: str
    tco: str
    tier: str
    compared: int
    flipped: int
    origins: tuple[str, ...]
    sources: tuple[str, ...]
    changes: tuple[VerdictChange, ...]


@takes(DataDiffQuestion)
def data_diff(question: DataDiffQuestion) -> DataDiffAnswer:
    """Every verdict of the study's cells in both states; NoData if they have no cell in common."""
    catalog = load_catalog(*question.catalog)
    sides = [Data(catalog, points_of(name, catalog)) for name in (question.before, question.after)]
    study = _study(question, sides, catalog)
    tier = study.tiers[0]
    compared, changes = 0, []
    ranked: list[PricedCandidate] = []
    for cell in _cells(study, sides):
        answers = [_compare(cell, study, tier, data) for data in sides]
        compared += all(answers)
        ranked += [candidate for answer in answers if answer for candidate in answer.candidates]
        if change := change_of(cell, answers):
            changes.append(change)
    if not compared and not changes:
        raise NoData(f"study {study.name}: neither {question.before} nor {question.after} has a point for its cells")
    return DataDiffAnswer(
        before=question.before,
        after=question.after,
        tco=study.tco,
        tier=tier,
        compared=compared,
        flipped=sum(c.kind == "flipped" for c in changes),
        origins=tuple(sorted({c.origin for c in ranked})),
        sources=tuple(sorted({c.source for c in ranked})),
        changes=tuple(sorted(changes, key=lambda c: _ORDER.index(c.kind))),
    )


_ORDER: tuple[Kind, ...] = ("flipped", "margin", "new", "gone")


def points_of(name: str, catalog: Catalog) -> pl.DataFrame:
    """The points of a state: of a bundle, of all bundles as of a day, or of a file; UnknownName if it is none."""
    day = _day(name)
    if day:
        return load_points(as_of=day, catalog=catalog)
    if name in names():
        return load_points(bundles=(name,), catalog=catalog)
    if Path(name).exists():
        return load_points((name,), published=False, catalog=catalog)
    raise UnknownName("bundle, day or file", name, names())


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _study(question: DataDiffQuestion, sides: list[Data], catalog: Catalog) -> Study:
    """The study with every empty choice filled in with what either state has."""
    points = pl.concat([data.points for data in sides], how="diagonal_relaxed")
    return resolved(with_ids(load_study(question.study), catalog, points), points, catalog)


def _cells(study: Study, sides: list[Data]) -> Iterator[Cell]:
    """Every cell of the study at each of its latency marks."""
    marks: dict[Axis, list[float]] = {"e2e": study.e2e_s, "interactivity": study.interactivity_tok_s}
    for fields, scenario in cells(study, *sides):
        yield from (Cell(fields, scenario.name, axis, value) for axis in AXES for value in marks[axis])


def _compare(cell: Cell, study: Study, tier: str, data: Data) -> CompareAnswer | None:
    """The ranking of one state, or None where it has no verdict there."""
    question = CompareQuestion(
        **cell.fields,
        e2e_s=cell.value if cell.axis == "e2e" else None,
        interactivity=cell.value if cell.axis == "interactivity" else None,
        tco=study.tco,
        tier=tier,
        serving_load=study.serving_load,
    )
    try:
        answer = compare_serving(question, data)
    except (NoData, UnknownName):
        return None
    return answer if answer.winner else None
