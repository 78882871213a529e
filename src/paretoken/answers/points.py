"""The part that all questions about operating points share, and the data that they are answered from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
from pydantic import Field

from paretoken.answers.seam import Question
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import BadConfig
from paretoken.frontier import Curve, curves
from paretoken.points.gather import gather
from paretoken.points.selection import Axis, Selection


@dataclass(frozen=True, kw_only=True)
class PointsQuestion(Question):
    """Which operating points answer: one model, precision and pair of nominal lengths, and how it is served.

    Lengths come from `workload` or from `isl` and `osl`. Empty tuples ask for all.
    """

    model: Annotated[str, Field(description="Model, by any name in the catalog")]
    precision: Annotated[str | None, Field(description="fp4, fp8, bf16, int4; None if the points have only one")] = None
    workload: Annotated[str | None, Field(description="Workload of the catalog, or ISL/OSL in tokens")] = None
    isl: Annotated[int | None, Field(description="Nominal input length, tokens", ge=1)] = None
    osl: Annotated[int | None, Field(description="Nominal output length, tokens", ge=1)] = None
    serving: Annotated[
        Literal["single-node", "any"], Field(description="any adds disaggregated and multi-node serving")
    ] = "single-node"
    speculative: Annotated[Literal["none", "any"], Field(description="any adds speculative decoding")] = "none"
    origins: Annotated[tuple[str, ...], Field(description="measured, published, predicted")] = ()
    accelerators: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    suspicious: Annotated[bool, Field(description="Keep rows that break a stated rule")] = False
    points: Annotated[tuple[Path, ...], Field(description="Files of your own points or results")] = ()
    published: Annotated[bool, Field(description="Use the shipped published points")] = True
    catalog: Annotated[tuple[Path, ...], Field(description="Folders laid over the shipped catalog")] = ()

    def lengths(self, catalog: Catalog) -> tuple[int, int]:
        """(ISL, OSL) in tokens; BadConfig if they are missing or given twice."""
        if self.workload and (self.isl or self.osl):
            raise BadConfig("give --workload, or --isl and --osl, not both")
        if self.workload:
            chosen = catalog.workload(self.workload)
            return chosen.isl, chosen.osl
        if not self.isl or not self.osl:
            raise BadConfig("the lengths are missing; give --isl and --osl, or --workload chat")
        return self.isl, self.osl


@dataclass(frozen=True, eq=False)
class Data:
    """What questions are answered from: a catalog and a table of operating points.

    Curves are computed once for each selection and axis, so that many questions share them.
    """

    catalog: Catalog
    points: pl.DataFrame
    _curves: dict[tuple[Selection, Axis], tuple[Curve, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, question: PointsQuestion) -> Data:
        """The data that a question names: its catalog folders, its files, the shipped points."""
        catalog = load_catalog(*question.catalog)
        return cls(catalog, gather(question.points, published=question.published, catalog=catalog))

    @cached_property
    def models(self) -> list[str]:
        """The models that the points have, sorted."""
        return sorted(self.points["model"].unique())

    def curves(self, selection: Selection, axis: Axis) -> tuple[Curve, ...]:
        """The Pareto curves of a selection."""
        key = (selection, axis)
        if key not in self._curves:
            self._curves[key] = tuple(curves(selection.select(self.points), axis))
        return self._curves[key]
