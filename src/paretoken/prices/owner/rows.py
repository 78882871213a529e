"""Results of an owner's TCO as plain values, for JSON and tables."""

from __future__ import annotations

from typing import Any

from paretoken.errors import NoData
from paretoken.prices.owner.layers import Inputs
from paretoken.prices.owner.levelised import capital_usd, it_kw, stack, straight_line
from paretoken.prices.owner.montecarlo import (
    Simulation,
    break_even_rent_draws,
    p_cheaper,
    quantiles,
    rank_correlations,
)
from paretoken.prices.owner.parameters import CAPITAL, PARAMETERS

Row = dict[str, Any]


def tco_row(inputs: Inputs) -> Row:
    """Components, total and every input with its source."""
    v = inputs.values
    parts = {k: float(x) for k, x in stack(v).items()}
    return {
        "accelerator": inputs.accelerator,
        "operator": inputs.operator,
        "usd_per_gpu_h": sum(parts.values()),
        "components": parts,
        "straight_line_usd_per_gpu_h": float(straight_line(v)),
        "capital_usd": float(capital_usd(v)),
        "capital_from": capital_from(inputs),
        "it_kw_per_gpu": float(it_kw(v)),
        "inputs": {n: _input(inputs, n) for n in PARAMETERS if inputs.figures[n].layer != "not used"},
    }


def capital_from(inputs: Inputs) -> str:
    """`implied` with the set, or the date of the price."""
    used = [inputs.figures[n] for n in CAPITAL if inputs.figures[n].layer != "not used"]
    return f"implied from {used[0].date}" if inputs.capital_implied else f"stated, {used[0].date or 'no date'}"


def _input(inputs: Inputs, name: str) -> Row:
    f = inputs.figures[name]
    return {
        "value": f.value,
        "unit": PARAMETERS[name].unit,
        "low": f.low,
        "high": f.high,
        "spread": None if f.certain else f.spread,
        "implied": f.implied,
        "source": f.source,
        "date": f.date,
        "layer": f.layer,
    }


def simulation_json(simulation: Simulation, against: str | None = None, rent_usd: float | None = None) -> Row:
    """Quantiles, the chance of each to be the cheaper, rank correlations, and break-even rents if asked for."""
    chances = p_cheaper(simulation)
    rents = {}
    if against is not None:
        if against not in simulation.tok_s_per_gpu:
            raise NoData(f"{against} has no throughput at that latency or is not among the accelerators asked for")
        others = [a for a in simulation.tok_s_per_gpu if a != against]
        rents = {a: _quantiles(break_even_rent_draws(simulation, a, against, rent_usd)) for a in others}
    return {
        "n": simulation.n,
        "seed": simulation.seed,
        "usd_per_gpu_h": {a: _quantiles(x) for a, x in simulation.usd_per_gpu_h.items()},
        "usd_per_mtok": {a: _quantiles(x) for a, x in simulation.usd_per_mtok.items()},
        "break_even_rent_usd": rents,
        "p_cheaper": {a: {b: p for (x, b), p in chances.items() if x == a} for a in simulation.cost},
        "rank_correlation": rank_correlations(simulation),
    }


def _quantiles(draws) -> Row:
    q = quantiles(draws)
    return {"p5": q.p5, "p50": q.p50, "p95": q.p95, "mean": q.mean}
