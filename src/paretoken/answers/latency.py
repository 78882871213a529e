"""Questions at one latency: which points answer, on which axis, and what every accelerator gives there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from paretoken.answers.points import Data, PointsQuestion
from paretoken.errors import BadConfig, NoData, UnknownName
from paretoken.frontier.compare import Candidate, to_axis
from paretoken.points.naming import AnyRegistry
from paretoken.points.schema import ORIGINS
from paretoken.points.selection import Axis, Selection


@dataclass(frozen=True, kw_only=True)
class LatencyQuestion(PointsQuestion):
    """A question at one latency: an end-to-end latency or an interactivity, exactly one of them."""

    e2e_s: Annotated[float | None, Field(description="End-to-end latency of one request, s")] = None
    interactivity: Annotated[float | None, Field(description="Tokens per second that one user sees")] = None

    def axis_value(self) -> tuple[Axis, float]:
        """The axis and the value in its own unit; BadConfig unless exactly one is given and above 0."""
        if self.e2e_s is not None and self.interactivity is None:
            return "e2e", _positive("E2E latency", self.e2e_s)
        if self.interactivity is not None and self.e2e_s is None:
            return "interactivity", _positive("interactivity", self.interactivity)
        raise BadConfig("give one latency: an E2E latency in seconds, or an interactivity in tok/s/user")


def selection(question: PointsQuestion, data: Data) -> Selection:
    """The points that a question selects, its names resolved; NoData, with what there is, if no point matches.

    A precision of None means the only one that the model has at these lengths.
    """
    catalog = data.catalog
    isl, osl = question.lengths(catalog)
    model = catalog.models.id_or_own(question.model, data.models)
    return Selection(
        model=model,
        precision=_precision(data, model, question.precision, isl, osl),
        isl=isl,
        osl=osl,
        serving=question.serving,
        speculative=question.speculative,
        origins=_origins(question.origins),
        accelerators=ids(catalog.accelerators, question.accelerators, data.accelerators) or None,
        engines=ids(catalog.engines, question.engines, data.engines) or None,
        sources=question.sources or None,
        suspicious=question.suspicious,
    )


def candidates_at(question: LatencyQuestion, data: Data) -> list[Candidate]:
    """Every accelerator and engine with data at the latency, by falling throughput; NoData if there is none."""
    axis, value = question.axis_value()
    chosen = selection(question, data)
    at_latency = data.candidates(chosen, axis, to_axis(value, axis))
    if not at_latency:
        raise NoData(
            f"no accelerator has data for {chosen.model} {chosen.isl}/{chosen.osl} at that latency; "
            "'paretoken frontier' shows the ranges"
        )
    return at_latency


def _positive(name: str, value: float) -> float:
    if not 0 < value < float("inf"):
        raise BadConfig(f"the {name} is {value}; it must be above 0")
    return value


def ids(registry: AnyRegistry, names: Iterable[str], own: Iterable[str]) -> tuple[str, ...]:
    """The catalog ids of names; names that only the points have stay as they are."""
    return tuple(registry.id_or_own(name, own) for name in names)


def _precision(data: Data, model: str, precision: str | None, isl: int, osl: int) -> str | None:
    """The precision of the question, or the only one there is; None where the points do not state theirs."""
    of_model = data.cells.get(model)
    if of_model is None:
        raise NoData(f"no operating point of {model}; there are points of {', '.join(data.models)}")
    if (isl, osl) not in of_model:
        lengths = ", ".join(f"{i}/{o}" for i, o in sorted(of_model))
        raise NoData(f"no operating point of {model} at {isl}/{osl}; there are {lengths}")
    stated = sorted(p for p in of_model[isl, osl] if p is not None)
    if not stated:
        if precision:
            raise BadConfig(f"the points of {model} at {isl}/{osl} do not say their precision; leave --precision out")
        return None
    if precision is None and len(stated) != 1:
        raise BadConfig(f"{model} at {isl}/{osl} has points in {', '.join(stated)}; choose one with --precision")
    if precision is not None and precision not in stated:
        raise UnknownName(f"precision for {model} at {isl}/{osl}", precision, stated)
    return precision or stated[0]


def _origins(origins: tuple[str, ...]) -> tuple[str, ...] | None:
    for origin in origins:
        if origin not in ORIGINS:
            raise UnknownName("origin", origin, list(ORIGINS))
    return origins or None
