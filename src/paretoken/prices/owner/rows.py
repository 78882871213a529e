"""Results on an owner's cost as frozen rows, for JSON and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paretoken.errors import NoData
from paretoken.prices.numbers import FloatArray
from paretoken.prices.owner.depreciation import Depreciation
from paretoken.prices.owner.figures import NOT_USED
from paretoken.prices.owner.layers import Inputs
from paretoken.prices.owner.levelised import capital_usd, it_kw, stack, straight_line
from paretoken.prices.owner.montecarlo import (
    CostDraws,
    Quantiles,
    break_even_rent_draws,
    p_cheaper,
    quantiles,
    rank_correlations,
)
from paretoken.prices.owner.parameters import CAPITAL, PARAMETERS
from paretoken.prices.owner.point import PointPlace, point_places


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRow:
    """One input with its range and source. `spread` is None for a certain value."""

    value: float
    unit: str
    low: float | None
    high: float | None
    spread: str | None
    implied: bool
    source: str
    date: str
    layer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerCost:
    """The cost of a GPU-hour to its owner: components, total and every input with its source.

    `capital_from` is `implied` with the price set, or the date of the price.
    """

    accelerator: str
    operator: str
    usd_per_gpu_h: float
    components: dict[str, float]
    straight_line_usd_per_gpu_h: float
    capital_usd: float
    capital_from: str
    it_kw_per_gpu: float
    depreciation: Depreciation
    inputs: dict[str, InputRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostUncertainty:
    """Quantiles of the draws, the chance of each accelerator to be cheaper, rank correlations, break-even rents.

    `point` says where the cost at the inputs' values lies among the draws, and why, by accelerator.
    """

    n: int
    seed: int
    usd_per_gpu_h: dict[str, Quantiles]
    usd_per_mtok: dict[str, Quantiles]
    break_even_rent_usd: dict[str, Quantiles]
    p_cheaper: dict[str, dict[str, float]]
    rank_correlation: dict[str, dict[str, float]]
    point: dict[str, PointPlace]


def owner_cost(inputs: Inputs) -> OwnerCost:
    """Components, total and every input with its source."""
    values = inputs.values
    components = {name: float(usd) for name, usd in stack(values).items()}
    return OwnerCost(
        accelerator=inputs.accelerator,
        operator=inputs.operator,
        usd_per_gpu_h=sum(components.values()),
        components=components,
        straight_line_usd_per_gpu_h=float(straight_line(values)),
        capital_usd=float(capital_usd(values)),
        capital_from=capital_from(inputs),
        it_kw_per_gpu=float(it_kw(values)),
        depreciation=inputs.depreciation,
        inputs={n: _input(inputs, n) for n in PARAMETERS if inputs.figures[n].layer != NOT_USED},
    )


def capital_from(inputs: Inputs) -> str:
    """`implied` with the price set, or the date of the price."""
    used = [inputs.figures[n] for n in CAPITAL if inputs.figures[n].layer != NOT_USED]
    return f"implied from {used[0].date}" if inputs.capital_implied else f"stated, {used[0].date or 'no date'}"


def uncertainty(
    inputs_of_all: Sequence[Inputs], draws: CostDraws, against: str | None = None, rent_usd: float | None = None
) -> CostUncertainty:
    """The draws summarised; with `against`, also the rent at which each accelerator equals it."""
    chances = p_cheaper(draws)
    return CostUncertainty(
        n=draws.n,
        seed=draws.seed,
        usd_per_gpu_h=_quantiles(draws.usd_per_gpu_h.items()),
        usd_per_mtok=_quantiles(draws.usd_per_mtok.items()),
        break_even_rent_usd=_rents(draws, against, rent_usd),
        p_cheaper={a: {b: p for (x, b), p in chances.items() if x == a} for a in draws.cost},
        rank_correlation=rank_correlations(draws),
        point=point_places(inputs_of_all, draws),
    )


def _rents(draws: CostDraws, against: str | None, rent_usd: float | None) -> dict[str, Quantiles]:
    if against is None:
        return {}
    if against not in draws.tok_s_per_gpu:
        raise NoData(f"{against} has no throughput at that latency or is not among the accelerators selected")
    others = [a for a in draws.tok_s_per_gpu if a != against]
    return _quantiles((a, break_even_rent_draws(draws, a, against, rent_usd)) for a in others)


def _input(inputs: Inputs, name: str) -> InputRow:
    figure = inputs.figures[name]
    return InputRow(
        value=figure.value,
        unit=PARAMETERS[name].unit,
        low=figure.low,
        high=figure.high,
        spread=None if figure.certain else figure.spread,
        implied=figure.implied,
        source=figure.source,
        date=figure.date,
        layer=figure.layer,
    )


def _quantiles(draws: Iterable[tuple[str, FloatArray]]) -> dict[str, Quantiles]:
    return {accelerator: quantiles(values) for accelerator, values in draws}
