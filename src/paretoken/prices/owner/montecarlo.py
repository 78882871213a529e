"""Uncertainty of a GPU-hour and of a million tokens: seeded draws, common to all accelerators.

An input that belongs to the operator (electricity, cost of capital, …) has one stream of random
numbers for all accelerators, so chance does not blur a comparison: the same draw makes electricity
expensive for A and for B. Capital prices and throughput are drawn for each accelerator.
Each stream is seeded by the input's name, so that adding an accelerator changes no other's draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf, log
from zlib import crc32

import numpy as np
from scipy.special import ndtri

from paretoken.errors import BadConfig
from paretoken.prices.cost import break_even_rent, usd_per_mtok
from paretoken.prices.numbers import FloatArray
from paretoken.prices.owner.figures import InputFigure
from paretoken.prices.owner.layers import Inputs
from paretoken.prices.owner.levelised import total

OWN = ("capital_factor", "all_in_usd", "server_usd", "network_usd", "storage_usd", "install_usd", "kw", "throughput")
"""Inputs drawn for each accelerator; all others are common."""
SPREADS = {"published": 0.09, "measured": 0.034, "predicted": 0.228}
"""Relative half width of the central 90 % of throughput by origin, unless one is given.

Published medians drift 9 % within five months of software, a run 3.4 % within six weeks; a prediction
for an accelerator that was left out of the fit is off by 22.8 % (mean).
"""
Z90 = float(ndtri(0.95))
"""Half width of the central 90 % of a standard normal: 1.645."""


@dataclass(frozen=True, slots=True)
class UncertainThroughput:
    """Tokens per second per GPU; `spread` is the relative half width of its central 90 %, 0 if it is certain."""

    tok_s_per_gpu: float
    spread: float


@dataclass(frozen=True, slots=True)
class Quantiles:
    p5: float
    p50: float
    p95: float
    mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CostDraws:
    """Draws by accelerator, each of shape (n,): USD per GPU-hour, USD per million tokens where throughput is given.

    `inputs` holds the draws of every uncertain input by accelerator, `usd_per_mtok_per_usd` what a USD per GPU-hour
    is in USD per million tokens at the throughput's value.
    """

    n: int
    seed: int
    usd_per_gpu_h: Mapping[str, FloatArray]
    usd_per_mtok: Mapping[str, FloatArray]
    tok_s_per_gpu: Mapping[str, FloatArray]
    inputs: Mapping[str, Mapping[str, FloatArray]]
    usd_per_mtok_per_usd: Mapping[str, float] = field(default_factory=dict)

    @property
    def cost(self) -> Mapping[str, FloatArray]:
        """The cost that accelerators are compared by: of tokens where throughput is given, else of a GPU-hour."""
        return self.usd_per_mtok or self.usd_per_gpu_h


def simulate(
    inputs_of_all: Iterable[Inputs],
    n: int,
    seed: int,
    throughput: Mapping[str, UncertainThroughput] | None = None,
    serving_load: float = 1.0,
) -> CostDraws:
    """n draws of the cost of every accelerator."""
    if n < 1:
        raise BadConfig(f"{n} draws cannot be made; give 1 or more")
    hour: dict[str, FloatArray] = {}
    drawn: dict[str, dict[str, FloatArray]] = {}
    for inputs in inputs_of_all:
        name = inputs.accelerator
        drawn[name] = {k: draw(f, n, _stream(seed, k, name)) for k, f in inputs.figures.items() if not f.certain}
        hour[name] = np.broadcast_to(np.asarray(total({**inputs.values, **drawn[name]})), (n,))
    draws = CostDraws(n=n, seed=seed, usd_per_gpu_h=hour, usd_per_mtok={}, tok_s_per_gpu={}, inputs=drawn)
    return with_throughput(draws, throughput or {}, serving_load)


def with_throughput(
    draws: CostDraws, throughput: Mapping[str, UncertainThroughput], serving_load: float = 1.0
) -> CostDraws:
    """The draws with the cost of a million tokens of every accelerator whose throughput is given."""
    mtok: dict[str, FloatArray] = {}
    tok_s: dict[str, FloatArray] = {}
    per_usd: dict[str, float] = {}
    inputs = dict(draws.inputs)
    for name in (a for a in draws.usd_per_gpu_h if a in throughput):
        speed = throughput[name]
        tok_s[name] = speed.tok_s_per_gpu * _factors(speed.spread, draws.n, _stream(draws.seed, "throughput", name))
        mtok[name] = usd_per_mtok(draws.usd_per_gpu_h[name], tok_s[name], serving_load)
        per_usd[name] = usd_per_mtok(1.0, speed.tok_s_per_gpu, serving_load)
        if speed.spread:
            inputs[name] = {**inputs[name], "throughput": tok_s[name]}
    return replace(draws, usd_per_mtok=mtok, tok_s_per_gpu=tok_s, inputs=inputs, usd_per_mtok_per_usd=per_usd)


def draw(figure: InputFigure, n: int, rng: np.random.Generator) -> FloatArray:
    """n values of an uncertain figure, by inversion, so that equal streams give equal quantiles.

    Lognormal: mu = (ln low + ln high) / 2, sigma = (ln high − ln low) / (2·1.645), the range being its
    central 90 %. Triangular: from low to high with its mode at the value.
    """
    u = rng.random(n)
    mode, (low, high) = figure.value, figure.bounds
    if figure.spread == "lognormal":
        exponent: FloatArray = (log(low) + log(high)) / 2 + (log(high) - log(low)) / (2 * Z90) * ndtri(u)
        return np.exp(exponent)
    cut = (mode - low) / (high - low)
    rising = low + np.sqrt(u * (high - low) * (mode - low))
    falling = high - np.sqrt((1 - u) * (high - low) * (high - mode))
    return np.where(u < cut, rising, falling)


def quantiles(draws: FloatArray) -> Quantiles:
    p5, p50, p95 = np.quantile(draws, (0.05, 0.5, 0.95))
    return Quantiles(float(p5), float(p50), float(p95), float(draws.mean()))


def p_cheaper(draws: CostDraws) -> dict[tuple[str, str], float]:
    """The share of draws in which the first of each pair is cheaper; a tie counts half."""
    cost = draws.cost
    return {
        (a, b): float(np.mean(cost[a] < cost[b]) + 0.5 * np.mean(cost[a] == cost[b]))
        for a in cost
        for b in cost
        if a != b
    }


def break_even_rent_draws(
    draws: CostDraws, accelerator: str, against: str, rent_usd: float | None = None
) -> FloatArray:
    """Draws of the rent at which `accelerator` equals `against`, at `rent_usd` or at the latter's own cost."""
    if rent_usd is not None and not 0 < rent_usd < inf:
        raise BadConfig(f"the rent of {against} is {rent_usd:g} USD per GPU-hour; it must be above 0")
    rent = draws.usd_per_gpu_h[against] if rent_usd is None else rent_usd
    return break_even_rent(rent, draws.tok_s_per_gpu[against], draws.tok_s_per_gpu[accelerator])


def rank_correlations(draws: CostDraws) -> dict[str, dict[str, float]]:
    """Spearman's rank correlation of each uncertain input with the cost, by accelerator, strongest first."""
    # Draws by inversion keep the order of their stream, so an input that is common has the same ranks everywhere.
    common: dict[str, FloatArray] = {}
    correlations: dict[str, dict[str, float]] = {}
    for name, cost in draws.cost.items():
        of_cost = _ranks(cost)
        each: dict[str, float] = {}
        for k, x in draws.inputs[name].items():
            if k not in OWN and k not in common:
                common[k] = _ranks(x)
            each[k] = float(((common[k] if k in common else _ranks(x)) * of_cost).sum())
        correlations[name] = dict(sorted(each.items(), key=lambda item: -abs(item[1])))
    return correlations


def _ranks(x: FloatArray) -> FloatArray:
    """Ranks as a unit vector about their mean. Continuous draws have no ties worth a mean rank."""
    n = len(x)
    ranks = np.empty(n)
    ranks[np.argsort(x)] = np.arange(n) - (n - 1) / 2
    return ranks / np.sqrt(n * (n * n - 1) / 12) if n > 1 else ranks


def _factors(spread: float, n: int, rng: np.random.Generator) -> FloatArray:
    """Lognormal factors about 1 whose central 90 % reaches from 1 / (1 + spread) to 1 + spread."""
    exponent: FloatArray = log(1 + spread) / Z90 * ndtri(rng.random(n))
    return np.exp(exponent)


def _stream(seed: int, name: str, accelerator: str) -> np.random.Generator:
    own = (crc32(accelerator.encode()),) if name in OWN else ()
    return np.random.default_rng([seed, crc32(name.encode()), *own])
