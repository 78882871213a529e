"""Default settings of engines, by date and by GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import NamedTuple

from paretoken.catalog.engine_files import DatedDefaults, GpuClass, ReservedMemory, engine_files
from paretoken.catalog.entries import Accelerator, Model
from paretoken.catalog.loader import Catalog
from paretoken.predict.deployment import Deployment
from paretoken.predict.settings import DEFAULT, EngineSettings

GENERIC_CORE = "vllm"
"""The core whose defaults apply to a core without any."""
CHOICES = ("kv_dtype", "memory_utilization", "max_num_seqs", "max_batched_tokens", "max_model_len")
"""Settings whose default depends on the engine."""
_ABOVE_GIB = 60
"""Larger GPUs leave at least `ReservedMemory.least_mib` free."""
_LARGE_GRAPHS = 300
"""Sequences of a graph above which it needs 1.5 times the memory with attention data parallelism."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsInForce:
    """The settings that a server runs with, stated or by default; `settings.EngineSettings` describes each.

    `max_model_len` is None if neither the user nor the model states one. `by_default` names the settings that the user
    did not state.
    """

    kv_dtype: str
    memory_utilization: float
    max_num_seqs: int
    max_batched_tokens: int
    max_model_len: int | None
    by_default: frozenset[str]


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting in force and its origin."""

    name: str
    value: str
    origin: str


class EngineRules(NamedTuple):
    """The defaults of an engine core on a date, as one table, and the dated table that set each key."""

    core: str
    defaults: DatedDefaults
    tables: Mapping[str, DatedDefaults]


@lru_cache(maxsize=1024)
def engine_rules(core: str, date: str | None) -> EngineRules:
    """The defaults on a date (ISO), the newest without one; the first table also covers earlier dates."""
    files = engine_files()
    name = core if core in files and files[core].defaults else GENERIC_CORE
    dated = files[name].defaults
    defaults, tables = dated[0], dict[str, DatedDefaults]()
    for table in (t for t in dated if t is dated[0] or date is None or t.since <= date):
        stated = table.model_fields_set - {"since", "version", "source"}
        defaults = defaults.model_copy(update={key: getattr(table, key) for key in stated})
        tables |= dict.fromkeys(stated, table)
    return EngineRules(name, defaults, tables)


def settings_in_force(d: Deployment, catalog: Catalog) -> SettingsInForce:
    """The settings that a deployment's server runs with."""
    s, model, accelerator = d.settings, catalog.models[d.model], catalog.accelerators[d.accelerator]
    rules = engine_rules(catalog.engines[d.engine].core, d.date)
    gpu = _gpu_class(rules, d.accelerator, accelerator)
    context = s.max_model_len or model.max_context
    ranks = d.stage_gpus // d.attention_tp if rules.defaults.ranks_share_tokens else 1
    batched_tokens = s.max_batched_tokens or max(_batched_tokens(rules, gpu, context) // ranks, 1)
    return SettingsInForce(
        kv_dtype=s.kv_dtype or _kv_dtype(rules, model, d.precision),
        memory_utilization=s.memory_utilization or _utilization(rules, gpu, d, accelerator, batched_tokens),
        max_num_seqs=s.max_num_seqs or gpu.max_num_seqs or rules.defaults.max_num_seqs or 1,
        max_batched_tokens=batched_tokens,
        max_model_len=context,
        by_default=frozenset(name for name in CHOICES if getattr(s, name) is None),
    )


def setting_rows(d: Deployment, catalog: Catalog) -> list[SettingRow]:
    """The engine's settings in force with their origin, and every other setting that the user changed."""
    in_force = settings_in_force(d, catalog)
    rules = engine_rules(catalog.engines[d.engine].core, d.date)
    rows = []
    for name in (f.name for f in fields(EngineSettings)):
        value = getattr(in_force if name in CHOICES else d.settings, name)
        if value not in (None, getattr(DEFAULT, name)):
            origin = _origin(rules, name, d, catalog) if name in in_force.by_default else "stated"
            rows.append(SettingRow(name, f"{value:g}" if isinstance(value, float) else str(value), origin))
    return rows


def _origin(rules: EngineRules, name: str, d: Deployment, catalog: Catalog) -> str:
    if name == "max_model_len":
        return f"context of {catalog.models[d.model].name}"
    gpu = _gpu_class(rules, d.accelerator, catalog.accelerators[d.accelerator])
    keys = {"memory_utilization": ("reserved", "utilization_by_gpus")}.get(name, ())
    by_gpu = getattr(gpu, name, None) is not None
    key = "gpus" if by_gpu else next((k for k in keys if getattr(rules.defaults, k)), name)
    table = rules.tables[key]
    version = f" ({table.version})" if table.version else ""
    engine = catalog.engines[rules.core].name
    on = f" on {d.accelerator}" if key != name else ""
    return f"default of {engine}{on} since {table.since}{version}: {table.source}"


def _gpu_class(rules: EngineRules, name: str, accelerator: Accelerator) -> GpuClass:
    return rules.defaults.of_gpu(name, accelerator.hbm_gib)


def _batched_tokens(rules: EngineRules, gpu: GpuClass, context: int | None) -> int:
    tokens = gpu.max_batched_tokens or rules.defaults.max_batched_tokens or 1
    return max(tokens, context) if context and context <= (rules.defaults.whole_prompts_up_to or 0) else tokens


def _kv_dtype(rules: EngineRules, model: Model, precision: str) -> str:
    rule = rules.defaults.kv_dtype
    if rule == "checkpoint" and model.checkpoint_kv_dtype and precision == model.native_precision:
        return model.checkpoint_kv_dtype
    return "fp8" if rule == "quantised" and precision in ("fp8", "fp4") else "bf16"


def _utilization(
    rules: EngineRules, gpu: GpuClass, d: Deployment, accelerator: Accelerator, batched_tokens: int
) -> float:
    """The share of the memory that the engine takes."""
    if gpu.memory_utilization:
        return gpu.memory_utilization
    if shares := rules.defaults.utilization_by_gpus:
        return next(share for gpus, share in shares if d.gpus >= gpus)
    if (reserved := rules.defaults.reserved) is None:
        return rules.defaults.memory_utilization or 1.0
    mib = accelerator.memory_bytes / 2**20
    return round((mib - _reserved_mib(reserved, gpu, d, batched_tokens, mib)) / mib, 3)


def _reserved_mib(r: ReservedMemory, gpu: GpuClass, d: Deployment, batched_tokens: int, mib: float) -> float:
    """MiB of a GPU's `mib` that stay free: SGLang's formula (see the `source` of the tables in its engine file)."""
    graphs = (gpu.tp4_graph_seqs if d.stage_gpus >= 4 else None) or gpu.graph_seqs or 0
    total = r.base_mib + (gpu.reserved_gib or 0) * 1024 + r.gpu_mib * d.gpus
    total += r.batched_token_mib * max(batched_tokens, 2048) + r.graph_seq_mib * graphs
    if d.dp_attention:
        ranks = d.stage_gpus // d.attention_tp
        factor = 1.5 if graphs > _LARGE_GRAPHS else 1.0
        total += r.dp_attention_mib + r.dp_rank_graph_seq_mib * graphs * ranks * factor
    if mib > _ABOVE_GIB * 1024:
        total = max(total, r.least_mib)
    return total + (r.drafting_mib if d.drafting else 0)
