"""A scenario file: accelerators to come, prices that change, software that gets faster, over dates."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from paretoken.catalog.loader import explain
from paretoken.errors import BadConfig, UnknownName
from paretoken.plain_files import read_toml

SHIPPED = Path(__file__).parent.parent / "data" / "scenarios"
_EDGE = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RackServing(BaseModel):
    """Serving of a whole rack, predicted for every accelerator: the best disaggregated layout within a median TTFT."""

    model_config = _EDGE
    gpus: PositiveInt = Field(72, description="GPUs of the rack, all in one scale-up domain")
    engine: str = Field("sglang", description="engine of the workers, or a disaggregated engine")
    ttft_s: PositiveFloat = Field(5.0, description="limit of the median TTFT, seconds")


class ComingAccelerator(BaseModel):
    """An accelerator without points yet, from a date: the frontier of another one, times a factor.

    Where a rack's serving is predicted, its own prediction takes the place of `like`.
    """

    model_config = _EDGE
    name: str = Field(description="name of the accelerator", examples=["MI455X"])
    like: str = Field("", description="the accelerator whose frontier is scaled", examples=["MI355X"])
    throughput_factor: PositiveFloat = Field(1.0, description="its throughput over that one's", examples=[2.5])
    usd_per_gpu_h: PositiveFloat = Field(description="its price, USD per GPU-hour", examples=[4.0])
    available: date = Field(description="first day on which it can be had", examples=[date(2027, 1, 1)])
    source: str = Field(description="where these figures are from", examples=["assumed"])


class ScenarioChange(BaseModel):
    """A factor on an accelerator's price or throughput from a date on; `accelerator` "all" means every one."""

    model_config = _EDGE
    accelerator: str = Field(description="accelerator, or all", examples=["all"])
    on: date = Field(description="first day of the change", examples=[date(2027, 1, 1)])
    price_factor: PositiveFloat = Field(1.0, description="new price over the old one", examples=[0.9])
    throughput_factor: PositiveFloat = Field(1.0, description="new throughput over the old one")
    source: str = Field("", description="where this is from", examples=["assumed"])


class Speedup(BaseModel):
    """Faster software: growth of throughput a quarter as a fraction, or as dated runs show (`fitted`), until a date."""

    model_config = _EDGE
    accelerator: str = Field(description="accelerator, or all", examples=["MI355X"])
    per_quarter: float | Literal["fitted"] = Field(
        description="growth a quarter as a fraction, or fitted: as dated runs show", examples=[0.05]
    )
    until: date | None = Field(None, description="last day of the growth", examples=[date(2027, 4, 1)])
    source: str = Field("", description="where this is from", examples=["assumed"])

    @model_validator(mode="after")
    def _shrinks_at_most_to_nothing(self) -> Speedup:
        if self.per_quarter != "fitted" and self.per_quarter <= -1:
            raise ValueError(f"per_quarter = {self.per_quarter} leaves no throughput; it must be above -1")
        return self


class Scenario(BaseModel):
    """One question over time, of one serving for all. Exactly one of `e2e_s` and `interactivity` is given."""

    model_config = _EDGE
    name: str = Field(description="title of the scenario", examples=["H200 against MI355X until 2027-10"])
    model: str = Field(description="model, by any name in the catalog", examples=["deepseek-r1"])
    precision: str | None = Field(
        None, description="precision of the weights; optional if unambiguous", examples=["fp8"]
    )
    workload: str = Field(description="workload of the catalog, or ISL/OSL in tokens", examples=["chat"])
    serving: Literal["single-node", "any", "rack"] = Field("single-node", description="kind of serving")
    rack: RackServing = Field(RackServing(), description="what is predicted where serving is rack")
    speculative: Literal["none", "any"] = Field("none", description="any: include speculative decoding")
    e2e_s: PositiveFloat | None = Field(None, description="limit of the end-to-end latency, seconds", examples=[20.0])
    interactivity: PositiveFloat | None = Field(
        None, description="least interactivity, tokens per second and user", examples=[40.0]
    )
    accelerators: tuple[str, ...] = Field(
        (), description="accelerators; all that have points if empty", examples=[["H200", "MI355X"]]
    )
    reference: str = Field(description="accelerator that the others are compared with", examples=["H200"])
    start: date = Field(alias="from", description="first day", examples=[date(2026, 10, 1)])
    end: date = Field(alias="to", description="last day, at most ten years later", examples=[date(2027, 10, 1)])
    tco: str = Field("", description="TCO set of prices; the newest if empty", examples=["2026-07"])
    tier: str = Field("", description="tier of the TCO set; its first if empty", examples=["neocloud"])
    term: str = Field("", description="price at the rental market's term instead of a TCO tier", examples=["on-demand"])
    usd_per_gpu_h: dict[str, PositiveFloat] = Field(
        default_factory=dict,
        description="own prices, USD per GPU-hour, over the tier's",
        examples=[{"MI355X": 2.60}],
    )
    coming: tuple[ComingAccelerator, ...] = ()
    change: tuple[ScenarioChange, ...] = ()
    speedup: tuple[Speedup, ...] = ()

    @model_validator(mode="after")
    def _spans_time_at_one_latency(self) -> Scenario:
        if self.end <= self.start:
            raise ValueError(f"its end {self.end} is not after its start {self.start}")
        if (self.end - self.start).days > 3660:
            raise ValueError("it spans more than ten years")
        if (self.e2e_s is None) == (self.interactivity is None):
            raise ValueError("it must give one latency; e2e_s in seconds or interactivity in tok/s/user")
        return self

    @model_validator(mode="after")
    def _starts_from_one_serving(self) -> Scenario:
        modelled = [c.name for c in self.coming if c.like]
        if not self.on_racks:
            if own := [c.name for c in self.coming if not c.like]:
                raise ValueError(f"coming {own[0]} needs like, an accelerator to scale; or set serving to rack")
        elif modelled:
            raise ValueError(f"coming {modelled[0]} is predicted with serving = rack; leave its like out")
        elif self.interactivity is None or self.precision is None or self.speculative != "none":
            raise ValueError("serving = rack needs a precision, an interactivity, and speculative = none")
        elif not self.accelerators:
            raise ValueError("serving = rack needs accelerators, all in racks")
        return self

    @property
    def on_racks(self) -> bool:
        """Whether every accelerator starts from the predicted serving of a rack."""
        return self.serving == "rack"

    def quarters(self) -> list[date]:
        """The first day, then every three months up to the last."""
        days, k = [self.start], 1
        while (day := _months_later(self.start, 3 * k)) <= self.end:
            days.append(day)
            k += 1
        return days


def find_scenario(name_or_path: str | Path) -> Scenario:
    """The shipped scenario of that name, or the one in that TOML file."""
    path = Path(name_or_path)
    if path.suffix == ".toml":
        return load_scenario(path)
    if str(name_or_path) not in shipped_scenarios():
        raise UnknownName("scenario (or give a file that ends in .toml)", str(name_or_path), shipped_scenarios())
    return load_scenario(SHIPPED / f"{name_or_path}.toml")


def shipped_scenarios() -> list[str]:
    """The names of the scenarios that come with the package."""
    return sorted(p.stem for p in SHIPPED.glob("*.toml"))


def shipped_scenarios_of_points() -> list[str]:
    """Those that start from points. A scenario of racks starts from a search of layouts, many seconds long."""
    return [name for name in shipped_scenarios() if not find_scenario(name).on_racks]


def load_scenario(path: Path) -> Scenario:
    """The scenario of a TOML file."""
    try:
        return Scenario.model_validate(read_toml(path, "scenario"))
    except ValidationError as e:
        keys = [f.alias or n for n, f in Scenario.model_fields.items()]
        raise BadConfig(f"scenario {path}: {explain(e, keys)}") from e


def _months_later(day: date, months: int) -> date:
    year, month = divmod(day.month - 1 + months, 12)
    return date(day.year + year, month + 1, min(day.day, 28))
