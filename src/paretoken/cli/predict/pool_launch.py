"""Launch lines of pools: what to run to get the layout that was predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paretoken.catalog.loader import Catalog
    from paretoken.engines.pool_launch import LaunchStep, PoolWorkers
    from paretoken.predict.deployment import Deployment
    from paretoken.predict.pools.layout import Pools


def pool_launch(pools: Pools, catalog: Catalog, *, path: str = "", longest: int = 0) -> list[LaunchStep]:
    """The commands that start checked pools, in order; BadConfig if their engine documents no such layout."""
    from paretoken.engines.pool_launch import launch_lines

    d = pools.decode
    return launch_lines(
        pools.engine,
        _workers(pools.prefill, pools.prefill_workers),
        _workers(d, pools.decode_workers),
        model=d.model,
        path=path,
        precision=d.precision,
        speculative=d.speculative,
        longest=longest,
        catalog=catalog,
    )


def _workers(d: Deployment, workers: int) -> PoolWorkers:
    from paretoken.engines.pool_launch import PoolWorkers

    s = d.settings
    stated = {
        "kv_dtype": s.kv_dtype,
        "gpu_memory": s.memory_utilization,
        "max_num_seqs": s.max_num_seqs,
        "max_batched_tokens": s.max_batched_tokens,
        "max_model_len": s.max_model_len,
        "redundant_experts": s.redundant_experts or None,
    }
    return PoolWorkers(
        accelerator=d.accelerator,
        gpus=d.gpus,
        tp=d.attention_tp,
        workers=workers,
        ep=d.ep,
        pp=d.pp,
        dp_attention=d.dp_attention,
        set={name: value for name, value in stated.items() if value is not None},
    )
