"""Everything that is known about serving engines: one TOML file for each, in `catalog/engines`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
)

from paretoken.catalog.disaggregation import Disaggregation
from paretoken.catalog.entries import Engine
from paretoken.catalog.loader import ENGINES, LAST, explain
from paretoken.catalog.names import Precision
from paretoken.catalog.recipe import Recipe
from paretoken.errors import BadConfig
from paretoken.plain_files import read_toml

Figure = Literal[
    "running",
    "waiting",
    "kv_cache_usage",
    "batch_size",
    "retracted",
    "preemptions",
    "prefix_cache_queries",
    "prefix_cache_hits",
    "cache_hit_rate",
    "offload_queries",
    "offload_hits",
    "evicted_tokens",
    "loaded_tokens",
    "loaded_bytes",
    "stored_bytes",
    "prompt_tokens",
    "generation_tokens",
    "iteration_tokens",
    "iterations",
    "requests",
    "drafts",
    "drafted_tokens",
    "accepted_tokens",
    "acceptance_length",
]
"""Server metrics by our names; `bench/stats/prometheus.py` says what each means."""


class _EngineTable(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class JsonPlace(_EngineTable):
    """A path of the server, and a key of the JSON object that it answers with; any object will do without a key."""

    path: str = Field(pattern=r"^/")
    key: str = ""


class EngineApi(_EngineTable):
    """What the server takes beyond OpenAI's own fields, and how to recognise it."""

    owners: tuple[str, ...] = Field((), description="`owned_by` in /v1/models, lower case")
    recognised_at: JsonPlace | None = Field(None, description="requested if the owner does not identify the engine")
    version_at: JsonPlace | None = None
    port: int | None = Field(None, description="default port")
    ignore_eos: bool = False
    min_tokens: bool = False
    token_ids: bool = Field(False, description="a list of token ids as the prompt of completions")
    continuous_usage: bool = Field(False, description="usage in every chunk")
    why_not: str = Field("", description="why the server cannot be made to give answers of full length")
    logprobs: Literal["openai", "sglang"] = Field("openai", description="API that gives log-probabilities")


class ByPosition(_EngineTable):
    """A counter whose label is the place of an accepted token in the draft, from 0.

    With `of_steps` it counts verification steps, and the label is the number of tokens that they accepted.
    """

    names: tuple[str, ...]
    label: str
    of_steps: bool = False


class RequestMetrics(_EngineTable):
    """Metrics of single requests: the counters of those that ended, and the histograms of their lengths.

    Histograms are named as the engine declares them, without `_bucket`, `_sum` and `_count`.
    """

    requests: tuple[str, ...]
    prompt_tokens: str
    generation_tokens: str
    histograms_need: str = Field("", description="option without which the server has no such histograms")


class EngineMetrics(_EngineTable):
    """Prometheus metrics: their paths and names. Of several names the first that the server exports counts.

    A name may select one value of a label, as Prometheus writes it: `name{label="value"}`.
    """

    paths: tuple[str, ...] = ("/metrics",)
    prefixes: tuple[str, ...] = Field(description="the first is that of `names`; names with another one are rewritten")
    label: str = Field("", description="name of the engine in results, where it is not the id")
    prompt_tokens_include_cached: bool = True
    prefix_hits_include_offload: bool = Field(True, description="hits of tiers below GPU memory count as prefix hits")
    accepted_is_the_rest: bool = Field(
        False, description="accepted tokens are those generated, less one a request and one a draft"
    )
    accepted_by_position: ByPosition | None = None
    per_request: RequestMetrics | None = None
    names: dict[Figure, tuple[str, ...]]


class SchedulerTraits(_EngineTable):
    """How an engine core batches."""

    no_evict: bool = Field(False, description="admits a request only with room for its whole answer")
    prefill_first: bool = Field(False, description="gives prompts steps of their own")


class KernelFigures(_EngineTable):
    """What the kernels of an engine core reach; `predict/kernels.py` says where the figures are from."""

    dense_bandwidth: dict[Precision, PositiveFloat]
    gemm_s: dict[Precision, PositiveFloat]
    two_shot_s: PositiveFloat

    @field_validator("dense_bandwidth", "gemm_s")
    @classmethod
    def _complete(cls, figures: dict[Precision, float]) -> dict[Precision, float]:
        if missing := [p for p in get_args(Precision) if p not in figures]:
            raise ValueError(f"the precision {missing[0]} is missing")
        return figures


class GpuClass(_EngineTable):
    """Defaults on GPUs sold with at least `min_gib`, except `other_than`; `tp4_` is for four or more GPUs."""

    min_gib: NonNegativeFloat = 0
    other_than: tuple[str, ...] = ()
    max_num_seqs: PositiveInt | None = None
    max_batched_tokens: PositiveInt | None = None
    graph_seqs: PositiveInt | None = Field(None, description="largest batch for which graphs are captured")
    tp4_graph_seqs: PositiveInt | None = None
    memory_utilization: PositiveFloat | None = None
    reserved_gib: PositiveFloat | None = Field(None, description="left free of weights and cache")


class ReservedMemory(_EngineTable):
    """MiB of a GPU that an engine leaves free of weights and cache, which add up; its share of memory is the rest."""

    base_mib: NonNegativeFloat = 0
    batched_token_mib: NonNegativeFloat = 0
    graph_seq_mib: NonNegativeFloat = 0
    gpu_mib: NonNegativeFloat = 0
    drafting_mib: NonNegativeFloat = 0
    dp_attention_mib: NonNegativeFloat = 0
    dp_rank_graph_seq_mib: NonNegativeFloat = 0
    least_mib: NonNegativeFloat = Field(0, description="on GPUs above 60 GiB")


class DatedDefaults(_EngineTable):
    """The defaults of an engine from a day on; an absent key keeps the value of the table before.

    `cache_sizing` is how the KV cache is sized from the share of memory u: budget is u x memory less weights,
    activations and runtime; pool is u x memory less weights; free is u x (memory less all of these).
    """

    since: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    version: str = ""
    source: str
    cache_sizing: Literal["budget", "pool", "free"] | None = None
    memory_utilization: PositiveFloat | None = None
    utilization_by_gpus: tuple[tuple[PositiveInt, PositiveFloat], ...] | None = Field(
        None, description="shares by the least number of GPUs, most GPUs first"
    )
    reserved: ReservedMemory | None = None
    aiter_share: PositiveFloat | None = Field(
        None, description="factor on the share of memory, on AMD with AITER attention and a context beyond 8192 tokens"
    )
    kv_dtype: Literal["model", "checkpoint", "quantised"] | None = Field(
        None, description="quantised: FP8 where the weights are FP8 or FP4"
    )
    max_num_seqs: PositiveInt | None = None
    max_batched_tokens: PositiveInt | None = None
    whole_prompts_up_to: int | None = Field(None, description="context up to which a step takes a whole prompt")
    gpus: tuple[GpuClass, ...] | None = None
    ranks_share_tokens: bool | None = Field(
        None, description="ranks of attention data parallelism share max_batched_tokens"
    )
    window_policy: Literal["whole", "freed", "pools"] | None = Field(
        None, description="layers with a window cache all tokens, those in the window, or have a pool of their own"
    )
    window_pool: PositiveFloat | None = Field(None, description="tokens in that pool for each in the other")
    state_share: NonNegativeFloat | None = Field(None, description="share of the cache for states of sequences")
    logit_bytes: NonNegativeFloat | None = Field(None, description="bytes while sampling, for each sequence and word")
    runtime_gib: NonNegativeFloat | None = Field(None, description="context and libraries on one GPU")
    linked_gib: dict[str, NonNegativeFloat] | None = Field(
        None, description="`runtime_gib` of a GPU with links to others, by vendor; `other` for the rest"
    )
    layer_graph_gib: NonNegativeFloat | None = Field(None, description="graphs of one layer, which reduce the cache")

    def of_gpu(self, accelerator: str, hbm_gib: float) -> GpuClass:
        """The defaults on an accelerator with so much memory; an empty table where they do not depend on it."""
        fitting = (c for c in self.gpus or () if hbm_gib >= c.min_gib and accelerator not in c.other_than)
        return next(fitting, GpuClass())


class EngineFile(Engine):
    """One engine: its catalog entry and everything else. A missing table means that nothing is known."""

    listed: bool = Field(True, description="whether the catalog lists it")
    order: int = Field(LAST, description="place in lists")
    packages: tuple[str, ...] = Field((), description="distributions whose versions are recorded")
    env_prefixes: tuple[str, ...] = Field((), description="environment variables that are recorded")
    api: EngineApi | None = None
    metrics: EngineMetrics | None = None
    scheduler: SchedulerTraits = SchedulerTraits()
    kernels: KernelFigures | None = None
    recipe: Recipe | None = None
    disaggregation: Disaggregation | None = None
    defaults: tuple[DatedDefaults, ...] = Field((), description="oldest first")

    @field_validator("defaults")
    @classmethod
    def _in_order(cls, defaults: tuple[DatedDefaults, ...]) -> tuple[DatedDefaults, ...]:
        days = [d.since for d in defaults]
        if days != sorted(set(days)):
            raise ValueError("the tables of defaults must be in order, one for each day")
        return defaults


@cache
def engine_files() -> dict[str, EngineFile]:
    """Every shipped engine by its id, in the order of lists."""
    files = {path.stem: read_engine_file(path) for path in ENGINES.glob("*.toml")}
    return dict(sorted(files.items(), key=lambda item: (item[1].order, item[0])))


@cache
def disaggregation_of(engine: str) -> Disaggregation | None:
    """How an engine serves from separate pools, completed by its core; None if neither documents it."""
    files = engine_files()
    if engine not in files:
        return None
    own, core = files[engine].disaggregation, files[files[engine].core].disaggregation
    if own is None or core is None:
        return own or core
    return Disaggregation(exchange=own.exchange or core.exchange, launch=own.launch or core.launch)


@cache
def states_redundant_experts(engine: str) -> bool:
    """Whether the launch recipe of an engine's pools can state redundant experts.

    Without them no worker can have an EP size that does not divide the experts of its model.
    """
    pools = disaggregation_of(engine)
    if pools is None or pools.launch is None:
        return False
    own = engine_files()[engine]
    worker = pools.launch.worker_recipe(engine_files()[own.core].recipe, engine, own.name, own.vendors)
    return "redundant_experts" in worker.parameters()


def read_engine_file(path: Path) -> EngineFile:
    """One engine's file; BadFile or BadConfig, with the key that is wrong."""
    table = read_toml(path, "engine file")
    if isinstance(recipe := table.get("recipe"), dict):
        metrics = table.get("metrics")
        paths = metrics.get("paths") if isinstance(metrics, dict) else None
        first = paths[0] if isinstance(paths, list) and paths else ""
        table["recipe"] = {"engine": path.stem, "dialect": path.stem, "metrics": first, **recipe}
    try:
        engine = EngineFile.model_validate(table)
    except ValidationError as e:
        raise BadConfig(f"engine file {path}: {explain(e, list(EngineFile.model_fields))}") from e
    if engine.recipe:
        engine.recipe.check(f"engine file {path}")
    return engine


def newest_max_num_seqs(engine: str, accelerator: str, hbm_gib: float) -> int:
    """Requests that the newest release of an engine serves at once by default; 0 if the catalog does not state it."""
    files = engine_files()
    core = files.get(files[engine].core) if engine in files else None
    for table in reversed(core.defaults if core else ()):
        if limit := table.of_gpu(accelerator, hbm_gib).max_num_seqs or table.max_num_seqs:
            return limit
    return 0


def engine_apis() -> Iterator[tuple[str, EngineApi]]:
    """The engines whose API is known, by id."""
    return ((key, engine.api) for key, engine in engine_files().items() if engine.api)


def engine_of_owner(owner: str) -> str | None:
    """The engine whose /v1/models gives this owner, whatever the case; None if it is not known."""
    return next((key for key, api in engine_apis() if owner.lower() in api.owners), None)


def usual_ports() -> dict[int, str]:
    """The default ports of engines, with the names of the engines."""
    ports: dict[int, list[str]] = {}
    for key, api in engine_apis():
        if api.port:
            ports.setdefault(api.port, []).append(engine_files()[key].name)
    return {port: ", ".join(names) for port, names in ports.items()}


def metrics_paths() -> tuple[str, ...]:
    """Every path at which some engine serves its metrics."""
    metrics = (engine.metrics for engine in engine_files().values() if engine.metrics)
    return tuple(dict.fromkeys(path for m in metrics for path in m.paths))


def cores_with(trait: Literal["no_evict", "prefill_first"]) -> frozenset[str]:
    """The engine cores with a trait of the scheduler."""
    return frozenset(key for key, engine in engine_files().items() if getattr(engine.scheduler, trait))
