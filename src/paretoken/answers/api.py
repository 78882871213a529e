"""One question at a time: the functions behind `compare`, `frontier`, `cost` and `breakeven`.

Names may be any that the catalog knows. Points default to the published ones.

    >>> import paretoken
    >>> answer = paretoken.compare("llama-3-70b", "fp8", 1024, 1024, e2e_s=15)
    >>> answer.ranking.winner in {p.candidate.accelerator for p in answer.ranking.ranked}
    True
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import polars as pl

from paretoken.answers.study.result import BreakEven, Comparison, break_even
from paretoken.catalog.loader import Catalog, Registry, load_catalog
from paretoken.errors import BadConfig, NoData, UnknownName
from paretoken.frontier import (
    Axis,
    Curve,
    Selection,
    absences,
    better_before,
    candidates,
    curve_grid,
    curves,
    no_data,
    to_axis,
)
from paretoken.points.gather import gather
from paretoken.points.published import published_points
from paretoken.points.schema import ORIGINS
from paretoken.prices import Tariff, rank, tariff, tariffs

Serving = Literal["single-node", "any"]
Speculative = Literal["none", "any"]


def load_points(
    files: Iterable[Path | str] = (), *, published: bool = True, catalog: Catalog | None = None
) -> pl.DataFrame:
    """Operating points with their derived columns: the shipped ones and those of files in any known format."""
    return gather(files, published=published, catalog=catalog or load_catalog())


def question(
    model: str,
    precision: str | None,
    isl: int,
    osl: int,
    *,
    serving: Serving = "single-node",
    speculative: Speculative = "none",
    origins: Sequence[str] | None = None,
    accelerators: Sequence[str] | None = None,
    engines: Sequence[str] | None = None,
    suspicious: bool = False,
    catalog: Catalog | None = None,
    of: pl.DataFrame | None = None,
) -> Selection:
    """A question with its names resolved; NoData, with what there is, if no point is of that kind.

    A precision of None stands for the only one that the model has at these lengths.
    """
    catalog = catalog or load_catalog()
    table = published_points() if of is None else of
    model_id = catalog.models.id_or_own(model, table["model"].unique())
    return Selection(
        model_id,
        _precision(table, model_id, precision, isl, osl),
        isl,
        osl,
        serving,
        speculative,
        _origins(origins),
        _ids(catalog.accelerators, accelerators, table["accelerator"]),
        _ids(catalog.engines, engines, table["engine"]),
        None,
        suspicious,
    )


def compare(
    model: str,
    precision: str | None,
    isl: int,
    osl: int,
    *,
    e2e_s: float | None = None,
    interactivity: float | None = None,
    tco: str | None = None,
    tier: str | None = None,
    serving_load: float = 1.0,
    catalog: Catalog | None = None,
    of: pl.DataFrame | None = None,
    **choice,
) -> Comparison:
    """Every accelerator at one E2E latency (s) or one interactivity (tok/s/user), cheapest tokens first."""
    axis, value = axis_value(e2e_s, interactivity)
    catalog = catalog or load_catalog()
    table = published_points() if of is None else of
    asked = question(model, precision, isl, osl, catalog=catalog, of=table, **choice)
    found = curves(asked.select(table), axis)
    held = table["accelerator"].unique().to_list()
    names = asked.accelerators or sorted(held, key=catalog.accelerators.place)
    absent = absences(table, asked, found, axis, names)
    latency_s = to_axis(value, axis)
    price = tariff(catalog, tco, tier)
    return Comparison(
        axis,
        value,
        price,
        rank(candidates(found, latency_s), price, serving_load),
        no_data(absent, found, axis, latency_s, names),
        better_before(found, latency_s, price.tokens_per_usd_weight),
    )


def frontiers(
    model: str,
    precision: str | None,
    isl: int,
    osl: int,
    *,
    axis: Axis = "e2e",
    of: pl.DataFrame | None = None,
    **choice,
) -> list[Curve]:
    """The Pareto curve of every accelerator and engine."""
    table = published_points() if of is None else of
    found = curves(question(model, precision, isl, osl, of=table, **choice).select(table), axis)
    if not found:
        raise NoData(
            f"no frontier for {model} {precision or ''} {isl}/{osl}: the points that match have no latency and "
            "throughput on this axis; try --serving any, or the other axis"
        )
    return found


def cost(
    model: str,
    precision: str | None,
    isl: int,
    osl: int,
    *,
    axis: Axis = "e2e",
    tco: str | None = None,
    tiers: Sequence[str] | None = None,
    catalog: Catalog | None = None,
    **choice,
) -> list[tuple[Tariff, Curve]]:
    """Every frontier with every tariff asked for; `paretoken.answers.study.rows.cost_rows` makes the table."""
    catalog = catalog or load_catalog()
    found = frontiers(model, precision, isl, osl, axis=axis, catalog=catalog, **choice)
    return [(price, curve) for price in tariffs(catalog, tco, tuple(tiers) if tiers else None) for curve in found]


def breakeven(
    model: str,
    precision: str | None,
    isl: int,
    osl: int,
    *,
    accelerator: str,
    against: str,
    rent_usd: float,
    axis: Axis = "e2e",
    catalog: Catalog | None = None,
    **choice,
) -> BreakEven:
    """The rent at which `accelerator` has the token cost of `against` at `rent_usd`, over latency."""
    if not 0 < rent_usd < float("inf"):
        raise BadConfig(f"the rent of {against} is {rent_usd} USD per GPU-hour; it must be above 0")
    catalog = catalog or load_catalog()
    held = (published_points() if choice.get("of") is None else choice["of"])["accelerator"].unique()
    b, a = (catalog.accelerators.id_or_own(name, held) for name in (accelerator, against))
    field = curve_grid(frontiers(model, precision, isl, osl, axis=axis, catalog=catalog, accelerators=(a, b), **choice))
    found = break_even(field, axis, b, a, rent_usd)
    if not found.latency_s:
        raise NoData(
            f"{b} and {a} have no latency in common for {model} {precision or ''} {isl}/{osl}; no break-even rent"
        )
    return found


def axis_value(e2e_s: float | None, interactivity: float | None) -> tuple[Axis, float]:
    """The axis and value of the one latency that is given."""
    if (e2e_s is None) == (interactivity is None):
        raise BadConfig("give one latency: an E2E latency in seconds, or an interactivity in tok/s/user")
    axis, value = ("e2e", e2e_s) if interactivity is None else ("interactivity", interactivity)
    if not 0 < value < float("inf"):
        raise BadConfig(f"the {'E2E latency' if axis == 'e2e' else 'interactivity'} is {value}; it must be above 0")
    return axis, value


def _precision(table: pl.DataFrame, model: str, precision: str | None, isl: int, osl: int) -> str | None:
    """The precision asked for or the only one there is; None where the points do not say theirs."""
    of_model = table.filter(pl.col("model") == model)
    if of_model.is_empty():
        have = sorted(table["model"].unique())
        raise NoData(f"no operating point of {model}; there are points of {', '.join(have)}")
    at = of_model.filter((pl.col("isl") == isl) & (pl.col("osl") == osl))
    if at.is_empty():
        have = sorted(of_model.select("isl", "osl").unique().iter_rows())
        raise NoData(
            f"no operating point of {model} at {isl}/{osl}; there are {', '.join(f'{i}/{o}' for i, o in have)}"
        )
    known = sorted(at["precision"].drop_nulls().unique())
    if not known:
        if precision:
            raise BadConfig(f"the points of {model} at {isl}/{osl} do not say their precision; leave --precision out")
        return None
    if precision is None and len(known) != 1:
        raise BadConfig(f"{model} at {isl}/{osl} has points in {', '.join(known)}; choose one with --precision")
    if precision is not None and precision not in known:
        raise UnknownName(f"precision for {model} at {isl}/{osl}", precision, known)
    return precision or known[0]


def _ids(shelf: Registry, names: Sequence[str] | None, held: pl.Series) -> tuple[str, ...] | None:
    return tuple(shelf.id_or_own(n, held.unique()) for n in names) if names else None


def _origins(origins: Sequence[str] | None) -> tuple[str, ...] | None:
    for origin in origins or ():
        if origin not in ORIGINS:
            raise UnknownName("origin", origin, list(ORIGINS))
    return tuple(origins) if origins else None
