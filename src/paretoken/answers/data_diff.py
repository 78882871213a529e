"""Which verdicts flip between two states of the data, by how much, and by whose software: `paretoken data diff`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import product
from math import inf, log
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
from pydantic import Field

from paretoken.answers.compare import CompareAnswer, CompareQuestion, compare
from paretoken.answers.latency import selection
from paretoken.answers.points import Data, PointsFields, PointsQuestion
from paretoken.answers.priced import PricedCandidate
from paretoken.answers.seam import Question
from paretoken.answers.study.config import DEFAULT, SERVING_FILTERS, Study, load_study, resolved, with_ids
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import NoData, UnknownName
from paretoken.points.bundles import names
from paretoken.points.load import load_points
from paretoken.points.selection import AXES, Axis

NOTEWORTHY = 0.05
"""The least change of a margin, in tokens per dollar, that is listed without a flip."""
Kind = Literal["flipped", "margin", "new", "gone"]


@dataclass(frozen=True, kw_only=True)
class DataDiffQuestion(Question):
    """Two states of the data, and the study whose cells and latency marks are compared.

    A state is a bundle by name, a day (all bundles as of it), or a file of points.
    """

    before: Annotated[str, Field(description="Bundle, day or file")]
    after: Annotated[str, Field(description="Bundle, day or file")]
    study: Annotated[str, Field(description="Study, by name or as a TOML file")] = DEFAULT
    catalog: Annotated[tuple[Path, ...], Field(description="Folders that overlay the shipped catalog")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The winner of one cell and its margin, cost of the second over its own less 1; None with no second."""

    winner: str
    engine: str
    software: str
    usd_per_mtok: float
    margin: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftwareChange:
    """One accelerator's best engine before and after, with its software; None on a side that has no data of it.

    `throughput` is tokens per second per GPU, after over before.
    """

    accelerator: str
    engine_before: str | None
    engine_after: str | None
    software_before: str | None
    software_after: str | None
    throughput: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictChange:
    """A verdict that differs; `value` is in the axis' own unit. `by` is the winner whose data moved most."""

    kind: Kind
    model: str
    precision: str | None
    isl: int
    osl: int
    scenario: str
    axis: Axis
    value: float
    before: Verdict | None
    after: Verdict | None
    by: SoftwareChange | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDiffAnswer:
    """The verdicts that differ, flips first. `compared` counts those that both states have."""

    before: str
    after: str
    tco: str
    tier: str
    compared: int
    flipped: int
    changes: tuple[VerdictChange, ...]


@dataclass(frozen=True, slots=True)
class _Cell:
    """The points of one model, precision, lengths and serving, at one latency."""

    fields: PointsFields
    scenario: str
    axis: Axis
    value: float


def data_diff(question: DataDiffQuestion) -> DataDiffAnswer:
    """Every verdict of the study's cells in both states; NoData if they have no cell in common."""
    catalog = load_catalog(*question.catalog)
    sides = [Data(catalog, points_of(name, catalog)) for name in (question.before, question.after)]
    study = _study(question, sides, catalog)
    tier = study.tiers[0]
    compared, changes = 0, []
    for cell in _cells(study, sides):
        answers = [_compare(cell, study, tier, data) for data in sides]
        compared += all(answers)
        if change := _change(cell, answers, sides):
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


def _cells(study: Study, sides: list[Data]) -> Iterator[_Cell]:
    catalog = sides[0].catalog
    marks: dict[Axis, list[float]] = {"e2e": study.e2e_s, "interactivity": study.interactivity_tok_s}
    for model, precision, name in product(study.models, study.precisions, study.workloads):
        lengths = catalog.workload(name)
        if not any(precision in d.cells.get(model, {}).get((lengths.isl, lengths.osl), ()) for d in sides):
            continue
        for scenario in (SERVING_FILTERS[s] for s in study.scenarios):
            fields = PointsFields(
                model=model,
                precision=precision,
                isl=lengths.isl,
                osl=lengths.osl,
                serving=scenario.serving,
                speculative=scenario.speculative,
                origins=tuple(study.origins),
                accelerators=tuple(study.accelerators),
                engines=tuple(study.engines),
                sources=tuple(study.sources),
                suspicious=study.suspicious,
            )
            yield from (_Cell(fields, scenario.name, axis, value) for axis in AXES for value in marks[axis])


def _compare(cell: _Cell, study: Study, tier: str, data: Data) -> CompareAnswer | None:
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
        answer = compare(question, data)
    except (NoData, UnknownName):
        return None
    return answer if answer.winner else None


def _change(cell: _Cell, answers: list[CompareAnswer | None], sides: list[Data]) -> VerdictChange | None:
    """What differs in one cell, or None if nothing that counts does."""
    before, after = answers
    if before is None and after is None:
        return None
    kind = _kind(before, after)
    if kind is None:
        return None
    return VerdictChange(
        kind=kind,
        model=cell.fields["model"],
        precision=cell.fields["precision"],
        isl=cell.fields["isl"] or 0,
        osl=cell.fields["osl"] or 0,
        scenario=cell.scenario,
        axis=cell.axis,
        value=cell.value,
        before=_verdict(before, cell, sides[0]) if before else None,
        after=_verdict(after, cell, sides[1]) if after else None,
        by=_by(before, after, cell, sides) if before and after else None,
    )


def _kind(before: CompareAnswer | None, after: CompareAnswer | None) -> Kind | None:
    if before is None or after is None:
        return "new" if before is None else "gone"
    if before.winner != after.winner:
        return "flipped"
    margins = (before.margin, after.margin)
    moved = None not in margins and abs((margins[0] or 0) - (margins[1] or 0)) >= NOTEWORTHY
    return "margin" if moved else None


def _verdict(answer: CompareAnswer, cell: _Cell, data: Data) -> Verdict:
    best = next(c for c in answer.candidates if c.accelerator == answer.winner)
    return Verdict(
        winner=best.accelerator,
        engine=best.engine,
        software=_software(best, cell, data),
        usd_per_mtok=best.usd_per_mtok_total or 0.0,
        margin=answer.margin,
    )


def _by(before: CompareAnswer, after: CompareAnswer, cell: _Cell, sides: list[Data]) -> SoftwareChange:
    """Of the winners on either side, the one whose throughput moved most; one that a side lacks moved most of all."""
    tops = [{c.accelerator: c for c in answer.candidates} for answer in (before, after)]
    winners = dict.fromkeys(str(answer.winner) for answer in (after, before))
    name = max(winners, key=lambda w: _move(tops[0].get(w), tops[1].get(w)))
    old, new = tops[0].get(name), tops[1].get(name)
    return SoftwareChange(
        accelerator=name,
        engine_before=old.engine if old else None,
        engine_after=new.engine if new else None,
        software_before=_software(old, cell, sides[0]) if old else None,
        software_after=_software(new, cell, sides[1]) if new else None,
        throughput=new.tput_per_gpu / old.tput_per_gpu if old and new else None,
    )


def _move(old: PricedCandidate | None, new: PricedCandidate | None) -> float:
    return abs(log(new.tput_per_gpu / old.tput_per_gpu)) if old and new else inf


def _software(candidate: PricedCandidate, cell: _Cell, data: Data) -> str:
    """The software of the points around a latency: their state, else their versions, else their dates."""
    rows = data.rows(selection(PointsQuestion(**cell.fields), data))
    around = pl.DataFrame(
        {name: [dict(point)[name] for point in candidate.around] for name in _POINT},
        schema={name: rows.schema[name] for name in _POINT},
    )
    same = (pl.col("accelerator") == candidate.accelerator) & (pl.col("engine") == candidate.engine)
    found = rows.filter(same).join(around, on=_POINT, how="semi", nulls_equal=True)
    states = pl.coalesce("software" if "software" in rows.columns else "engine_version", "date")
    return ", ".join(found.select(states.drop_nulls().unique(maintain_order=True)).to_series()) or "not stated"


_POINT = ("tp", "n_gpus", "concurrency", "source", "source_ref", "date")
