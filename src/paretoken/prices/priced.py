"""Candidates with money on them: who has the cheapest tokens at one latency, and by how much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from paretoken.frontier import Candidate, CurveGrid, best_per_accelerator
from paretoken.prices.cost import break_even_rent, joules_per_token, tok_s_per_mw, usd_per_mtok
from paretoken.prices.numbers import FloatArray
from paretoken.prices.tariff import Tariff


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """A candidate with its price and what follows; None where price, power or throughput is not known."""

    candidate: Candidate
    usd_per_gpu_h: float | None
    usd_per_mtok_total: float | None
    usd_per_mtok_output: float | None
    usd_per_mtok_input: float | None
    tok_s_per_mw: float | None
    joules_per_token: float | None
    placeholder_price: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """One candidate per accelerator by rising cost, then those without a price; the same accelerators' other engines.

    `margin` is how much cheaper the winner's tokens are than the second's: cost_second / cost_winner − 1.
    It is None with fewer than two priced candidates.
    """

    ranked: tuple[Priced, ...]
    other_engines: tuple[Priced, ...]
    winner: str | None
    margin: float | None
    throughput_winner: str | None
    throughput_margin: float | None


def price(candidate: Candidate, tariff: Tariff, serving_load: float = 1.0) -> Priced:
    """The candidate at the tariff."""
    usd = tariff.usd_per_gpu_h.get(candidate.accelerator)
    kw = tariff.kw_per_gpu.get(candidate.accelerator)

    def cost(tput: float | None) -> float | None:
        return usd_per_mtok(usd, tput, serving_load) if usd and tput else None

    return Priced(
        candidate=candidate,
        usd_per_gpu_h=usd,
        usd_per_mtok_total=cost(candidate.tput_per_gpu),
        usd_per_mtok_output=cost(candidate.output_tput_per_gpu),
        usd_per_mtok_input=cost(candidate.input_tput_per_gpu),
        tok_s_per_mw=tok_s_per_mw(candidate.tput_per_gpu, kw) if kw else None,
        joules_per_token=joules_per_token(candidate.tput_per_gpu, kw) if kw else None,
        placeholder_price=candidate.accelerator in tariff.placeholders,
    )


def rank(candidates: Iterable[Candidate], tariff: Tariff, serving_load: float = 1.0) -> Ranking:
    """The candidates at the tariff, cheapest tokens first."""
    by_cost = sorted(
        (price(c, tariff, serving_load) for c in candidates),
        key=lambda p: (p.usd_per_mtok_total is None, p.usd_per_mtok_total or -p.candidate.tput_per_gpu),
    )
    first, _ = best_per_accelerator([p.candidate for p in by_cost])
    ranked = tuple(p for p in by_cost if any(p.candidate is c for c in first))
    costs = [(p.candidate.accelerator, p.usd_per_mtok_total) for p in ranked if p.usd_per_mtok_total is not None]
    fastest = sorted(first, key=lambda c: -c.tput_per_gpu)
    return Ranking(
        ranked=ranked,
        other_engines=tuple(p for p in by_cost if p not in ranked),
        winner=costs[0][0] if costs else None,
        margin=costs[1][1] / costs[0][1] - 1 if len(costs) > 1 else None,
        throughput_winner=fastest[0].accelerator if fastest else None,
        throughput_margin=fastest[0].tput_per_gpu / fastest[1].tput_per_gpu - 1 if len(fastest) > 1 else None,
    )


def break_even_curve(grid: CurveGrid, accelerator: str, against: str, rent_usd: float) -> tuple[FloatArray, FloatArray]:
    """(latency s, break-even rent USD/GPU-h) of one accelerator against another where both have data.

    `grid` must hold unweighted throughput.
    """
    if accelerator not in grid.names or against not in grid.names:
        return np.empty(0), np.empty(0)
    tput_b, tput_a = grid.value[grid.names.index(accelerator)], grid.value[grid.names.index(against)]
    both = ~np.isnan(tput_a) & ~np.isnan(tput_b)
    return grid.latency_s[both], break_even_rent(rent_usd, tput_a[both], tput_b[both])
