"""The fewest GPUs of each accelerator that hold a model and its users."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from paretoken.answers.prediction import assumptions
from paretoken.answers.seam import Question
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.catalog.hf.lookup import catalog_with_model
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.catalog.names import agreed_precision
from paretoken.errors import BadConfig
from paretoken.predict.configure import MAX_USERS, check_count, configured
from paretoken.predict.deployment import Deployment, Lengths, check, check_lengths
from paretoken.predict.engine_defaults import SettingRow, setting_rows, settings_in_force
from paretoken.predict.fitting import Fit, fewest_gpus, practical_sizes
from paretoken.predict.memory import BLOCK_TOKENS, GIB, memory_parts
from paretoken.predict.request import DeploymentRequest
from paretoken.predict.settings import DEFAULT, EngineSettings


@dataclass(frozen=True, kw_only=True)
class FitQuestion(Question):
    """How many GPUs of each accelerator hold a model, with the KV cache of `users` requests of `isl` + `osl` tokens?"""

    model: Annotated[str, Field(description="Model: a name in the catalog, org/name, or a config.json")]
    accelerators: Annotated[tuple[str, ...], Field(description="Accelerators; none for all of the catalog")] = ()
    engine: Annotated[str, Field(description="Engine, by any name in the catalog")] = "vllm"
    precision: Annotated[str | None, Field(description="Precision of the weights; by default the model's own")] = None
    isl: Annotated[int, Field(description="Input tokens of a request")] = 1024
    osl: Annotated[int, Field(description="Output tokens of a request")] = 1024
    users: Annotated[int, Field(description="Requests that the KV cache must hold at once", ge=1, le=MAX_USERS)] = 1
    dp_attention: Annotated[bool, Field(description="Attention data parallelism, one rank for each GPU")] = False
    date: Annotated[str | None, Field(description="Date of the engine, YYYY-MM-DD; by default the newest")] = None
    settings: Annotated[EngineSettings, Field(description="Settings of the engine; its own if left out")] = DEFAULT
    catalog: Annotated[tuple[Path, ...], Field(description="Folders that overlay the shipped catalog")] = ()


@dataclass(frozen=True, kw_only=True)
class FitRow:
    """The fewest GPUs of one accelerator, and the memory of one of them.

    The engine leaves `free_gib` unused. `kv_tokens` is the size of the cache that one engine prints. The caches of all
    `engines` hold `users` requests at once. `longest_request` is the longest that the cache of one engine holds,
    tokens, at most `max_model_len`.
    """

    accelerator: str
    gpus: int
    tp: int
    pp: int
    replicas: int
    memory_gib: float
    weights_gib: float
    activations_gib: float
    graphs_gib: float
    runtime_gib: float
    cache_gib: float
    free_gib: float
    kv_tokens: int
    users: int
    longest_request: int
    max_num_seqs: int
    max_model_len: int | None
    engines: int
    settings: tuple[SettingRow, ...]


@dataclass(frozen=True, kw_only=True)
class NoFitRow:
    """An accelerator without an answer, and the reason; if `deployable`, no practical number of GPUs is enough."""

    accelerator: str
    deployable: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class FitAnswer(TypedAnswer):
    """One row for each accelerator, fewest GPUs first; then those that do not fit.

    `assumed` lists what was assumed about the model.
    """

    TABLE: ClassVar[str] = "rows"
    model: str
    precision: str
    engine: str
    rows: tuple[FitRow | NoFitRow, ...]
    assumed: tuple[str, ...]


@takes(FitQuestion)
def fit(question: FitQuestion, catalog: Catalog | None = None) -> FitAnswer:
    """The fewest GPUs of every accelerator; BadConfig if one that the question names, or all, cannot be deployed."""
    own = catalog or load_catalog(*question.catalog)
    catalog, model = catalog_with_model(own, question.model)
    precision = agreed_precision(question.model if catalog is own else "", question.precision)
    question = replace(question, model=model, precision=precision)
    names = tuple(dict.fromkeys(question.accelerators or catalog.accelerators))
    rows: list[FitRow | NoFitRow] = []
    errors: list[BadConfig] = []
    for name in names:
        try:
            rows.append(_row(_alone(question, name, catalog), question, catalog))
        except BadConfig as e:
            errors.append(e)
            rows.append(NoFitRow(accelerator=name, deployable=False, reason=str(e)))
    if errors and (question.accelerators or len(errors) == len(names)):
        raise errors[0]
    return FitAnswer(
        model=model,
        precision=precision or catalog.models[model].native_precision,
        engine=catalog.engines.id_of(question.engine),
        rows=tuple(sorted(rows, key=lambda r: r.gpus if isinstance(r, FitRow) else inf)),
        assumed=assumptions(catalog.models[model]),
    )


def _alone(q: FitQuestion, accelerator: str, catalog: Catalog) -> Deployment:
    """The checked deployment on one GPU."""
    check_count("users", q.users)
    if q.settings.kv_tokens:
        raise BadConfig("kv_tokens cannot be set here, fit computes it; leave it out")
    request = DeploymentRequest(
        accelerator=accelerator,
        model=q.model,
        engine=q.engine,
        precision=q.precision,
        date=q.date,
        settings=q.settings,
    )
    d = configured(request, catalog)
    check(d, catalog)
    check_lengths(d, Lengths(q.isl, q.osl), catalog)
    if q.dp_attention and not catalog.models[d.model].moe:
        raise BadConfig(f"dp_attention is for models with experts; {d.model} is dense")
    return replace(d, dp_attention=q.dp_attention)


def _row(d: Deployment, q: FitQuestion, catalog: Catalog) -> FitRow | NoFitRow:
    tokens = q.isl + q.osl - 1
    if (smallest := fewest_gpus(d, tokens, q.users, catalog)) is not None:
        return _fit_row(smallest, catalog)
    *_, largest = practical_sizes(d, catalog)
    missing = -memory_parts(largest, catalog).cache_bytes / GIB
    problem = f"{missing:,.1f} GiB per GPU are missing" if missing > 0 else "the KV cache is too small for a request"
    return NoFitRow(accelerator=d.accelerator, deployable=True, reason=f"even on {largest.hardware} {problem}")


def _fit_row(f: Fit, catalog: Catalog) -> FitRow:
    d, p = f.deployment, f.parts
    settings = settings_in_force(d, catalog)
    longest = f.longest // BLOCK_TOKENS * BLOCK_TOKENS
    return FitRow(
        accelerator=d.accelerator,
        gpus=f.gpus,
        tp=d.tp,
        pp=d.pp,
        replicas=f.replicas,
        memory_gib=p.reported_bytes / GIB,
        weights_gib=p.weight_bytes / GIB,
        activations_gib=p.activation_bytes / GIB,
        graphs_gib=p.graph_bytes / GIB,
        runtime_gib=p.runtime_bytes / GIB,
        cache_gib=p.cache_bytes / GIB,
        free_gib=p.reserved_bytes / GIB,
        kv_tokens=p.kv_tokens,
        users=f.users,
        longest_request=min(longest, settings.max_model_len or longest),
        max_num_seqs=settings.max_num_seqs,
        max_model_len=settings.max_model_len,
        engines=f.replicas * d.stage_gpus // d.attention_tp,
        settings=tuple(setting_rows(d, catalog)),
    )
