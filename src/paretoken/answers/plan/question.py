"""The question of a plan: the traffic, the limits, what to choose from, and the contracts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from paretoken.answers.market import MarketQuestion
from paretoken.answers.own_prices import PricesQuestion
from paretoken.answers.plan.gpu_prices import DEFAULT_CONTRACTS
from paretoken.answers.prediction import CalibratedQuestion
from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig
from paretoken.plan.candidates import AUTO, FleetChoices
from paretoken.predict.settings import DEFAULT, EngineSettings
from paretoken.slo import Slo, parse_slos
from paretoken.traffic.request import TrafficRequest


@dataclass(frozen=True, kw_only=True)
class PlanQuestion(TrafficRequest, PricesQuestion, MarketQuestion, CalibratedQuestion):
    """Which fleet serves your traffic within the limits for the least money?"""

    model: Annotated[str, Field(description="Model, by any name in the catalog, or org/name, a folder, a config.json")]
    slo: Annotated[str, Field(description="Limits in every hour: ttft_p99=2s,tpot=50ms,e2e_p95=30s")]
    accelerators: Annotated[
        tuple[str, ...], Field(description="Accelerators to choose from; all with a price and calibrated data if empty")
    ] = ()
    engines: Annotated[tuple[str, ...], Field(description="Engines; those with calibrated data if empty")] = ()
    precisions: Annotated[tuple[str, ...], Field(description="Precisions of weights; the model's own if empty")] = ()
    tp: Annotated[int | None, Field(description="GPUs of a replica of one pool; by default every size that fits")] = (
        None
    )
    layouts: Annotated[
        tuple[str, ...], Field(description="Disaggregated layouts besides one pool, as in 1xDEP8+1xDEP8, or auto")
    ] = ()
    speculative: Annotated[str, Field(description="Speculative decoding: none, or a method, as in mtp:3")] = "none"
    acceptance_length: Annotated[
        float | None, Field(description="Mean tokens that a step yields; by default as calibrated")
    ] = None
    settings: Annotated[EngineSettings, Field(description="Settings of the engines; their own if left out")] = DEFAULT
    points: Annotated[
        tuple[Path, ...], Field(description="Files of your own measured points, which the calibration is fitted to")
    ] = ()
    split_tokens: Annotated[
        int | None, Field(description="Serve requests of more input and output tokens in a fleet of their own", ge=1)
    ] = None
    prefix_cache: Annotated[bool, Field(description="Let replicas keep the prompts that requests share")] = True
    spares: Annotated[int, Field(description="Replicas that may fail: N+1 is 1", ge=0, le=100)] = 1
    cold_start_s: Annotated[float, Field(description="Seconds until a new replica serves", ge=0, le=86_400)] = 300.0
    contracts: Annotated[
        tuple[str, ...], Field(description="Contracts to compare: rental terms of the market, and own")
    ] = DEFAULT_CONTRACTS
    operator: Annotated[
        str, Field(description="Operator whose cost of owning applies: hyperscaler, neocloud, enterprise")
    ] = "neocloud"
    sets: Annotated[
        tuple[str | Mapping[str, object], ...], Field(description="Your own figures of the owner's cost")
    ] = ()
    confidence: Annotated[
        float,
        Field(
            description="Probability of meeting the SLO that fleets are sized for; 0.5 is as predicted",
            ge=0.5,
            lt=1,
        ),
    ] = 0.5
    most_gpus: Annotated[int | None, Field(description="Most GPUs of a fleet", ge=1)] = None
    mw: Annotated[float | None, Field(description="Most utility power of a fleet, MW", gt=0)] = None
    requests_per_task: Annotated[
        float | None, Field(description="Requests of a task; by default those of a session, or 1", gt=0)
    ] = None
    most_candidates: Annotated[int, Field(description="Deployments that are simulated", ge=1, le=500)] = 20
    coarse: Annotated[bool, Field(description="Answer from the closed form alone, without simulation")] = False
    replay: Annotated[bool, Field(description="Replay the whole period with the cheapest fleet")] = False
    top: Annotated[int, Field(description="Fleets to name", ge=1, le=100)] = 10

    def limits(self) -> tuple[Slo, ...]:
        """The limits; BadConfig for an SLO without any."""
        limits = parse_slos(self.slo)
        if not limits:
            raise BadConfig("the SLO is empty; write for example ttft_p99=2s,tpot=50ms")
        return limits

    def choices(self, accelerators: tuple[str, ...], catalog: Catalog) -> FleetChoices:
        """What to choose from, on these accelerators."""
        return FleetChoices(
            model=catalog.models.id_of(self.model),
            accelerators=accelerators,
            engines=self.engines,
            precisions=self.precisions,
            tp=self.tp,
            layouts=tuple(AUTO if layout.lower() == AUTO else layout for layout in self.layouts),
            speculative=self.speculative,
            acceptance_length=self.acceptance_length,
            settings=self.settings,
        )
