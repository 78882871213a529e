"""Questions at a latency limit: which points answer, on which axis, and the best that every accelerator gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations
from math import inf
from typing import Annotated

import polars as pl
from pydantic import Field

from paretoken.answers.points import Data, PointsQuestion
from paretoken.catalog.names import agreed_precision
from paretoken.errors import BadConfig, NoData, UnknownName
from paretoken.frontier.compare import Candidate, limit_text, number_text, size_title, to_axis, within_text
from paretoken.points.naming import AnyRegistry
from paretoken.points.selection import AXIS_COLUMN, Axis, Selection, limit_column
from paretoken.sessions.label import name_in
from paretoken.significant import significant
from paretoken.slo import SESSION, STATISTICS, Slo, parse_slos

LIMITED = ("ttft", "tpot", "itl", "e2e", "interactivity", SESSION)


@dataclass(frozen=True, slots=True)
class LatencyLimit:
    """`value` is a limit in the axis' own unit, None where only the `others` limit; `latency_s` the same in seconds."""

    axis: Axis
    value: float | None
    latency_s: float
    others: tuple[Slo, ...]

    @property
    def text(self) -> str:
        """`at most 20 s end to end, TTFT p50 at most 1 s`."""
        own = [] if self.value is None else [within_text(self.latency_s, self.axis)]
        return ", ".join([*own, *map(_limit_words, self.others)])


@dataclass(frozen=True, kw_only=True)
class LatencyQuestion(PointsQuestion):
    """A question under latency limits: what is faster meets them too. Every point must meet all that are given."""

    e2e_s: Annotated[float | None, Field(description="End-to-end latency of one request, s, at most")] = None
    interactivity: Annotated[float | None, Field(description="Tokens per second that one user sees, at least")] = None
    ttft: Annotated[tuple[str, ...], Field(description="Time to first token, at most: p50=1s, p99=3s")] = ()
    slo: Annotated[str | None, Field(description="More limits, at most: tpot_p99=50ms,ttft_mean=1s")] = None

    def limit(self) -> LatencyLimit:
        """The limits, the first of E2E and interactivity as the axis; BadConfig if there is none or two disagree."""
        more = [*parse_slos(self.slo or "", LIMITED), *(s for text in self.ttft for s in parse_slos(f"ttft_{text}"))]
        e2e_s, tok_s = self.e2e_s, self.interactivity
        if e2e_s is None and tok_s is None:
            # A median E2E latency or TPOT among the SLOs is the axis that --e2e or --interactivity would have been.
            if own := next((s for s in more if (s.metric, s.statistic) == ("e2e", "p50")), None):
                more.remove(own)
                e2e_s = own.bound_s
            elif own := next((s for s in more if (s.metric, s.statistic) == ("tpot", "p50")), None):
                more.remove(own)
                tok_s = 1 / own.bound_s
        interactivity = [] if tok_s is None else [_interactivity(tok_s)]
        if e2e_s is not None:
            e2e_s = _positive("E2E latency", e2e_s)
            others = _agreed([*interactivity, *more], Slo("e2e", "p50", e2e_s, f"e2e={e2e_s:g}s"))
            return LatencyLimit("e2e", e2e_s, e2e_s, others)
        if tok_s is not None:
            tok_s = _positive("interactivity", tok_s)
            return LatencyLimit("interactivity", tok_s, to_axis(tok_s, "interactivity"), _agreed(more, *interactivity))
        if more:
            return LatencyLimit("e2e", None, inf, _agreed(more))
        raise BadConfig(
            "no latency limit is given; give --e2e (at most, in seconds), --interactivity (at least, in tokens per "
            "second) or --ttft, such as p50=1s"
        )


def _limit_words(limit: Slo) -> str:
    if (limit.metric, limit.statistic) == ("tpot", "p50"):
        return within_text(limit.bound_s, "interactivity")
    metric = "session time" if limit.of_sessions else limit.metric.upper()
    return f"{metric} {limit.statistic} at most {number_text(limit.bound_s)} s"


def _interactivity(tok_s: float) -> Slo:
    return Slo("tpot", "p50", 1 / _positive("interactivity", tok_s), f"interactivity={tok_s:g}")


def _agreed(limits: list[Slo], *axis: Slo) -> tuple[Slo, ...]:
    """The limits; BadConfig if two limit the same figure, or a higher percentile is limited more than a lower one."""
    percentiles = [s for s in STATISTICS if s.startswith("p")]
    for one, other in combinations([*axis, *limits], 2):
        if one.metric != other.metric:
            continue
        if one.statistic == other.statistic:
            raise BadConfig(f"{one.text} and {other.text} limit the same figure; give one of them")
        if one.statistic in percentiles and other.statistic in percentiles:
            low, high = sorted((one, other), key=lambda limit: percentiles.index(limit.statistic))
            if high.bound_s < low.bound_s:
                raise BadConfig(f"{high.text} allows less than {low.text}, though a higher percentile is never lower")
    return tuple(limits)


def selection(question: PointsQuestion, data: Data) -> Selection:
    """The points that a question selects, its names resolved; NoData, with what there is, if no point matches.

    A precision of None means the only one that the model has at these lengths.
    """
    catalog = data.catalog
    isl, osl = data.lengths(question)
    model = catalog.models.id_or_own(question.model, data.models)
    precision = agreed_precision("" if model == question.model else question.model, question.precision)
    return Selection(
        model=model,
        precision=data.sessions.precision if data.sessions else _precision(data, model, precision, isl, osl),
        isl=isl,
        osl=osl,
        workload=data.sessions.label if data.sessions else None,
        serving=question.serving,
        speculative=question.speculative,
        limits=question.limit().others if isinstance(question, LatencyQuestion) else (),
        origins=question.origins or None,
        accelerators=ids(catalog.accelerators, question.accelerators, data.accelerators) or None,
        engines=ids(catalog.engines, question.engines, data.engines) or None,
        sources=question.sources or None,
        suspicious=question.suspicious,
    )


def candidates_at(question: LatencyQuestion, data: Data) -> list[Candidate]:
    """The best of every accelerator and engine within the limits, by falling throughput; NoData if there is none."""
    limit, chosen = question.limit(), selection(question, data)
    within = data.candidates(chosen, limit.axis, limit.latency_s)
    if not within:
        raise NoData(nothing_within(limit, chosen, data))
    return within


def nothing_within(limit: LatencyLimit, chosen: Selection, data: Data) -> str:
    """The sentence that no point meets the limits, with the point that comes nearest."""
    what = f"{chosen.model} {chosen.precision or ''} {name_in(chosen.workload or '') or f'{chosen.isl}/{chosen.osl}'}"
    own = [] if limit.value is None else [Slo("axis", "", limit.latency_s, "")]
    columns = [*(AXIS_COLUMN[limit.axis] for _ in own), *(limit_column(other) for other in limit.others)]
    rows = data.rows(replace(chosen, limits=()))
    if rows.is_empty() and (flagged := data.left_out(replace(chosen, limits=()))):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in flagged.items())
        return f"no point of {what} is left: {reasons}; add --include-suspicious"
    if rows.is_empty():
        return f"no point of {what} matches --serving, --speculative, --accelerator, --engine and --origin"
    stated = rows.filter(pl.col("tput_per_gpu").is_not_null(), *(pl.col(column).is_not_null() for column in columns))
    if stated.is_empty():
        return f"no point of {what} reports every figure that you limit ({limit.text}); leave a limit out"
    bounds = [limit.bound_s for limit in (*own, *limit.others)]
    excess = pl.max_horizontal(pl.col(c) / bound for c, bound in zip(columns, bounds, strict=True))
    row = stated.sort(excess).row(0, named=True)
    figures = [limit_text(row[AXIS_COLUMN[limit.axis]], limit.axis)] if own else []
    figures += [
        f"{other.metric} {other.statistic} {significant(row[limit_column(other)], 3)} s" for other in limit.others
    ]
    return (
        f"nothing serves {what} with {limit.text}; the nearest is {row['accelerator']} with {row['engine']} "
        f"{size_title(row)}, {', '.join(figures)}"
    )


def _positive(name: str, value: float) -> float:
    if not 0 < value < inf:
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
