"""Launch lines of pools: what to run to get the layout that was predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from paretoken.catalog.loader import Catalog
    from paretoken.catalog.recipe import Value
    from paretoken.engines.pool_launch import LaunchStep
    from paretoken.engines.pool_places import PoolWorkers
    from paretoken.predict.deployment import Deployment
    from paretoken.predict.pools.layout import Pools


def pool_launch(
    pools: Pools,
    catalog: Catalog,
    *,
    path: str = "",
    longest: int = 0,
    draft_model: str = "",
    sets: Mapping[str, Value] | None = None,
) -> list[LaunchStep]:
    """The commands that start checked pools, in order; BadConfig if their engine documents no such layout.

    `path` are the weights, by default the model's id. `longest` is the most tokens of a request, 0 for the model's
    context. `sets` are further parameters of the recipe for both pools.
    """
    from paretoken.engines.pool_launch import launch_lines

    d = pools.decode
    return launch_lines(
        pools.engine,
        _workers(pools.prefill, pools.prefill_workers, sets or {}),
        _workers(d, pools.decode_workers, sets or {}),
        model=d.model,
        path=path,
        precision=d.precision,
        speculative=d.speculative,
        draft_tokens=d.speculative_tokens or 0,
        draft_model=draft_model,
        longest=longest,
        catalog=catalog,
    )


def launch_text(pools: Pools, steps: Sequence[LaunchStep], catalog: Catalog) -> str:
    """The commands as text to copy, each under a comment that says what it starts and where."""
    name = catalog.engines[pools.engine].name
    head = f"# {catalog.models[pools.model].name} with {name}: {pools.layout} on {pools.gpus} x {pools.accelerator}\n"
    head += f"# Written for {steps[0].version}, from {steps[0].source}\n"
    head += "# Replace the words in capitals: hosts, devices, models.\n"
    parts = []
    for number, step in enumerate(steps, 1):
        note = f" ({step.note})" if step.note else ""
        parts.append(f"\n# {number}. On {step.host}: {step.title}{note}\n{step.command}\n")
    return head + "".join(parts)


def _workers(d: Deployment, workers: int, sets: Mapping[str, Value]) -> PoolWorkers:
    from paretoken.engines.pool_places import PoolWorkers
    from paretoken.predict.engine_defaults import engine_rules

    s, shared = d.settings, engine_rules(d.engine, d.date).defaults.ranks_share_tokens
    ranks = d.stage_gpus // d.attention_tp if shared else 1
    stated = {
        "kv_dtype": s.kv_dtype,
        "gpu_memory": s.memory_utilization,
        "max_num_seqs": s.max_num_seqs * ranks if s.max_num_seqs else None,
        "max_batched_tokens": s.max_batched_tokens * ranks if s.max_batched_tokens else None,
        "max_model_len": s.max_model_len,
        "redundant_experts": s.redundant_experts or None,
        "prefill_cp": s.context_parallel if s.context_parallel > 1 else None,
    }
    return PoolWorkers(
        accelerator=d.accelerator,
        gpus=d.gpus,
        tp=d.attention_tp,
        workers=workers,
        ep=d.ep,
        pp=d.pp,
        dp_attention=d.dp_attention,
        set={name: value for name, value in stated.items() if value is not None} | dict(sets),
    )
