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
    context. `sets` are further parameters of the recipe for both pools, or for one, as in `prefill.max_batched_tokens`.
    """
    from paretoken.engines.pool_launch import launch_lines

    d = pools.decode
    return launch_lines(
        pools.engine,
        _workers(pools.prefill, pools.prefill_workers, _of_pool(sets or {}, "prefill")),
        _workers(d, pools.decode_workers, _of_pool(sets or {}, "decode")),
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


def _of_pool(sets: Mapping[str, Value], pool: str) -> dict[str, Value]:
    """The parameters for one pool, its own after those for both."""
    both = {name: value for name, value in sets.items() if not name.startswith(("prefill.", "decode."))}
    own = f"{pool}."
    return both | {name.removeprefix(own): value for name, value in sets.items() if name.startswith(own)}


def _workers(d: Deployment, workers: int, sets: Mapping[str, Value]) -> PoolWorkers:
    from paretoken.engines.pool_places import PoolWorkers
    from paretoken.predict.launch_commands import parameters

    return PoolWorkers(
        accelerator=d.accelerator,
        gpus=d.gpus,
        tp=d.attention_tp,
        workers=workers,
        ep=d.ep,
        pp=d.pp,
        dp_attention=d.dp_attention,
        set=parameters(d) | dict(sets),
    )
