"""A deployment to predict, a model served by an engine on accelerators, and its load."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace

from paretoken.catalog.engine_files import cores_with
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.catalog.names import precision_id, why_no_precision
from paretoken.errors import BadConfig
from paretoken.plural import counted
from paretoken.predict.operations import BYTES
from paretoken.predict.settings import DEFAULT, EngineSettings
from paretoken.predict.speculation import NONE, check_speculation, method_and_tokens

MOST_TOKENS = 10_000_000
DRAFT_SIZE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)b")
"""The size of a draft model."""
NO_EVICT_CORES = cores_with("no_evict")
"""Cores that admit a request only if its whole output fits (TensorRT-LLM's default, GUARANTEED_NO_EVICT)."""
PREFILL_FIRST_CORES = cores_with("prefill_first")
"""Engine cores that run prefill in separate steps, ahead of decode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One serving configuration. Names are catalog ids; `gpus` is the total, of which `tp` share each layer's heads.

    `ep` GPUs share the experts. With `dp_attention` each group of `tp` GPUs (each single GPU if tp = gpus) has its
    own attention and requests. `date` (ISO) is the day whose version of the engine runs. With `pp` the layers are
    split into pp stages of gpus / pp GPUs; the above then holds within a stage.

    `speculative` is a method of `speculation.METHODS`, of which a step drafts `speculative_tokens` (None is what the
    engine drafts by default, see `drafting`) and yields `acceptance_length` (None is the calibrated one).
    `draft_model` is a model of the catalog or a size such as 1.5b, "" if it is not stated.
    """

    accelerator: str
    model: str
    precision: str
    engine: str
    gpus: int
    tp: int
    ep: int = 1
    dp_attention: bool = False
    speculative: str = NONE
    date: str | None = None
    engine_version: str = ""
    pp: int = 1
    settings: EngineSettings = DEFAULT
    speculative_tokens: int | None = None
    acceptance_length: float | None = None
    draft_model: str = ""

    @property
    def stage_gpus(self) -> int:
        """GPUs that share each layer."""
        return self.gpus // self.pp

    @property
    def stage(self) -> Deployment:
        """The GPUs of one stage with all the layers, as a deployment without stages."""
        return self if self.pp == 1 else replace(self, gpus=self.stage_gpus, pp=1)

    @property
    def attention_tp(self) -> int:
        """GPUs that share one request's attention."""
        return (self.tp if self.tp < self.stage_gpus else 1) if self.dp_attention else self.stage_gpus

    @property
    def size(self) -> str:
        """GPUs as one word: 8, or 4x2 for two stages of four."""
        return str(self.gpus) if self.pp == 1 else f"{self.stage_gpus}x{self.pp}"

    @property
    def hardware(self) -> str:
        """GPUs in words: 8 x H200, or 8 x H200 in 2 stages."""
        return f"{self.gpus} x {self.accelerator}" + (f" in {self.pp} stages" if self.pp > 1 else "")

    @property
    def drafting(self) -> bool:
        """Whether tokens are drafted ahead and verified."""
        return self.speculative not in ("", NONE)


@dataclass(frozen=True, slots=True)
class Lengths:
    """Nominal lengths, tokens; each request draws its own uniformly from [ratio, 1] of them."""

    isl: int
    osl: int
    ratio: float = 1.0

    @property
    def mean_isl(self) -> float:
        return max(self.isl * (1 + self.ratio) / 2, 1.0)

    @property
    def mean_osl(self) -> float:
        return max(self.osl * (1 + self.ratio) / 2, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A deployment under a closed loop of `concurrency` users, who share `replicas` of it evenly.

    `harness` is "lab" for a source that keeps all lengths equal and states no GPU count, "public" for runs like those
    of InferenceX, "offline" for the maximum throughput of requests that all arrive at once; each has its own effects
    in the calibration. `period` marks a published median over many dates.
    """

    deployment: Deployment
    lengths: Lengths
    concurrency: float
    harness: str = "public"
    period: bool = False
    replicas: int = 1

    @property
    def gpus(self) -> int:
        """GPUs of all replicas."""
        return self.deployment.gpus * self.replicas

    @property
    def lengths_text(self) -> str:
        """Nominal lengths as one word: 1024/1024."""
        return f"{self.lengths.isl}/{self.lengths.osl}"

    @property
    def busy_replicas(self) -> float:
        """Replicas that have users."""
        return min(self.replicas, self.concurrency)

    @property
    def each(self) -> Case:
        """The case of one of the busy replicas."""
        return (
            self if self.replicas == 1 else replace(self, concurrency=self.concurrency / self.busy_replicas, replicas=1)
        )


def resolve(deployment: Deployment, catalog: Catalog | None = None) -> Deployment:
    """The deployment with catalog ids for names; UnknownName with the nearest ones otherwise.

    The precision gets the catalog's name. Drafted tokens after the method, as in mtp:3, become `speculative_tokens`.
    """
    catalog = catalog or load_catalog()
    method, tokens = method_and_tokens(deployment.speculative)
    stated = deployment.speculative_tokens
    if None not in (tokens, stated) and tokens != stated:
        raise BadConfig(
            f"speculative is {deployment.speculative}, but speculative_tokens is {stated}; state one of them"
        )
    return replace(
        deployment,
        precision=precision_id(deployment.precision),
        speculative=method,
        speculative_tokens=stated if tokens is None else tokens,
        draft_model=draft_model_id(deployment.draft_model, catalog),
        accelerator=catalog.accelerators.id_of(deployment.accelerator),
        model=catalog.models.id_of(deployment.model),
        engine=catalog.engines.id_of(deployment.engine),
        settings=deployment.settings.resolved(),
    )


def draft_model_id(text: str, catalog: Catalog) -> str:
    """The catalog's id of a draft model, or its size in billions of weights as written: 1.5b; UnknownName otherwise."""
    size = text.strip().lower()
    if not (number := DRAFT_SIZE.fullmatch(size)):
        return catalog.models.id_of(text) if size else ""
    if not float(number[1]):
        raise BadConfig(f"draft_model is {text}; state a model of the catalog, or a size such as 1.5b")
    return size


def require_experts(d: Deployment, catalog: Catalog) -> None:
    """BadConfig if the GPUs cannot share the experts evenly."""
    moe = catalog.models[d.model].moe
    if d.ep > 1 and not moe:
        raise BadConfig(f"ep is {d.ep}, but {d.model} is dense and has no experts to share; leave ep at 1")
    if d.settings.redundant_experts and not moe:
        raise BadConfig(f"redundant_experts is {d.settings.redundant_experts}, but {d.model} is dense; leave it out")
    if moe and d.settings.redundant_experts > max(moe.experts, d.ep):
        raise BadConfig(
            f"redundant_experts is {d.settings.redundant_experts:,}, more than the {moe.experts} experts of {d.model}; "
            "lower it"
        )
    if moe and (moe.experts + d.settings.redundant_experts) % d.ep:
        copies = f" and {d.settings.redundant_experts} redundant ones" if d.settings.redundant_experts else ""
        raise BadConfig(
            f"ep {d.ep} does not divide the {moe.experts} experts{copies} of {d.model}; set redundant_experts to "
            f"{-moe.experts % d.ep}"
        )
    if d.stage_gpus % d.ep:
        raise BadConfig(f"ep {d.ep} does not divide {d.hardware}; use a divisor of {d.stage_gpus}")


def require_vendor(accelerator: str, engine: str, catalog: Catalog) -> None:
    """BadConfig if the engine, or the core that it schedules with, does not run on the accelerator.

    A vendor that no engine of the catalog names is accepted.
    """
    vendor = catalog.accelerators[accelerator].vendor
    if vendor in _vendors(engine, catalog):
        return
    others = [key for key, e in catalog.engines.items() if not e.disaggregated and vendor in _vendors(key, catalog)]
    if others:
        name = catalog.engines[engine].name
        raise BadConfig(f"{name} does not run on {accelerator} ({vendor}); use {', '.join(others)}")


def _vendors(engine: str, catalog: Catalog) -> set[str]:
    entry = catalog.engines[engine]
    core = catalog.engines[entry.core] if catalog.engines.find(entry.core) else entry
    return set(entry.vendors) & set(core.vendors)


def check(deployment: Deployment, catalog: Catalog | None = None) -> None:
    """BadConfig for a resolved deployment that cannot exist or cannot be predicted.

    Among the causes: sizes below 1, a TP size that does not divide the heads, an unknown precision or date.
    """
    catalog = catalog or load_catalog()
    d, model = deployment, catalog.models[deployment.model]
    require_vendor(d.accelerator, d.engine, catalog)
    if d.precision not in BYTES:
        why = why_no_precision(d.precision) or f"is unknown; use one of {', '.join(BYTES)}"
        raise BadConfig(f"precision {d.precision!r} {why}")
    check_speculation(d.speculative, d.speculative_tokens, d.acceptance_length, d.draft_model)
    if d.date is not None:
        check_day(d.date)
        check_released(d, d.date, catalog)
    d.settings.check()
    if (length := d.settings.max_model_len) and model.max_context and length > model.max_context:
        raise BadConfig(
            f"max_model_len is {length:,}, more than the context of {d.model}, {model.max_context:,} tokens; lower it"
        )
    for name, value in (("n_gpus", d.gpus), ("tp", d.tp), ("ep", d.ep), ("pp", d.pp)):
        if value < 1:
            raise BadConfig(f"{name} is {value}; it must be at least 1")
    if d.pp > model.layers:
        raise BadConfig(f"pp {d.pp} is more stages than the {model.layers} layers of {d.model}; use a lower pp")
    if d.gpus % (d.tp * d.pp):
        stages, unit = (f"{d.pp} stages of ", f"tp x pp = {d.tp * d.pp}") if d.pp > 1 else ("", "tp")
        raise BadConfig(
            f"{counted(d.gpus, 'GPU')} cannot be split into {stages}groups of tp {d.tp}; give a multiple of {unit}"
        )
    if model.heads % d.attention_tp:
        fits = [n for n in (1, 2, 4, 8, 16, 32, 64) if model.heads % n == 0 and n <= max(8, d.stage_gpus)]
        raise BadConfig(
            f"tp {d.attention_tp} does not divide the {model.heads} attention heads of {d.model}; "
            f"use tp {', '.join(map(str, fits))}"
        )
    _check_context_parallel(d)
    require_experts(d, catalog)


def _check_context_parallel(d: Deployment) -> None:
    """BadConfig if `cp` does not divide the GPUs that share a request; those of a stage, where one GPU serves each."""
    cp, gpus = d.settings.context_parallel, d.attention_tp if d.attention_tp > 1 else d.stage_gpus
    if gpus % cp:
        raise BadConfig(f"cp {cp} does not divide the {counted(gpus, 'GPU')} that share a request; use a divisor")


def check_released(d: Deployment, date: str, catalog: Catalog) -> None:
    """BadConfig if the model or the accelerator did not exist on that day."""
    released = catalog.models[d.model].date
    if re.fullmatch(r"[0-9]{4}(-[0-9]{2}){1,2}", released) and date < released:
        raise BadConfig(f"date is {date}, but {d.model} was released {released}; give a later date, or none")
    shipped = first_shipping(catalog.accelerators[d.accelerator].first_shipping)
    if shipped and date < shipped:
        raise BadConfig(f"date is {date}, but {d.accelerator} first shipped {shipped}; give a later date, or none")


def first_shipping(text: str) -> str:
    """The earliest date that a catalog's text on first shipping allows, as a month or a day; "" if it names none.

    "2025-Q2 volume" is 2025-04, "2024-H2" 2024-07, and a year alone its first month.
    """
    starts = {"Q1": "01", "Q2": "04", "Q3": "07", "Q4": "10", "H1": "01", "H2": "07"}
    times = re.findall(r"\b(20[0-9]{2})(?:-(Q[1-4]|H[12]|[0-9]{2}(?:-[0-9]{2})?)\b)?", text)
    return min((f"{year}-{starts.get(part, part) or '01'}" for year, part in times), default="")


def check_day(text: str) -> None:
    """BadConfig if a date is not written as 2026-05-01, or does not exist."""
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError(text)
        dt.date.fromisoformat(text)
    except ValueError as e:
        raise BadConfig(f"date is {text!r}; write a day as 2026-05-01") from e


def node_gpus(accelerator: str, catalog: Catalog) -> int:
    """GPUs that may share a layer: those of a scale-up domain, or of a server where it has none."""
    return catalog.accelerators[accelerator].domain_gpus


def check_lengths(deployment: Deployment, lengths: Lengths, catalog: Catalog | None = None) -> None:
    """BadConfig if the lengths are not positive, or exceed the model's context or the server's."""
    model = (catalog or load_catalog()).models[deployment.model]
    if not (1 <= lengths.isl <= MOST_TOKENS and 1 <= lengths.osl <= MOST_TOKENS):
        raise BadConfig(f"isl {lengths.isl} and osl {lengths.osl} must be at least 1 token, at most {MOST_TOKENS:,}")
    if not 0 < lengths.ratio <= 1:
        raise BadConfig(f"length_range_ratio is {lengths.ratio:g}; it must be above 0 and at most 1")
    if model.max_context and lengths.isl + lengths.osl > model.max_context:
        raise BadConfig(
            f"isl {lengths.isl} + osl {lengths.osl} = {lengths.isl + lengths.osl} tokens exceed the "
            f"context of {deployment.model}, {model.max_context}"
        )
    if (served := deployment.settings.max_model_len) and lengths.isl + lengths.osl > served:
        raise BadConfig(
            f"isl {lengths.isl} + osl {lengths.osl} = {lengths.isl + lengths.osl} tokens exceed max_model_len, "
            f"{served}; raise it or shorten the requests"
        )
