"""The campaign file: a matrix of what to serve and measure, in TOML. An unknown key is an error."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    StrictBool,
    with_config,
)
from typing_extensions import TypedDict

from paretoken.campaign.cluster_settings import CampaignTable, KubernetesSettings, SlurmSettings
from paretoken.engines.recipes import Override

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

    name: str = Field("campaign", min_length=1, description="name of the campaign and of its folder")
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
