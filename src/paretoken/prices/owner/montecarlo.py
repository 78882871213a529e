"""Uncertainty of a GPU-hour and of a million tokens: seeded draws, common to all accelerators.

An input that belongs to the operator (electricity, cost of capital, …) has one stream of random
numbers for all accelerators, so a comparison is not blurred by chance: the same draw makes
electricity dear for A and for B. Capital prices and throughput are drawn for each accelerator.
Each stream is seeded by the input's name, so that adding an accelerator changes no other's draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, log
from zlib import crc32

import numpy as np
from scipy.special import ndtri

from paretoken.errors import BadConfig
from paretoken.prices.cost import SECONDS_PER_HOUR
from paretoken.prices.owner.figures import Figure
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
class Throughput:
    """Tokens per second per GPU; `spread` is the relative half width of its central 90 %, 0 if it is certain."""

    tok_s_per_gpu: float
    spread: float


@dataclass(frozen=True, slots=True)
class Quantiles:
    p5: float
    p50: float
    p95: float
    mean: float


@dataclass(frozen=True, slots=True)
class Simulation:
    """Draws by accelerator, each of shape (n,): USD per GPU-hour, USD per million tokens where throughput is given.

    `inputs` holds the draws of every uncertain input by accelerator.
    """

    n: int
    seed: int
    usd_per_gpu_h: Mapping[str, np.ndarray]
    usd_per_mtok: Mapping[str, np.ndarray]
    tok_s_per_gpu: Mapping[str, np.ndarray]
    inputs: Mapping[str, Mapping[str, np.ndarray]]

    @property
    def cost(self) -> Mapping[str, np.ndarray]:
        """What accelerators are compared by: the cost of tokens where it is known, else of a GPU-hour."""
        return self.usd_per_mtok or self.usd_per_gpu_h


def simulate(
    sets: Iterable[Inputs],
    n: int,
    seed: int,
    throughput: Mapping[str, Throughput] | None = None,
    serving_load: float = 1.0,
) -> Simulation:
    """n draws of the cost of every accelerator in the sets."""
    if n < 1:
        raise BadConfig(f"{n} draws cannot be made; give --monte-carlo 1 or more")
    hour, mtok, tput, drawn = {}, {}, {}, {}
    for inputs in sets:
        name = inputs.accelerator
        drawn[name] = {k: draw(f, n, _stream(seed, k, name)) for k, f in inputs.figures.items() if not f.certain}
        hour[name] = np.broadcast_to(total({**inputs.values, **drawn[name]}), (n,))
        if throughput and (given := throughput.get(name)):
            factor = _factor(given.spread, n, _stream(seed, "throughput", name))
            tput[name] = given.tok_s_per_gpu * factor
            mtok[name] = hour[name] / (tput[name] * SECONDS_PER_HOUR / 1e6) / serving_load
            if given.spread:
                drawn[name] = {**drawn[name], "throughput": tput[name]}
    return Simulation(n, seed, hour, mtok, tput, drawn)


def draw(figure: Figure, n: int, rng: np.random.Generator) -> np.ndarray:
    """n values of an uncertain figure, by inversion, so that equal streams give equal quantiles.

    Lognormal: mu = (ln low + ln high) / 2, sigma = (ln high − ln low) / (2·1.645), the range being its
    central 90 %. Triangular: from low to high with its mode at the value.
    """
    u = rng.random(n)
    low, high, mode = figure.low, figure.high, figure.value
    if figure.spread == "lognormal":
        return np.exp((log(low) + log(high)) / 2 + (log(high) - log(low)) / (2 * Z90) * ndtri(u))
    cut = (mode - low) / (high - low)
    rising = low + np.sqrt(u * (high - low) * (mode - low))
    return np.where(u < cut, rising, high - np.sqrt((1 - u) * (high - low) * (high - mode)))


def quantiles(draws: np.ndarray) -> Quantiles:
    p5, p50, p95 = np.quantile(draws, (0.05, 0.5, 0.95))
    return Quantiles(float(p5), float(p50), float(p95), float(draws.mean()))


def p_cheaper(simulation: Simulation) -> dict[tuple[str, str], float]:
    """The share of draws in which the first of each pair is the cheaper; a tie counts half."""
    cost = simulation.cost
    return {
        (a, b): float(np.mean(cost[a] < cost[b]) + 0.5 * np.mean(cost[a] == cost[b]))
        for a in cost
        for b in cost
        if a != b
    }


def break_even_rent_draws(
    simulation: Simulation, accelerator: str, against: str, rent_usd: float | None = None
) -> np.ndarray:
    """Draws of the rent at which `accelerator` equals `against`, at `rent_usd` or at the latter's own cost."""
    if rent_usd is not None and not 0 < rent_usd < inf:
        raise BadConfig(f"the rent of {against} is {rent_usd:g} USD per GPU-hour; it must be above 0")
    rent = simulation.usd_per_gpu_h[against] if rent_usd is None else rent_usd
    return rent * simulation.tok_s_per_gpu[accelerator] / simulation.tok_s_per_gpu[against]


def rank_correlations(simulation: Simulation) -> dict[str, dict[str, float]]:
    """Spearman's rank correlation of each uncertain input with the cost, by accelerator, strongest first."""
    # Draws by inversion keep the order of their stream, so an input that is common has the same ranks everywhere.
    common: dict[str, np.ndarray] = {}
    found = {}
    for name, cost in simulation.cost.items():
        of_cost = _ranks(cost)
        each = {}
        for k, x in simulation.inputs[name].items():
            if k not in OWN and k not in common:
                common[k] = _ranks(x)
            each[k] = float(((common[k] if k in common else _ranks(x)) * of_cost).sum())
        found[name] = dict(sorted(each.items(), key=lambda kv: -abs(kv[1])))
    return found


def _ranks(x: np.ndarray) -> np.ndarray:
    """Ranks as a unit vector about their mean. Continuous draws have no ties worth a mean rank."""
    n = len(x)
    ranks = np.empty(n)
    ranks[np.argsort(x)] = np.arange(n) - (n - 1) / 2
    return ranks / np.sqrt(n * (n * n - 1) / 12) if n > 1 else ranks


def _factor(spread: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Lognormal factors about 1 whose central 90 % reaches from 1 / (1 + spread) to 1 + spread."""
    return np.exp(log(1 + spread) / Z90 * ndtri(rng.random(n)))


def _stream(seed: int, name: str, accelerator: str) -> np.random.Generator:
    own = (crc32(accelerator.encode()),) if name in OWN else ()
    return np.random.default_rng([seed, crc32(name.encode()), *own])
