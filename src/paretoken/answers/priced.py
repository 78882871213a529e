"""Candidates with money on them: who has the cheapest tokens at one latency, and by how much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from paretoken.frontier.compare import Candidate
from paretoken.frontier.curve import CurvePoint
from paretoken.prices.cost import joules_per_token, tok_s_per_mw, usd_per_mtok
from paretoken.prices.tariff import Tariff


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedCandidate:
    """One accelerator and engine at a latency limit and a tariff. Throughputs in tok/s/GPU; None where not known.

    Its figures are interpolated between the one or two Pareto points `around` the limit, whose loads `concurrency`
    gives. `recommended` is the point of them that was run and meets the limit, `tp` its tensor-parallel size and
    `usd_per_mtok_recommended` what its tokens cost.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """One candidate per accelerator by rising cost, then those without a price; their other engines."""

    candidates: tuple[PricedCandidate, ...]
    other_engines: tuple[PricedCandidate, ...]
    throughput_winner: str | None
    throughput_margin: float | None


def price(candidate: Candidate, tariff: Tariff, serving_load: float = 1.0) -> PricedCandidate:
    """The candidate at the tariff."""
    c = candidate
    usd = tariff.usd_per_gpu_h.get(c.accelerator)
    kw = tariff.kw_per_gpu.get(c.accelerator)

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


def rank(candidates: Iterable[Candidate], tariff: Tariff, serving_load: float = 1.0) -> Ranking:
    """The candidates at the tariff, cheapest tokens first."""
    by_cost = sorted((price(c, tariff, serving_load) for c in candidates), key=_by_cost)
    first: dict[str, PricedCandidate] = {}
    for p in by_cost:
        first.setdefault(p.accelerator, p)
    ranked = tuple(first.values())
    fastest = sorted(ranked, key=lambda p: -p.tput_per_gpu)
    return Ranking(
        candidates=ranked,
        other_engines=tuple(p for p in by_cost if p is not first[p.accelerator]),
        throughput_winner=fastest[0].accelerator if fastest else None,
        throughput_margin=fastest[0].tput_per_gpu / fastest[1].tput_per_gpu - 1 if len(fastest) > 1 else None,
    )


def _by_cost(p: PricedCandidate) -> tuple[bool, float]:
    return p.usd_per_mtok_total is None, p.usd_per_mtok_total or -p.tput_per_gpu
