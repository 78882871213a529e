"""The campaign file: a matrix of what to serve and measure, in TOML. An unknown key is an error."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    StrictBool,
    ValidationError,
    with_config,
)
from typing_extensions import TypedDict

from paretoken.bench.config import BenchConfig
from paretoken.bench.workload.bodies import parse_extra
from paretoken.bench.workload.ladder import parse_until
from paretoken.campaign.cluster_settings import CampaignTable, KubernetesSettings, SlurmSettings
from paretoken.catalog.loader import explain
from paretoken.engines.recipes import Override
from paretoken.errors import BadConfig, UnknownName
from paretoken.plain_files import as_type, read_toml
from paretoken.secret_names import is_secret, secret_in_fields, secret_in_words
from paretoken.slo import MEASURED, parse_slos

AXES = ("accelerator", "engine", "model", "precision", "tp", "ep", "dp_attention", "workload")
SET_BY_MATRIX = {
    "urls",
    "model",
    "dialect",
    "tokenizer",
    "workload",
    "isl",
    "osl",
    "concurrency",
    "rate",
    "gpus",
    "accelerator",
    "precision",
    "tp",
    "engine",
    "catalog_model",
    "seed",
    "repeat",
}
"""Settings of a benchmark that the matrix gives."""
BENCH_FILES = ("trace", "cafile")
"""Settings of a benchmark that are paths of files."""
MOST_REPEATS = 1_000
MOST_CONDITIONS = 1_000
AxisValue = str | int | bool
Gpus = Annotated[int, Field(strict=True, ge=1, le=65_536)]


@with_config(ConfigDict(extra="allow"))
class Condition(TypedDict, total=False):
    """One value, or a list of values, for each axis named. A key that is no axis is refused by name afterwards."""

    accelerator: str | list[str]
    engine: str | list[str]
    model: str | list[str]
    precision: str | list[str]
    tp: Gpus | list[Gpus]
    ep: Gpus | list[Gpus]
    dp_attention: StrictBool | list[StrictBool]
    workload: str | list[str]


class CampaignMatrix(CampaignTable):
    """Every combination is a cell; the loads of a cell are one ladder."""

    accelerator: list[str] = Field(
        default_factory=lambda: ["CPU"], description="accelerators of the catalog, or CPU", examples=[["H200"]]
    )
    engine: list[str] = Field(default_factory=list, description="engines with a launch recipe", examples=[["vllm"]])
    model: list[str] = Field(
        default_factory=list, description="models, by any name in the catalog", examples=[["llama-3-70b"]]
    )
    precision: list[str] = Field(
        default_factory=lambda: [""], description="precisions of the weights; empty is the model's", examples=[["fp8"]]
    )
    tp: list[Gpus] = Field(default_factory=lambda: [1], description="tensor-parallel sizes, GPUs", examples=[[4, 8]])
    ep: list[Gpus] = Field(default_factory=lambda: [1], description="expert-parallel sizes, GPUs")
    dp_attention: list[StrictBool] = Field(
        default_factory=lambda: [False], description="whether attention is data-parallel"
    )
    workload: list[str] = Field(
        default_factory=list, description="workloads of the catalog, or ISL/OSL in tokens", examples=[["chat"]]
    )
    concurrency: str = Field("", description="ladder of concurrent users", examples=["1:64:x2"])
    rate: str = Field("", description="ladder of requests per second", examples=["0.5:8:x2"])
    include: list[Condition] = Field(
        default_factory=list,
        max_length=MOST_CONDITIONS,
        description="more cells; an axis that is left out takes the matrix's values",
        examples=[[{"engine": "sglang", "tp": 8}]],
    )
    exclude: list[Condition] = Field(
        default_factory=list,
        max_length=MOST_CONDITIONS,
        description="cells to leave out: those that match every key",
        examples=[[{"model": "llama-3-70b", "tp": 1}]],
    )


class ModelWeights(CampaignTable):
    """Where the weights are: `path` is a folder, a file or a hub name, or one by precision, engine or form (hf, gguf).

    `random` makes a small model of that size with random weights, in the form each engine reads.
    """

    path: str | dict[str, str] = Field(
        "",
        description="folder, file or hub name, or a table of them by precision, engine or form (hf, gguf)",
        examples=["/models/llama-3-70b"],
    )
    random: str = Field(
        "", description="size of a small model with random weights, made where there is no path", examples=["tiny"]
    )
    tokenizer: str = Field(
        "", description="tokenizer.json, or a folder with one", examples=["/models/llama-3-70b/tokenizer.json"]
    )


class CellOverride(Override):
    """Overrides for the recipes of the cells that match `when`; an empty `when` matches all."""

    when: Condition = Field(
        default_factory=Condition, description="axes and values of the cells", examples=[{"engine": "vllm", "tp": 8}]
    )


class ClimbRule(CampaignTable):
    """When a ladder ends early: throughput grows by less than `growth` and the median E2E latency exceeds `e2e_s`."""

    growth: PositiveFloat = Field(0.02, description="least growth of throughput between levels, as a fraction")
    e2e_s: PositiveFloat = Field(60.0, description="median E2E latency above which a ladder may end, seconds")


class RunSettings(CampaignTable):
    """How the campaign runs."""

    order: Literal["given", "random", "interleaved"] = Field("given", description="order of the cells")
    seed: int = Field(0, description="seed of the order, of prompts and of arrivals")
    repeat: int = Field(1, ge=1, le=MOST_REPEATS, description="measurements of every point")
    retries: NonNegativeInt = Field(1, description="further attempts at a cell that failed")
    point_timeout_s: PositiveFloat = Field(3600.0, description="longest time of a point, seconds")
    warmup_requests: NonNegativeInt = Field(4, description="requests before the first point of a workload")
    port: NonNegativeInt = Field(0, le=65535, description="0 picks a free port at each start")
    restart: bool = Field(False, description="a fresh server for each workload")
    accuracy: bool = Field(True, description="run the accuracy probe after each start")
    telemetry_s: PositiveFloat = Field(1.0, description="seconds between samples")
    climb: ClimbRule | None = None


class Campaign(CampaignTable):
    """A campaign as the file states it."""

    name: str = Field("campaign", description="name of the campaign and of its folder")
    title: str = Field("", description="title of its report", examples=["Llama 70B FP8 on H200"])
    matrix: CampaignMatrix
    models: dict[str, ModelWeights] = Field(
        default_factory=dict, description="where the weights of a model are", examples=["llama-3-70b"]
    )
    engines: dict[str, Override] = Field(
        default_factory=dict, description="changes to the recipe of an engine", examples=["vllm"]
    )
    override: list[CellOverride] = Field(default_factory=list, max_length=MOST_CONDITIONS)
    recipes: dict[str, Path] = Field(
        default_factory=dict, description="your own recipe files, by engine", examples=[{"vllm": "my-vllm.toml"}]
    )
    bench: dict[str, object] = Field(
        default_factory=dict, description="options of 'paretoken bench' that the matrix does not set"
    )
    run: RunSettings = Field(default_factory=RunSettings)
    slurm: SlurmSettings = Field(default_factory=SlurmSettings)
    kubernetes: KubernetesSettings = Field(default_factory=KubernetesSettings)
    catalog: list[Path] = Field(
        default_factory=list, description="folders that overlay the shipped catalog", examples=[["my-catalog"]]
    )

    def digest(self) -> str:
        """A hash of what is measured; comments, the order of keys and the settings of Kubernetes do not count."""
        content = self.model_dump(mode="json", exclude={"kubernetes"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def load_campaign(path: Path) -> Campaign:
    """The campaign in a file; relative paths start at the file's folder."""
    table = read_toml(path, "campaign")
    try:
        campaign = Campaign.model_validate(table)
    except ValidationError as e:
        raise BadConfig(f"campaign {path}: {explain(e, _keys_at(e))}") from e
    _check(campaign, path)
    return _with_paths(path.parent.resolve(), campaign)


def _check(campaign: Campaign, path: Path) -> None:
    matrix = campaign.matrix
    for table in (*matrix.include, *matrix.exclude, *(override.when for override in campaign.override)):
        for key in table:
            if key not in AXES:
                raise UnknownName(f"axis in campaign {path}", key, list(AXES))
    settings = [f.name for f in fields(BenchConfig) if f.name not in SET_BY_MATRIX]
    for key in campaign.bench:
        if key in SET_BY_MATRIX:
            raise BadConfig(f"campaign {path}: bench.{key} is set by the matrix; remove it from [bench]")
        if key not in settings:
            raise UnknownName(f"key of [bench] in campaign {path}", key, settings)
    _check_bench(campaign, f"campaign {path}: [bench]")
    _check_secrets(campaign, path)
    if matrix.concurrency and matrix.rate:
        raise BadConfig(f"campaign {path}: give matrix.concurrency or matrix.rate, not both")


def _check_bench(campaign: Campaign, where: str) -> None:
    """BadFile or BadConfig where a benchmark would refuse a setting; the server's address is not known yet."""
    values: dict[str, object] = {"urls": ("http://127.0.0.1:8000/v1",), **campaign.bench}
    config = as_type(BenchConfig, values, where, "correct it")
    if config.until:
        parse_until(config.until)
    if config.extra_body:
        parse_extra(config.extra_body)
    parse_slos(config.slo, MEASURED)


def _check_secrets(campaign: Campaign, path: Path) -> None:
    """BadConfig for a secret: the campaign's folder keeps the file, and others may read its scripts and processes."""
    overrides = (*campaign.engines.values(), *campaign.override)
    for variable, value in (item for override in overrides for item in override.env.items()):
        if value and is_secret(variable):
            raise BadConfig(
                f"campaign {path}: env.{variable} looks like a secret, and the folder may be shared; "
                f'set it in the environment and write {variable} = "" here, which passes it on'
            )
    words = [
        *(word for override in overrides for word in (*override.program, *override.extra, *override.volumes)),
        *campaign.slurm.setup,
        *campaign.slurm.lines,
    ]
    fields = {"set": [override.set for override in overrides], "bench": campaign.bench}
    extra_body = str(campaign.bench.get("extra_body") or "")
    if name := secret_in_words(words) or secret_in_fields(fields) or secret_in_words([extra_body]):
        raise BadConfig(
            f"campaign {path}: {name} holds a secret, and the folder may be shared; set it in the environment, "
            "which engines inherit"
        )


def _keys_at(error: ValidationError) -> list[str]:
    """The keys allowed where the first error is."""
    kinds: dict[str, type[BaseModel]] = {
        "matrix": CampaignMatrix,
        "run": RunSettings,
        "slurm": SlurmSettings,
        "kubernetes": KubernetesSettings,
        "models": ModelWeights,
        "engines": Override,
        "override": CellOverride,
    }
    where = error.errors()[0]["loc"]
    if "climb" in where[:-1]:
        return list(ClimbRule.model_fields)
    kind = kinds.get(str(where[0]), Campaign) if len(where) > 1 else Campaign
    return list(kind.model_fields)


def _with_paths(folder: Path, campaign: Campaign) -> Campaign:
    """The campaign with its relative paths made absolute."""

    def resolved(path: str) -> str:
        """A path that exists in the folder is made absolute; a hub name or an absolute path stays."""
        return str(folder / path) if path and (folder / path).exists() else path

    models = {
        name: m.model_copy(
            update={
                "path": {k: resolved(v) for k, v in m.path.items()} if isinstance(m.path, dict) else resolved(m.path),
                "tokenizer": resolved(m.tokenizer),
            }
        )
        for name, m in campaign.models.items()
    }
    return campaign.model_copy(
        update={
            "models": models,
            "recipes": {k: folder / v for k, v in campaign.recipes.items()},
            "catalog": [folder / c for c in campaign.catalog],
            "bench": campaign.bench
            | {key: resolved(str(campaign.bench[key])) for key in BENCH_FILES if campaign.bench.get(key)},
        }
    )
