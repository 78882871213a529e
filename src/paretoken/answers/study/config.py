"""The study file: which models, workloads, accelerators and prices are compared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import tomli_w
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, field_validator

from paretoken.answers.own_prices import PricesQuestion
from paretoken.answers.pool_search import DEFAULT_TTFT, MOST_GPUS
from paretoken.catalog.loader import Catalog, explain
from paretoken.catalog.names import agreed_precision, precision_id, precision_of
from paretoken.errors import BadConfig, nearest
from paretoken.plain_files import read_toml
from paretoken.points.bundles import chosen
from paretoken.points.files import read_points
from paretoken.points.naming import AnyRegistry
from paretoken.points.schema import of_single_requests
from paretoken.points.selection import Serving, Speculative
from paretoken.prices.outlook.scenario import shipped_scenarios_of_points

BUILT_IN = Path(__file__).parent / "data"
DEFAULT = "amd-vs-nvidia"


@dataclass(frozen=True, slots=True)
class ServingFilter:
    """Which kinds of serving are compared with each other."""

    name: str
    short: str
    title: str
    serving: Serving
    speculative: Speculative

    @property
    def word(self) -> str:
        """plain or best known, as a cell of a table says."""
        return self.short.removesuffix(" serving").lower()


SERVING_FILTERS = {
    s.name: s
    for s in (
        ServingFilter("like-for-like", "Plain serving", "One node, no speculative decoding", "single-node", "none"),
        ServingFilter(
            "everything",
            "Best known serving",
            "Any serving: also disaggregated, multi-node and speculative",
            "any",
            "any",
        ),
    )
}


class Predicted(BaseModel):
    """A matrix that is predicted where it has no point. `models` are pairs of a model and the weights' precision."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    models: list[tuple[str, str]] = Field(
        description="pairs of a model and the precision of its weights", examples=[[["llama-3-70b", "fp8"]]]
    )
    workloads: list[str] = Field(description="workloads of the catalog, or ISL/OSL in tokens", examples=[["chat"]])
    accelerators: list[str] = Field(description="accelerators to predict", examples=[["H200", "MI355X"]])
    engines: list[str] = Field(description="engines to predict", examples=[["vllm", "sglang"]])
    users: list[PositiveInt] = Field(
        default_factory=lambda: [1, 2, 4, 8, 16, 32, 64, 128, 256], description="numbers of concurrent users"
    )
    length_range_ratio: float = Field(
        0.8, gt=0, le=1, description="shortest length of a request as a share of the longest"
    )
    disaggregated_gpus: int | None = Field(
        None,
        ge=2,
        le=MOST_GPUS,
        description="also search disaggregated layouts of at most this number of GPUs",
        examples=[16],
    )
    disaggregated_slo: str | None = Field(
        None,
        description=f"limits of medians in this search; {DEFAULT_TTFT} if none is of TTFT or E2E",
        examples=["ttft=2s"],
    )

    @field_validator("models")
    @classmethod
    def _precisions(cls, value: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [(model, agreed_precision(model, precision) or "") for model, precision in value]


class Study(BaseModel):
    """A study as written. Empty lists ask for all that have points; the resolved study names them."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    name: str = Field("study", description="short name of the study")
    title: str = Field("", description="title of the report", examples=["Our models on H200 and MI355X"])
    models: list[str] = Field(
        default_factory=list,
        description="models, by any name in the catalog; all that have points if empty",
        examples=[["llama-3-70b", "deepseek-r1"]],
    )
    precisions: list[str] = Field(
        default_factory=list, description="precisions of the weights; all if empty", examples=[["fp8", "fp4"]]
    )
    workloads: list[str] = Field(
        default_factory=list,
        description="workloads of the catalog, or ISL/OSL in tokens; all of fixed lengths if empty",
        examples=[["chat", "8k/1k", "agent-code"]],
    )
    accelerators: list[str] = Field(
        default_factory=list, description="accelerators; all that have points if empty", examples=[["H200", "MI355X"]]
    )
    engines: list[str] = Field(default_factory=list, description="engines; all if empty", examples=[["vllm", "sglang"]])
    origins: list[str] = Field(
        default_factory=list,
        description="origins of points: measured, published, predicted, emulated; all if empty",
        examples=[["measured", "published"]],
    )
    sources: list[str] = Field(
        default_factory=list, description="sources of points; all if empty", examples=[["InferenceX"]]
    )
    scenarios: list[str] = Field(
        default_factory=lambda: list(SERVING_FILTERS), description="kinds of serving that are compared with each other"
    )
    suspicious: bool = Field(False, description="include flagged points in the frontiers")
    published: bool = Field(True, description="use the shipped published points")
    bundles: list[str] = Field(
        default_factory=list, description="bundles of points by name; all if empty", examples=[["shipped"]]
    )
    as_of: date | None = Field(
        None, description="only points of runs that had ended by that day", examples=[date(2026, 5, 1)]
    )
    predict: Predicted | None = Field(None, description="what to predict where no point was published or measured")
    points: list[Path] = Field(
        default_factory=list, description="files of your own operating points", examples=[["points.parquet"]]
    )
    gates: list[Path] = Field(
        default_factory=list, description="verdicts of the accuracy gate to show", examples=[["gate.json"]]
    )
    catalog: list[Path] = Field(
        default_factory=list, description="folders that overlay the shipped catalog", examples=[["my-catalog"]]
    )
    tco: str = Field("", description="TCO set of prices; the newest if empty", examples=["2026-07"])
    tiers: list[str] = Field(
        default_factory=list,
        description="tiers of the TCO set, the first shown first; all if empty",
        examples=[["neocloud"]],
    )
    price_usd_per_gpu_h: dict[str, PositiveFloat] = Field(
        default_factory=dict,
        description="your own prices by accelerator, USD per GPU-hour, which replace those of every tier",
        examples=[{"MI355X": 2.60}],
    )
    serving_load: float = Field(1.0, gt=0, le=1, description="share of hours served at the throughput")
    reference: str = Field("H200", description="accelerator that break-even rents are computed against")
    reference_rent_usd: PositiveFloat = Field(2.5, description="its rent, USD per GPU-hour")
    operator: str = Field("neocloud", description="operator whose cost the report shows first")
    owner_sets: list[Path] = Field(
        default_factory=list, description="TOML files of your own cost figures", examples=[["owner.toml"]]
    )
    rental_prices: list[Path] = Field(
        default_factory=list, description="folders of your own rental prices", examples=[["rental-prices"]]
    )
    outlooks: list[str] = Field(
        default_factory=shipped_scenarios_of_points,
        description="scenarios: shipped names or TOML files; by default the shipped ones that start from points",
    )
    draws: int = Field(20_000, ge=1, le=10_000_000, description="draws of the Monte Carlo simulation")
    seed: int = Field(1, ge=0, description="seed of the draws")
    e2e_s: list[PositiveFloat] = Field(
        default_factory=lambda: [5.0, 10.0, 20.0, 30.0, 60.0, 120.0],
        min_length=1,
        description="limits of the end-to-end latency, seconds",
    )
    interactivity_tok_s: list[PositiveFloat] = Field(
        default_factory=lambda: [10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0],
        min_length=1,
        description="limits of the interactivity, tokens per second and user",
    )

    @field_validator("scenarios")
    @classmethod
    def _valid_scenarios(cls, value: list[str]) -> list[str]:
        for name in value:
            if name not in SERVING_FILTERS:
                raise ValueError(f"no scenario {name!r}; known: {', '.join(SERVING_FILTERS)}")
        return value

    @field_validator("e2e_s", "interactivity_tok_s")
    @classmethod
    def _each_once(cls, value: list[float]) -> list[float]:
        return list(dict.fromkeys(value))


def load_study(name_or_path: str | Path = DEFAULT) -> Study:
    """The built-in study of that name, or the study in that TOML file (its paths relative to it)."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        built_in = {p.stem: p for p in BUILT_IN.glob("*.toml")}
        if str(name_or_path) not in built_in:
            hint = nearest(str(name_or_path), list(built_in)) or sorted(built_in)
            raise BadConfig(
                f"no built-in study {str(name_or_path)!r}; did you mean {hint[0]}, or a file ending in .toml?"
            )
        path = built_in[str(name_or_path)]
    try:
        return _beside(path.parent, Study.model_validate(read_toml(path, "study")))
    except ValidationError as e:
        raise BadConfig(f"study {path}: {explain(e, list(Study.model_fields))}") from e


def with_ids(study: Study, catalog: Catalog, points: pl.DataFrame) -> Study:
    """The study with every name replaced by its catalog id; UnknownName for one that neither it nor a point has."""

    def ids(registry: AnyRegistry, names: list[str], column: str) -> list[str]:
        own = set(points[column]) if names else set()
        return list(dict.fromkeys(registry.id_or_own(n, own) for n in names))

    own = PricesQuestion(price_usd_per_gpu_h=study.price_usd_per_gpu_h).own_prices(catalog, points["accelerator"])
    reference = ids(catalog.accelerators, [study.reference], "accelerator")[0]
    tco = catalog.tco.id_of(study.tco) if study.tco else catalog.newest_tco()
    precisions = study.precisions or _named_precisions(study.models, catalog)
    return study.model_copy(
        update={
            "models": ids(catalog.models, study.models, "model"),
            "precisions": list(dict.fromkeys(map(precision_id, precisions))),
            "workloads": list(dict.fromkeys(map(catalog.any_workload_id, study.workloads))),
            "accelerators": ids(catalog.accelerators, study.accelerators, "accelerator"),
            "engines": ids(catalog.engines, study.engines, "engine"),
            "reference": reference,
            "reference_rent_usd": own.get(reference, study.reference_rent_usd),
            "price_usd_per_gpu_h": own,
            "tco": tco,
            "tiers": study.tiers or list(catalog.tco[tco].tiers),
        }
    )


def _named_precisions(models: list[str], catalog: Catalog) -> list[str]:
    """The precisions in which the names of the models end, if all are of the catalog and state theirs."""
    named = [precision_of(model) if model in catalog.models else None for model in models]
    return [precision for precision in named if precision] if all(named) else []


def resolved(study: Study, points: pl.DataFrame, catalog: Catalog) -> Study:
    """The study with every empty choice filled in with what the points have."""
    models = study.models or sorted(points["model"].unique())
    of_models = points.filter(pl.col("model").is_in(models))
    own = (
        of_models.filter(pl.col("origin") == "measured", of_single_requests())
        .select("isl", "osl")
        .unique()
        .sort("isl", "osl")
    )
    measured = [catalog.workload_at(isl, osl) for isl, osl in own.iter_rows()]

    def values(column: str) -> list[str]:
        return sorted(of_models[column].drop_nulls().unique())

    return study.model_copy(
        update={
            "models": models,
            "precisions": study.precisions or values("precision"),
            "workloads": study.workloads or list(dict.fromkeys([*catalog.workloads, *measured])),
            "accelerators": study.accelerators or sorted(values("accelerator"), key=catalog.accelerators.place),
            "engines": study.engines or values("engine"),
            "origins": study.origins or values("origin"),
            "sources": study.sources or values("source"),
            "bundles": [b.name for b in chosen(study.bundles)] if study.published else [],
        }
    )


def to_toml(study: Study) -> str:
    """The study as TOML that `load_study` reads back to the same study."""
    return tomli_w.dumps(study.model_dump(mode="json", exclude_none=True))


def _beside(folder: Path, study: Study) -> Study:
    files: dict[str, list[Path]] = {
        name: [(folder / path).resolve() for path in getattr(study, name)]
        for name in ("points", "gates", "catalog", "owner_sets", "rental_prices")
    }
    outlooks = [str((folder / o).resolve()) if o.endswith(".toml") else o for o in study.outlooks]
    return study.model_copy(update={**files, "outlooks": outlooks})


def with_points(study: Study, points: Path) -> Study:
    """The study with a file of points and every model in it."""
    models = read_points(points)[0]["model"].unique().sort().to_list()
    return study.model_copy(
        update={
            "points": [*study.points, points.resolve()],
            "models": [*study.models, *(m for m in models if m not in study.models)] if study.models else [],
        }
    )
