"""The part that all questions about operating points share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Required

from pydantic import Field
from typing_extensions import TypedDict

from paretoken.answers.seam import Question
from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig
from paretoken.points.selection import Axis, Serving, Speculative


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
    serving: Annotated[Serving, Field(description="any adds disaggregated and multi-node serving")] = "single-node"
    speculative: Annotated[Speculative, Field(description="any adds speculative decoding")] = "none"
    origins: Annotated[tuple[str, ...], Field(description="measured, published, predicted")] = ()
    accelerators: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    sources: Annotated[tuple[str, ...], Field(description="Sources of points, as their rows name them")] = ()
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
    catalog: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class AxisQuestion(PointsQuestion):
    """A question over a whole latency axis."""

    axis: Annotated[Axis, Field(description="Latency axis: end-to-end latency or interactivity")] = "e2e"
