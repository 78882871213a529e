"""The data that questions are answered from, with what many of them need computed once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from paretoken.answers.points import PointsQuestion
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.frontier.compare import Candidate, absences, candidates
from paretoken.frontier.curve import Curve, curves
from paretoken.points.load import load_points
from paretoken.points.selection import Axis, Selection


@dataclass(frozen=True, eq=False)
class Data:
    """A catalog and a table of operating points. Nothing in it changes; what is read from it is kept."""

    catalog: Catalog
    points: pl.DataFrame
    _rows: dict[Selection, pl.DataFrame] = field(default_factory=dict, repr=False)
    _curves: dict[tuple[Selection, Axis], tuple[Curve, ...]] = field(default_factory=dict, repr=False)
    _absences: dict[tuple[Selection, Axis, tuple[str, ...]], dict[str, str]] = field(default_factory=dict, repr=False)
    _candidates: dict[tuple[Selection, Axis, float], list[Candidate]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, question: PointsQuestion) -> Data:
        """The data that a question names: its catalog folders, its files, the shipped points."""
        catalog = load_catalog(*question.catalog)
        return cls(catalog, load_points(question.points, published=question.published, catalog=catalog))

    @cached_property
    def models(self) -> list[str]:
        """The models that the points have, sorted."""
        return sorted(self.points["model"].unique())

    @cached_property
    def accelerators(self) -> tuple[str, ...]:
        """The accelerators that the points have, in the order of the catalog."""
        return tuple(sorted(self.points["accelerator"].unique(), key=self.catalog.accelerators.place))

    @cached_property
    def engines(self) -> list[str]:
        """The engines that the points have, sorted."""
        return sorted(self.points["engine"].unique())

    @cached_property
    def cells(self) -> dict[str, dict[tuple[int, int], set[str | None]]]:
        """The precisions of each model at each pair of lengths (ISL, OSL)."""
        cells: dict[str, dict[tuple[int, int], set[str | None]]] = {}
        for model, isl, osl, precision in self.points.select("model", "isl", "osl", "precision").unique().iter_rows():
            cells.setdefault(model, {}).setdefault((isl, osl), set()).add(precision)
        return cells

    def rows(self, selection: Selection) -> pl.DataFrame:
        """The points of a selection, one for each configuration and load."""
        if selection not in self._rows:
            self._rows[selection] = selection.select(self.points)
        return self._rows[selection]

    def curves(self, selection: Selection, axis: Axis) -> tuple[Curve, ...]:
        """The Pareto curves of a selection."""
        key = (selection, axis)
        if key not in self._curves:
            self._curves[key] = tuple(curves(self.rows(selection), axis))
        return self._curves[key]

    def candidates(self, selection: Selection, axis: Axis, latency_s: float) -> list[Candidate]:
        """What every curve of a selection gives who tolerates the latency, by falling throughput."""
        key = (selection, axis, latency_s)
        if key not in self._candidates:
            self._candidates[key] = candidates(self.curves(selection, axis), latency_s)
        return self._candidates[key]

    def absences(self, selection: Selection, axis: Axis, accelerators: tuple[str, ...]) -> dict[str, str]:
        """Why each of the accelerators that has no curve has none."""
        key = (selection, axis, accelerators)
        if key not in self._absences:
            drawn = self.curves(selection, axis)
            self._absences[key] = absences(self.points, selection, drawn, axis, accelerators)
        return self._absences[key]
