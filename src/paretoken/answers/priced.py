"""Candidates with money on them: who has the cheapest tokens at one latency, and by how much."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from paretoken.answers.session_set import CandidateSession
from paretoken.frontier.compare import Candidate
from paretoken.frontier.curve import CurvePoint
from paretoken.prices.cost import gco2_per_mtok, joules_per_token, tok_s_per_mw, usd_per_mtok
from paretoken.prices.earnings import Earnings, OwnerCapital, earnings
from paretoken.prices.tariff import Tariff

RankBy: TypeAlias = Literal["cost", "tok_s_per_mw", "profit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where tokens are served and sold: power at the utility's meter, the grid's carbon, the price of tokens.

    `kw_per_gpu` and `capital` are by accelerator. Without a price of tokens nothing is earned.
    """

    kw_per_gpu: Mapping[str, float] = field(default_factory=dict)
    grid_gco2_per_kwh: float | None = None
    token_price_usd_per_mtok: float | None = None
    capital: Mapping[str, OwnerCapital] = field(default_factory=dict)


NO_SITE = Site()


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedCandidate:
    """One accelerator and engine at a latency limit and a tariff. Throughputs in tok/s/GPU; None if unknown.

    Its figures are interpolated between the one or two Pareto points `around` the limit; `concurrency` has their
    loads. `recommended` is the one of them that was run and meets the limit, `tp` its tensor-parallel size, and
    `usd_per_mtok_recommended` the cost of its tokens. `tok_s_per_mw` and `joules_per_token` use the power of the
    tariff. `tok_s_per_utility_mw` and `gco2_per_mtok` use all the power at the utility's meter, only while serving.
    `session` is what a workload of sessions gets.
    """

    accelerator: str
    engine: str
    tput_per_gpu: float
    input_tput_per_gpu: float | None
    output_tput_per_gpu: float | None
    usd_per_gpu_h: float | None
    usd_per_mtok_total: float | None
    usd_per_mtok_output: float | None
    usd_per_mtok_input: float | None
    price_is_placeholder: bool
    tok_s_per_mw: float | None
    joules_per_token: float | None
    tok_s_per_utility_mw: float | None = None
    gco2_per_mtok: float | None = None
    earnings: Earnings | None = None
    e2e_s: float | None
    e2e_basis: str | None
    interactivity_tok_s: float | None
    tp: str
    origin: str
    software: str
    date: str | None
    source: str
    n_points: int
    interpolated: bool
    recommended: CurvePoint
    usd_per_mtok_recommended: float | None
    concurrency: tuple[float | None, ...]
    around: tuple[CurvePoint, ...]
    session: CandidateSession | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """One candidate per accelerator by rising cost, then those without a price; their other engines."""

    candidates: tuple[PricedCandidate, ...]
    other_engines: tuple[PricedCandidate, ...]
    throughput_winner: str | None
    throughput_margin: float | None


def price(candidate: Candidate, tariff: Tariff, serving_load: float = 1.0, site: Site = NO_SITE) -> PricedCandidate:
    """The candidate at the tariff, on a site."""
    c = candidate
    usd = tariff.usd_per_gpu_h.get(c.accelerator)
    kw, utility_kw = tariff.kw_per_gpu.get(c.accelerator), site.kw_per_gpu.get(c.accelerator)
    grid, token_price = site.grid_gco2_per_kwh, site.token_price_usd_per_mtok

    def cost(tput: float | None) -> float | None:
        return usd_per_mtok(usd, tput, serving_load) if usd and tput else None

    return PricedCandidate(
        accelerator=c.accelerator,
        engine=c.engine,
        tput_per_gpu=c.tput_per_gpu,
        input_tput_per_gpu=c.input_tput_per_gpu,
        output_tput_per_gpu=c.output_tput_per_gpu,
        usd_per_gpu_h=usd,
        usd_per_mtok_total=cost(c.tput_per_gpu),
        usd_per_mtok_output=cost(c.output_tput_per_gpu),
        usd_per_mtok_input=cost(c.input_tput_per_gpu),
        price_is_placeholder=c.accelerator in tariff.placeholders,
        tok_s_per_mw=tok_s_per_mw(c.tput_per_gpu, kw) if kw else None,
        joules_per_token=joules_per_token(c.tput_per_gpu, kw) if kw else None,
        tok_s_per_utility_mw=tok_s_per_mw(c.tput_per_gpu, utility_kw) if utility_kw else None,
        gco2_per_mtok=gco2_per_mtok(joules_per_token(c.tput_per_gpu, utility_kw), grid)
        if utility_kw and grid
        else None,
        earnings=earnings(c.tput_per_gpu, usd, token_price, serving_load, utility_kw, site.capital.get(c.accelerator))
        if usd and token_price
        else None,
        e2e_s=c.e2e_s,
        e2e_basis=c.e2e_basis,
        interactivity_tok_s=c.interactivity_tok_s,
        tp=c.tp,
        origin=c.origin,
        software=c.software,
        date=c.date,
        source=c.source,
        n_points=c.n_points,
        interpolated=c.interpolated,
        recommended=c.recommended,
        usd_per_mtok_recommended=cost(c.recommended["tput_per_gpu"]),
        concurrency=tuple(point["concurrency"] for point in c.around),
        around=c.around,
    )


def rank(
    candidates: Iterable[Candidate],
    tariff: Tariff,
    serving_load: float = 1.0,
    site: Site = NO_SITE,
    by: RankBy = "cost",
) -> Ranking:
    """The candidates at the tariff, the best by cost, tokens per MW or profit per MW first; the unknown last."""
    ordered = sorted((price(c, tariff, serving_load, site) for c in candidates), key=_ORDERS[by])
    first: dict[str, PricedCandidate] = {}
    for p in ordered:
        first.setdefault(p.accelerator, p)
    ranked = tuple(first.values())
    fastest = sorted(ranked, key=lambda p: -p.tput_per_gpu)
    return Ranking(
        candidates=ranked,
        other_engines=tuple(p for p in ordered if p is not first[p.accelerator]),
        throughput_winner=fastest[0].accelerator if fastest else None,
        throughput_margin=fastest[0].tput_per_gpu / fastest[1].tput_per_gpu - 1 if len(fastest) > 1 else None,
    )


def weights(ranked: Iterable[PricedCandidate], tariff: Tariff, by: RankBy, site: Site = NO_SITE) -> dict[str, float]:
    """By accelerator, the weight of its throughput under which throughputs rank as the candidates do.

    By profit, weights hold at the candidates' own limit only. A candidate counts as the throughput at which the first
    would earn as much as it does, so a margin is the throughput that the first may lose.
    """
    if by == "cost":
        return tariff.tokens_per_usd_weight
    if by == "tok_s_per_mw":
        return {name: 1 / kw for name, kw in site.kw_per_gpu.items() if kw}
    earning = [
        (p, p.earnings, profit) for p in ranked if p.earnings and (profit := profit_usd_per_mw_year(p)) is not None
    ]
    if not earning:
        return {}
    first, of_first, best = earning[0]
    per_mw = of_first.revenue_usd_per_mw_year or 1.0
    equal = ((p, 1 - (best - profit) / per_mw) for p, _, profit in earning)
    return {p.accelerator: share * first.tput_per_gpu / p.tput_per_gpu for p, share in equal if share > 0}


def profit_usd_per_mw_year(p: PricedCandidate) -> float | None:
    """The yearly profit of a megawatt of utility power filled with the candidate; None if unknown."""
    return p.earnings.profit_usd_per_mw_year if p.earnings else None


def _by_cost(p: PricedCandidate) -> tuple[bool, float]:
    return p.usd_per_mtok_total is None, p.usd_per_mtok_total or -p.tput_per_gpu


def _by_tok_s_per_mw(p: PricedCandidate) -> tuple[bool, float]:
    return p.tok_s_per_utility_mw is None, -(p.tok_s_per_utility_mw or p.tput_per_gpu)


def _by_profit(p: PricedCandidate) -> tuple[bool, float]:
    profit = profit_usd_per_mw_year(p)
    return profit is None, -(p.tput_per_gpu if profit is None else profit)


_ORDERS: dict[RankBy, Callable[[PricedCandidate], tuple[bool, float]]] = {
    "cost": _by_cost,
    "tok_s_per_mw": _by_tok_s_per_mw,
    "profit": _by_profit,
}
