"""The part that all questions about operating points share, and the data that they are answered from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Required

import polars as pl
from pydantic import Field
from typing_extensions import TypedDict

from paretoken.answers.bundles import StoredPointsQuestion
from paretoken.answers.session_set import SessionSet
from paretoken.catalog.hardware import better_hardware
from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig
from paretoken.frontier.compare import Candidate, absences, candidates, left_out, model_cells
from paretoken.frontier.consistency import HardwareOrder
from paretoken.frontier.curve import Curve, curves
from paretoken.points.schema import of_single_requests
from paretoken.points.selection import Axis, Selection, Serving, Speculative
from paretoken.points.software import ONE_ENGINE, by_state


@dataclass(frozen=True, kw_only=True)
class PointsQuestion(StoredPointsQuestion):
    """Which operating points answer: one model, precision and pair of nominal lengths, and how it is served.

    Lengths come from `workload` or from `isl` and `osl`. Empty tuples ask for all.
    """

    model: Annotated[str, Field(description="Model, by any name in the catalog")]
    precision: Annotated[
        str | None, Field(description="fp4, fp8, bf16, int4; by default the only one of the points")
    ] = None
    workload: Annotated[str | None, Field(description="Workload of the catalog, or ISL/OSL in tokens")] = None
    isl: Annotated[int | None, Field(description="Nominal input length, tokens", ge=1)] = None
    osl: Annotated[int | None, Field(description="Nominal output length, tokens", ge=1)] = None
    serving: Annotated[Serving, Field(description="any adds disaggregated and multi-node serving")] = "single-node"
    speculative: Annotated[Speculative, Field(description="any adds speculative decoding")] = "none"
    origins: Annotated[
        tuple[str, ...], Field(description="measured, published, predicted, emulated; all but emulated if empty")
    ] = ()
    accelerators: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    sources: Annotated[tuple[str, ...], Field(description="Sources of points, as their rows name them")] = ()
    suspicious: Annotated[bool, Field(description="Include rows flagged as suspicious")] = False

    def lengths(self, catalog: Catalog) -> tuple[int, int]:
        """(ISL, OSL) in tokens; BadConfig if they are missing or given twice."""
        if self.workload and (self.isl or self.osl):
            raise BadConfig("give --workload, or --isl and --osl, not both")
        if self.workload:
            chosen = catalog.workload(self.workload)
            return chosen.isl, chosen.osl
        if not self.isl or not self.osl:
            raise BadConfig("the lengths are missing; give --isl and --osl, or --workload such as chat, 8k1k or 3k/700")
        return self.isl, self.osl


class PointsFields(TypedDict, total=False):
    """The fields of a PointsQuestion, for who makes several questions of one kind of points."""

    model: Required[str]
    precision: str | None
    workload: str | None
    isl: int | None
    osl: int | None
    serving: Serving
    speculative: Speculative
    origins: tuple[str, ...]
    accelerators: tuple[str, ...]
    engines: tuple[str, ...]
    sources: tuple[str, ...]
    suspicious: bool
    points: tuple[Path, ...]
    published: bool
    bundles: tuple[str, ...]
    as_of: date | None
    catalog: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class AxisQuestion(PointsQuestion):
    """A question over a whole latency axis."""

    axis: Annotated[Axis, Field(description="Latency axis: end-to-end latency or interactivity")] = "e2e"


@dataclass(frozen=True, eq=False)
class Data:
    """A catalog and a table of operating points. Nothing in it changes; what is read from it is kept.

    With `sessions` the points answer for that workload of sessions, and the table has its predicted points.
    """

    catalog: Catalog
    points: pl.DataFrame
    sessions: SessionSet | None = None
    of_sessions: dict[tuple[object, ...], Data] = field(default_factory=dict, init=False, repr=False)
    _of_model: dict[tuple[str, str | None, str | None, int, int], pl.DataFrame] = field(
        default_factory=dict, init=False, repr=False
    )
    _rows: dict[Selection, tuple[pl.DataFrame, pl.DataFrame]] = field(default_factory=dict, init=False, repr=False)
    _curves: dict[tuple[Selection, Axis], tuple[Curve, ...]] = field(default_factory=dict, init=False, repr=False)
    _newer_curves: dict[tuple[Selection, Axis], tuple[Curve, ...]] = field(default_factory=dict, init=False, repr=False)
    _absences: dict[tuple[Selection, Axis, tuple[str, ...]], dict[str, str]] = field(
        default_factory=dict, init=False, repr=False
    )
    _candidates: dict[tuple[Selection, Axis, float], list[Candidate]] = field(
        default_factory=dict, init=False, repr=False
    )

    @classmethod
    def of(cls, question: StoredPointsQuestion) -> Data:
        """The data that a question names."""
        return cls(*question.read())

    def lengths(self, question: PointsQuestion) -> tuple[int, int]:
        """(ISL, OSL) of a question in tokens; the mean ones of calls, of a workload of sessions."""
        if self.sessions:
            return self.sessions.isl, self.sessions.osl
        return question.lengths(self.catalog)

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
        for model, isl, osl, precision in (
            self.points.filter(of_single_requests()).select("model", "isl", "osl", "precision").unique().iter_rows()
        ):
            cells.setdefault(model, {}).setdefault((isl, osl), set()).add(precision)
        return cells

    @cached_property
    def _model_cells(self) -> dict[str, dict[str, set[str]]]:
        return model_cells(self.points)

    @cached_property
    def hardware_order(self) -> HardwareOrder:
        """The pairs (better, worse) of accelerators of one family."""
        return better_hardware(self.catalog.accelerators.entries)

    def rows(self, selection: Selection) -> pl.DataFrame:
        """The points of a selection that meet its limits: of each engine those of one software state, one a load."""
        return self._by_state(selection)[0]

    def newer_curves(self, selection: Selection, axis: Axis) -> tuple[Curve, ...]:
        """The curves of software states that are newer than those of `rows`."""
        key = (selection, axis)
        if key not in self._newer_curves:
            self._newer_curves[key] = self._within(curves(self._by_state(selection)[1], axis), selection)
        return self._newer_curves[key]

    def _by_state(self, selection: Selection) -> tuple[pl.DataFrame, pl.DataFrame]:
        if selection not in self._rows:
            rows, stated = selection.select(self.of_model(selection)), selection.with_limited()
            current, newer = by_state(rows)
            # An engine whose state does not report what is limited answers with the newest state that does.
            engines = current.filter(stated).select(ONE_ENGINE).unique()
            silent = rows.filter(stated).join(engines, on=ONE_ENGINE, how="anti", maintain_order="left")
            others, newer_others = by_state(silent)
            met = selection.within_limits()
            self._rows[selection] = (
                pl.concat([current, others]).filter(met),
                pl.concat([newer, newer_others]).filter(met),
            )
        return self._rows[selection]

    @staticmethod
    def _within(drawn: Iterable[Curve], selection: Selection) -> tuple[Curve, ...]:
        """The curves up to the limits on the other axis; none whose first point is beyond."""
        for column, bound in selection.axis_limits:
            drawn = [c for curve in drawn if (c := curve.until(column, bound)) is not None]
        return tuple(drawn)

    def of_model(self, selection: Selection) -> pl.DataFrame:
        """The points of a selection's model, precision and lengths, however they are served."""
        key = (selection.model, selection.precision, selection.workload, selection.isl, selection.osl)
        if key not in self._of_model:
            self._of_model[key] = self.points.filter(selection.of_model())
        return self._of_model[key]

    def curves(self, selection: Selection, axis: Axis) -> tuple[Curve, ...]:
        """The Pareto curves of a selection."""
        key = (selection, axis)
        if key not in self._curves:
            self._curves[key] = self._within(curves(self.rows(selection), axis), selection)
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
            cells = self._model_cells.get(selection.model, {})
            self._absences[key] = absences(self.of_model(selection), selection, drawn, axis, accelerators, cells)
        return self._absences[key]

    def left_out(self, selection: Selection) -> dict[str, str]:
        """By accelerator the flagged points that a selection leaves out."""
        return left_out(self.of_model(selection), selection)
