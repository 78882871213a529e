"""What a figure of disaggregated serving shows: predictions with their intervals, and the points that were measured."""

from __future__ import annotations

from dataclasses import dataclass, replace

from paretoken.answers.pool_rivals import AggregatedRow, MeasuredRow, aggregated_frontier, measured_frontiers
from paretoken.answers.pool_search import PoolSearchAnswer, PoolSearchQuestion, RankedLayout
from paretoken.answers.pools import PooledRow, PoolsAnswer, PoolsQuestion
from paretoken.answers.prediction import PredictionData, prepared
from paretoken.predict.pools.candidates import LOADS


@dataclass(frozen=True, kw_only=True)
class PoolFrontiers:
    """One model on one accelerator at one pair of lengths. `predicted` has the curve of one layout, or of a search.

    Predicted throughput is per rented GPU: those of `gpus` that no replica takes count. `aggregated` is predicted for
    the same GPUs; `no_aggregated` says why there is none. `measured` are shipped points on the frontiers of both kinds
    of serving, by any engine, per GPU that ran. `slo` are the limits of predictions, "" without any. Rows are by rising
    TPOT.
    """

    model: str
    precision: str
    accelerator: str
    engine: str
    isl: int
    osl: int
    gpus: int
    predicted: tuple[PooledRow, ...]
    aggregated: tuple[AggregatedRow, ...]
    no_aggregated: str | None
    measured: tuple[MeasuredRow, ...]
    crossings_tok_s: tuple[float, ...]
    slo: str = ""

    @property
    def layouts(self) -> tuple[str, ...]:
        """The layouts of the predicted curve, each once."""
        return tuple(dict.fromkeys(r.layout for r in self.predicted))


def search_frontiers(question: PoolSearchQuestion, answer: PoolSearchAnswer) -> PoolFrontiers:
    """The frontiers of a search."""
    frontiers = _frontiers(
        tuple(_rented(point) for point in answer.frontier),
        question.gpus or 0,
        (answer.aggregated, answer.no_aggregated),
        answer.measured,
        answer.crossings_tok_s,
    )
    return replace(frontiers, slo=answer.slo)


def _rented(point: RankedLayout) -> PooledRow:
    """The row with its throughput per rented GPU."""
    return replace(
        point.row,
        total_tput_per_gpu_tok_s=point.total_tput_per_rented_gpu_tok_s,
        total_tput_per_gpu_tok_s_lo=point.total_tput_per_rented_gpu_tok_s_lo,
        total_tput_per_gpu_tok_s_hi=point.total_tput_per_rented_gpu_tok_s_hi,
    )


def layout_frontiers(question: PoolsQuestion, answer: PoolsAnswer, data: PredictionData | None = None) -> PoolFrontiers:
    """The curve of one layout, with the aggregated frontier of as many GPUs; pools of two accelerators stand alone."""
    question, data = prepared(question, data)
    curve = tuple(sorted(answer.rows, key=lambda r: r.median_tpot_ms or 0.0))
    first = curve[0]
    if "+" in first.accelerator:
        return _frontiers(curve, first.n_gpus, ((), "the pools have two accelerators"), (), ())
    _, one = question.worker([first.accelerator], data.catalog)
    aggregated = aggregated_frontier(one, first.n_gpus, question.lengths, question.limits(), LOADS, data)
    return _frontiers(curve, first.n_gpus, aggregated, measured_frontiers(one, question.lengths), ())


def _frontiers(
    predicted: tuple[PooledRow, ...],
    gpus: int,
    aggregated: tuple[tuple[AggregatedRow, ...], str | None],
    measured: tuple[MeasuredRow, ...],
    crossings_tok_s: tuple[float, ...],
) -> PoolFrontiers:
    first = predicted[0]
    return PoolFrontiers(
        model=first.model,
        precision=first.precision,
        accelerator=first.accelerator,
        engine=first.engine,
        isl=first.isl,
        osl=first.osl,
        gpus=gpus,
        predicted=predicted,
        aggregated=aggregated[0],
        no_aggregated=aggregated[1],
        measured=measured,
        crossings_tok_s=crossings_tok_s,
    )
