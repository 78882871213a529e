"""Owner's TCO from the bottom up: inputs in layers, the cost of a GPU-hour, its sensitivity and uncertainty."""

from paretoken.lazy import lazy

_WHERE = {
    "COMPONENTS": "levelised",
    "Check": "checks",
    "Figure": "figures",
    "Inputs": "layers",
    "Line": "explain",
    "PARAMETERS": "parameters",
    "Parameter": "parameters",
    "Quantiles": "montecarlo",
    "SPREADS": "montecarlo",
    "Simulation": "montecarlo",
    "Swing": "sensitivity",
    "Throughput": "montecarlo",
    "break_even_rent_draws": "montecarlo",
    "capital_from": "rows",
    "capital_usd": "levelised",
    "explained": "explain",
    "implied_capital": "layers",
    "inputs": "layers",
    "it_kw": "levelised",
    "operators": "layers",
    "owner_inputs": "price",
    "owner_tariff": "price",
    "p_cheaper": "montecarlo",
    "public_checks": "checks",
    "quantiles": "montecarlo",
    "rank_correlations": "montecarlo",
    "read_set": "layers",
    "shipped_accelerators": "layers",
    "shipped_sets": "layers",
    "simulate": "montecarlo",
    "stack": "levelised",
    "straight_line": "levelised",
    "total": "levelised",
    "simulation_json": "rows",
    "tco_row": "rows",
    "tornado": "sensitivity",
}
__all__ = list(_WHERE)

__getattr__, __dir__ = lazy(__name__, _WHERE)
