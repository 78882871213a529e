"""Results as plain rows and dictionaries, for CSV, JSON and tables; units stand in the keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict

from paretoken.answers.study.economy import Economy
from paretoken.answers.study.result import BreakEven, Comparison, Panel, StudyResult, Verdict
from paretoken.frontier import Crossover, Curve, Segment, from_axis, tp_label
from paretoken.prices import Priced, Tariff, joules_per_token, tok_s_per_mw, usd_per_mtok
from paretoken.prices.market.prices import cell_json
from paretoken.prices.owner.rows import owner_cost

Row = dict[str, object]


def candidate_row(priced: Priced) -> Row:
    """One candidate of a ranking. Throughputs in tok/s/GPU; null where not known."""
    c = priced.candidate
    return {
        "accelerator": c.accelerator,
        "engine": c.engine,
        "tput_per_gpu": c.tput_per_gpu,
        "input_tput_per_gpu": c.input_tput_per_gpu,
        "output_tput_per_gpu": c.output_tput_per_gpu,
        "usd_per_gpu_h": priced.usd_per_gpu_h,
        "usd_per_mtok_total": priced.usd_per_mtok_total,
        "usd_per_mtok_output": priced.usd_per_mtok_output,
        "usd_per_mtok_input": priced.usd_per_mtok_input,
        "price_is_placeholder": priced.placeholder_price,
        "tok_s_per_mw": priced.tok_s_per_mw,
        "joules_per_token": priced.joules_per_token,
        "e2e_s": c.e2e_s,
        "e2e_basis": c.e2e_basis,
        "interactivity_tok_s": c.interactivity_tok_s,
        "tp": c.tp,
        "origin": c.origin,
        "source": c.source,
        "n_points": c.n_points,
        "concurrency": [p["concurrency"] for p in c.around],
    }


def comparison_json(comparison: Comparison, *, around: bool = False) -> Row:
    """A ranking at one latency, as `compare --json` (with the points `around`) and verdicts.json give it."""
    r, price = comparison.ranking, comparison.tariff

    def row(p: Priced) -> Row:
        return candidate_row(p) | ({"around": list(p.candidate.around)} if around else {})

    return {
        "axis": comparison.axis,
        "value": comparison.value,
        "unit": "s" if comparison.axis == "e2e" else "tok/s/user",
        "tco": price.price_set,
        "tier": price.tier,
        "ranked_by": "usd_per_mtok_total",
        "candidates": [row(p) for p in r.ranked],
        "other_engines": [row(p) for p in r.other_engines],
        "winner": r.winner,
        "margin": r.margin,
        "throughput_winner": r.throughput_winner,
        "throughput_margin": r.throughput_margin,
        "better_at_lower_latency": comparison.ended,
        "no_data": comparison.no_data,
    }


def question_row(panel: Panel) -> Row:
    """What a panel is about."""
    q = panel.question
    return {
        "model": q.model,
        "precision": q.precision,
        "isl": q.isl,
        "osl": q.osl,
        "workload": panel.workload,
        "scenario": panel.scenario.name,
    }


def verdict_json(panel: Panel, verdict: Verdict) -> Row:
    """Who has the cheapest tokens where on one axis at one tariff."""
    return {
        **question_row(panel),
        "axis": verdict.axis,
        "tco": verdict.tariff.price_set,
        "tier": verdict.tariff.tier,
        "segments": [segment_row(s, verdict) for s in verdict.segments],
        "crossovers": [crossover_row(x, verdict) for x in verdict.crossovers],
        "comparisons": [comparison_json(c) for c in verdict.comparisons],
    }


def segment_row(stretch: Segment, verdict: Verdict) -> Row:
    """A stretch with its ends in the axis' own unit, `from` at the fast end."""
    values = asdict(stretch)
    low, high = values.pop("low_s"), values.pop("high_s")
    return {"from": from_axis(low, verdict.axis), "to": from_axis(high, verdict.axis), **values}


def crossover_row(crossover: Crossover, verdict: Verdict) -> Row:
    return {
        "at": from_axis(crossover.latency_s, verdict.axis),
        "ahead_faster": crossover.ahead_below,
        "ahead_slower": crossover.ahead_above,
    }


_POINT = (
    "accelerator",
    "engine",
    "engine_version",
    "origin",
    "tp",
    "ep",
    "n_gpus",
    "concurrency",
    "e2e_s",
    "e2e_basis",
    "interactivity_tok_s",
    "central_ttft_s",
    "central_tpot_s",
    "tput_per_gpu",
    "tput_basis",
    "input_tput_per_gpu",
    "output_tput_per_gpu",
    "speculative",
    "disaggregated",
    "source",
    "source_ref",
    "date",
    "licence",
    "notes",
)


def frontier_rows(curves: Iterable[Curve]) -> Iterator[Row]:
    """One row for each Pareto point."""
    for curve in curves:
        for point in curve.points.iter_rows(named=True):
            yield {"axis": curve.axis, **{k: point[k] for k in _POINT}, "tp": tp_label(point)}


def cost_rows(pairs: Iterable[tuple[Tariff, Curve]], serving_load: float = 1.0) -> Iterator[Row]:
    """One row for each Pareto point and tariff, with cost and energy; accelerators without a price are left out."""
    for price, curve in pairs:
        usd = price.usd_per_gpu_h.get(curve.accelerator)
        if usd is None:
            continue
        kw = price.kw_per_gpu.get(curve.accelerator)
        for point in curve.points.iter_rows(named=True):
            total = point["tput_per_gpu"]
            yield {
                "axis": curve.axis,
                "accelerator": curve.accelerator,
                "engine": curve.engine,
                "origin": curve.origin,
                "tp": tp_label(point),
                "concurrency": point["concurrency"],
                "e2e_s": point["e2e_s"],
                "interactivity_tok_s": point["interactivity_tok_s"],
                "tput_per_gpu": total,
                "tco": price.price_set,
                "tier": price.tier,
                "usd_per_gpu_h": usd,
                **{
                    f"usd_per_mtok_{view}": usd_per_mtok(usd, tput, serving_load) if (tput := point[column]) else None
                    for view, column in _VIEWS.items()
                },
                "tok_s_per_mw": tok_s_per_mw(total, kw) if kw else None,
                "joules_per_token": joules_per_token(total, kw) if kw else None,
                "kw_basis": price.kw_basis if kw else None,
                "price_is_placeholder": curve.accelerator in price.placeholders,
            }


def break_even_rows(break_even: BreakEven) -> Iterator[Row]:
    """One row for each latency, with what either side's throughput is from; `value` in the axis' own unit."""
    b = break_even
    for latency_s, rent, own, other in zip(b.latency_s, b.rent_usd, b.curves, b.curves_against, strict=True):
        yield {
            "axis": break_even.axis,
            "value": from_axis(latency_s, break_even.axis),
            "accelerator": break_even.accelerator,
            "against": break_even.against,
            "rent_against_usd_per_gpu_h": break_even.rent_against_usd,
            "break_even_usd_per_gpu_h": rent,
            "engine": own.engine,
            "origin": own.origin,
            "engine_against": other.engine,
            "origin_against": other.origin,
        }


def study_rows(result: StudyResult) -> dict[str, list[Row]]:
    """The rows of frontiers.csv, costs.csv and breakeven.csv over all panels, of tco.csv and rents.csv, by stem."""
    tables: dict[str, list[Row]] = {"frontiers": [], "costs": [], "breakeven": []}
    tables |= {"tco": list(owner_rows(result.economy)), "rents": list(rent_rows(result.economy))}
    for panel in result.panels:
        found = [c for curves in panel.curves.values() for c in curves]
        priced = [(t, c) for t in result.tariffs for c in found]
        about = question_row(panel)
        tables["frontiers"] += ({**about, **row} for row in frontier_rows(found))
        tables["costs"] += ({**about, **row} for row in cost_rows(priced, result.study.serving_load))
        tables["breakeven"] += ({**about, **row} for b in panel.break_even for row in break_even_rows(b))
    return tables


def owner_rows(economy: Economy) -> Iterator[Row]:
    """One row for each operator and accelerator: components, total, P5 to P95, capital and where it is from."""
    for operator, sets in economy.owners.items():
        for inputs in sets:
            cost, band = owner_cost(inputs), economy.bands[operator][inputs.accelerator]["hour"]
            row = {k: v for k, v in asdict(cost).items() if k not in ("components", "inputs")}
            parts = {f"{name}_usd_per_gpu_h": usd for name, usd in cost.components.items()}
            yield row | parts | {"p5": band.p5 * cost.usd_per_gpu_h, "p95": band.p95 * cost.usd_per_gpu_h}


def rent_rows(economy: Economy) -> Iterator[Row]:
    """One row for each accelerator and rental term that has any price."""
    for cell in (c for c in economy.cells if c.offers):
        row = cell_json(cell)
        yield {k: v for k, v in row.items() if k not in ("forms", "offers")}


_VIEWS = {"total": "tput_per_gpu", "output": "output_tput_per_gpu", "input": "input_tput_per_gpu"}
