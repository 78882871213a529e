"""What an engine does where nobody sets it: the defaults of its version, by date and by GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import NamedTuple

from paretoken.catalog.engine_files import DatedDefaults, GpuClass, ReservedMemory, engine_files
from paretoken.catalog.entries import Accelerator, Model
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.predict.deployment import Deployment
from paretoken.predict.settings import DEFAULT, EngineSettings

GENERIC_CORE = "vllm"
"""The core whose defaults hold for a core that has none of its own."""
CHOICES = ("kv_dtype", "memory_utilization", "max_num_seqs", "max_batched_tokens", "max_model_len")
_ANY = GpuClass()
_ABOVE_GIB = 60
"""GPUs above this leave at least `ReservedMemory.least_mib` free."""
_LARGE_GRAPHS = 300
"""Graphs of more sequences than this take half as much again with attention data parallelism."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsInForce:
    """The settings that a server runs with, stated or by default; see `settings.EngineSettings` for each.

    `max_model_len` is None where neither the user nor the model states one. `by_default` names those that nobody
    stated.
    """

    kv_dtype: str
    memory_utilization: float
    max_num_seqs: int
    max_batched_tokens: int
    max_model_len: int | None
    by_default: frozenset[str]


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting in force and where it comes from."""

    name: str
    value: str
    origin: str


class EngineRules(NamedTuple):
    """The defaults of an engine core on a day, as one table, and for each key the table that set it."""

    core: str
    now: DatedDefaults
    tables: Mapping[str, DatedDefaults]


@lru_cache(maxsize=1024)
def engine_rules(core: str, date: str | None) -> EngineRules:
    """The defaults on a day (ISO), the newest without one; before the first table they are the first table's."""
    files = engine_files()
    name = core if core in files and files[core].defaults else GENERIC_CORE
    dated = files[name].defaults
    now, tables = dated[0], dict[str, DatedDefaults]()
    for table in (t for t in dated if t is dated[0] or date is None or t.since <= date):
        stated = table.model_fields_set - {"since", "version", "source"}
        now = now.model_copy(update={key: getattr(table, key) for key in stated})
        tables |= dict.fromkeys(stated, table)
    return EngineRules(name, now, tables)


def settings_in_force(d: Deployment, catalog: Catalog | None = None) -> SettingsInForce:
    """What a deployment's server runs with."""
    catalog = catalog or load_catalog()
    s, model, accelerator = d.settings, catalog.models[d.model], catalog.accelerators[d.accelerator]
    rules = engine_rules(catalog.engines[d.engine].core, d.date)
    gpu = _gpu_class(rules, d.accelerator, accelerator)
    length = s.max_model_len or model.max_context
    shared = d.stage_gpus // d.attention_tp if rules.now.ranks_share_tokens else 1
    batched = s.max_batched_tokens or max(_batched_tokens(rules, gpu, length) // shared, 1)
    return SettingsInForce(
        kv_dtype=s.kv_dtype or _kv_dtype(rules, model, d.precision),
        memory_utilization=s.memory_utilization or _utilization(rules, gpu, d, accelerator, batched),
        max_num_seqs=s.max_num_seqs or gpu.max_num_seqs or rules.now.max_num_seqs or 1,
        max_batched_tokens=batched,
        max_model_len=length,
        by_default=frozenset(name for name in CHOICES if getattr(s, name) is None),
    )


def setting_rows(d: Deployment, catalog: Catalog | None = None) -> list[SettingRow]:
    """Every setting in force with its origin, for people; those that nobody states or needs are left out."""
    catalog = catalog or load_catalog()
    force = settings_in_force(d, catalog)
    rules = engine_rules(catalog.engines[d.engine].core, d.date)
    rows = []
    for name in (f.name for f in fields(EngineSettings)):
        value = getattr(force if name in CHOICES else d.settings, name)
        if value not in (None, getattr(DEFAULT, name)):
            origin = _origin(rules, name, d, catalog) if name in force.by_default else "stated"
            rows.append(SettingRow(name, f"{value:g}" if isinstance(value, float) else str(value), origin))
    return rows


def _origin(rules: EngineRules, name: str, d: Deployment, catalog: Catalog) -> str:
    if name == "max_model_len":
        return f"context of {catalog.models[d.model].name}"
    gpu = _gpu_class(rules, d.accelerator, catalog.accelerators[d.accelerator])
    keys = {"memory_utilization": ("reserved", "utilization_by_gpus")}.get(name, ())
    by_gpu = getattr(gpu, name, None) is not None
    key = "gpus" if by_gpu else next((k for k in keys if getattr(rules.now, k)), name)
    table = rules.tables[key]
    version = f" ({table.version})" if table.version else ""
    engine = catalog.engines[rules.core].name
    on = f" on {d.accelerator}" if key != name else ""
    return f"default of {engine}{on} since {table.since}{version}: {table.source}"


def _gpu_class(rules: EngineRules, name: str, accelerator: Accelerator) -> GpuClass:
    fitting = (c for c in rules.now.gpus or () if accelerator.hbm_gib >= c.min_gib and name not in c.other_than)
    return next(fitting, _ANY)


def _batched_tokens(rules: EngineRules, gpu: GpuClass, length: int | None) -> int:
    tokens = gpu.max_batched_tokens or rules.now.max_batched_tokens or 1
    return max(tokens, length) if length and length <= (rules.now.whole_prompts_up_to or 0) else tokens


def _kv_dtype(rules: EngineRules, model: Model, precision: str) -> str:
    rule = rules.now.kv_dtype
    if rule == "checkpoint" and model.checkpoint_kv_dtype and precision == model.native_precision:
        return model.checkpoint_kv_dtype
    return "fp8" if rule == "quantised" and precision in ("fp8", "fp4") else "bf16"


def _utilization(
    rules: EngineRules, gpu: GpuClass, d: Deployment, accelerator: Accelerator, batched_tokens: int
) -> float:
    """The share of the memory that the engine takes."""
    if gpu.memory_utilization:
        return gpu.memory_utilization
    if shares := rules.now.utilization_by_gpus:
        return next(share for gpus, share in shares if d.gpus >= gpus)
    if (reserved := rules.now.reserved) is None:
        return rules.now.memory_utilization or 1.0
    mib = accelerator.memory_bytes / 2**20
    return round((mib - _reserved_mib(reserved, gpu, d, batched_tokens, mib)) / mib, 3)


def _reserved_mib(r: ReservedMemory, gpu: GpuClass, d: Deployment, batched_tokens: int, mib: float) -> float:
    graphs = (gpu.tp4_graph_seqs if d.stage_gpus >= 4 else None) or gpu.graph_seqs or 0
    total = r.base_mib + (gpu.reserved_gib or 0) * 1024 + r.gpu_mib * d.gpus
    total += r.batched_token_mib * max(batched_tokens, 2048) + r.graph_seq_mib * graphs
    if d.dp_attention:
        ranks = d.stage_gpus // d.attention_tp
        more = 1.5 if graphs > _LARGE_GRAPHS else 1.0
        total += r.dp_attention_mib + r.dp_rank_graph_seq_mib * graphs * ranks * more
    if mib > _ABOVE_GIB * 1024:
        total = max(total, r.least_mib)
    return total + (r.drafting_mib if d.drafting else 0)
