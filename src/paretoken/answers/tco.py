"""What a GPU-hour costs its owner: components, calculation, tornado, own, reserve or rent, uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import polars as pl
from pydantic import Field

from paretoken.answers.latency import LatencyQuestion, candidates_at
from paretoken.answers.market import Market, MarketQuestion
from paretoken.answers.own_or_rent import OwnOrRentRow, OwnOrRentTerms, own_or_rent_rows
from paretoken.answers.own_prices import PricesQuestion
from paretoken.answers.points import Data
from paretoken.answers.seam import Question
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import BadConfig
from paretoken.frontier import Candidate, best_per_accelerator
from paretoken.frontier.trend import repeat_spread
from paretoken.prices.owner.checks import CapitalCheck, public_checks
from paretoken.prices.owner.explain import CalculationLine, explained
from paretoken.prices.owner.layers import Inputs, operators, read_sets
from paretoken.prices.owner.montecarlo import SPREADS, UncertainThroughput, simulate
from paretoken.prices.owner.price import owner_inputs
from paretoken.prices.owner.rows import CostUncertainty, OwnerCost, owner_cost, uncertainty
from paretoken.prices.owner.sensitivity import Swing, tornado
from paretoken.prices.owner.statement import OwnerStatement, owner_statement


@dataclass(frozen=True, kw_only=True)
class MonteCarlo(Question):
    """Draw all uncertain inputs; with a latency question also throughput, for the cost of a million tokens."""

    draws: int
    seed: int = 1
    at_latency: Annotated[LatencyQuestion | None, Field(description="Where throughput is read")] = None
    throughput_spread: Annotated[
        float | None, Field(description="Half width of the central 90 % of throughput; by default that of the origin")
    ] = None
    serving_load: float = 1.0
    against: Annotated[str | None, Field(description="Also the rent at which each equals this accelerator")] = None
    rent_usd: Annotated[float | None, Field(description="Rent of that accelerator; by default its owner's cost")] = None


@dataclass(frozen=True, kw_only=True)
class TcoQuestion(MarketQuestion, PricesQuestion):
    """What does a GPU-hour cost an operator: capital, power, data centre and staff, USD per GPU-hour?

    Your own price of an accelerator is its rent in `own_or_rent`.
    """

    accelerators: Annotated[tuple[str, ...], Field(description="All with shipped figures if empty")] = ()
    operator: Annotated[str, Field(description="hyperscaler, neocloud, enterprise")] = "neocloud"
    sets: Annotated[
        tuple[str | Mapping[str, object], ...],
        Field(description="Your own figures: shipped set names, TOML files or tables, later ones on top"),
    ] = ()
    catalog: Annotated[tuple[Path, ...], Field(description="Folders that overlay the shipped catalog")] = ()
    explain: Annotated[bool, Field(description="Show the calculation line by line")] = False
    tornado: Annotated[bool, Field(description="Vary each input in turn from low to high")] = False
    statement: Annotated[bool, Field(description="Capital, running costs and tax per GPU, server and megawatt")] = False
    own_or_rent: OwnOrRentTerms | None = None
    monte_carlo: MonteCarlo | None = None


@dataclass(frozen=True, slots=True)
class CostExplanation:
    """The calculation of one accelerator line by line, and public figures of its capital."""

    lines: tuple[CalculationLine, ...]
    checks: tuple[CapitalCheck, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TcoAnswer(TypedAnswer):
    """The cost of each accelerator, and the parts that the question wants; the others are None."""

    TABLE: ClassVar[str] = "costs"
    operator: str
    costs: tuple[OwnerCost, ...]
    explanations: dict[str, CostExplanation] | None = None
    tornado: dict[str, tuple[Swing, ...]] | None = None
    statements: tuple[OwnerStatement, ...] | None = None
    own_or_rent: tuple[OwnOrRentRow, ...] | None = None
    uncertainty: CostUncertainty | None = None


@takes(TcoQuestion)
def tco(question: TcoQuestion, data: Data | None = None, market: Market | None = None) -> TcoAnswer:
    """The cost of a GPU-hour to its owner. `data` is only read for a Monte Carlo at a latency."""
    catalog = data.catalog if data else load_catalog(*question.catalog)
    all_inputs = owner_inputs(catalog, question.operator, question.accelerators, read_sets(question.sets))
    terms, monte_carlo = question.own_or_rent, question.monte_carlo
    return TcoAnswer(
        operator=operators()[question.operator],
        costs=tuple(map(owner_cost, all_inputs)),
        explanations={i.accelerator: _explanation(i, catalog) for i in all_inputs} if question.explain else None,
        tornado={i.accelerator: tuple(tornado(i)) for i in all_inputs} if question.tornado else None,
        statements=tuple(map(owner_statement, all_inputs)) if question.statement else None,
        own_or_rent=_own_or_rent(question, terms, all_inputs, catalog, market) if terms else None,
        uncertainty=_uncertainty(all_inputs, catalog, monte_carlo, data) if monte_carlo else None,
    )


def _own_or_rent(
    question: TcoQuestion, terms: OwnOrRentTerms, all_inputs: Sequence[Inputs], catalog: Catalog, market: Market | None
) -> tuple[OwnOrRentRow, ...]:
    return own_or_rent_rows(terms, all_inputs, market or Market.of(question, catalog), question.own_prices(catalog))


def _explanation(inputs: Inputs, catalog: Catalog) -> CostExplanation:
    return CostExplanation(tuple(explained(inputs)), tuple(public_checks(catalog, inputs.accelerator)))


def _uncertainty(
    all_inputs: Sequence[Inputs], catalog: Catalog, monte_carlo: MonteCarlo, data: Data | None
) -> CostUncertainty:
    against = monte_carlo.against and catalog.accelerators.id_of(monte_carlo.against)
    throughput: dict[str, UncertainThroughput] = {}
    if monte_carlo.at_latency:
        data = data or Data.of(monte_carlo.at_latency)
        candidates, _ = best_per_accelerator(candidates_at(monte_carlo.at_latency, data))
        throughput = _throughput(candidates, data.points, monte_carlo.throughput_spread)
    elif against:
        raise BadConfig("--against needs throughput; give --model, --workload and one latency")
    draws = simulate(all_inputs, monte_carlo.draws, monte_carlo.seed, throughput, monte_carlo.serving_load)
    return uncertainty(all_inputs, draws, against, monte_carlo.rent_usd)


def _throughput(
    candidates: Sequence[Candidate], points: pl.DataFrame, spread: float | None
) -> dict[str, UncertainThroughput]:
    """The throughput of each candidate with its spread: the one given, or by the origin of its points.

    A measured candidate has the spread of the repeated measured runs among the points, if there are any.
    """
    spreads = dict(SPREADS)
    measured = repeat_spread(points.filter(pl.col("origin") == "measured")) if spread is None else None
    if measured is not None:
        spreads["measured"] = measured
    return {
        c.accelerator: UncertainThroughput(c.tput_per_gpu, spreads[c.origin] if spread is None else spread)
        for c in candidates
    }
