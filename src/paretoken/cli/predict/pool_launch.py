"""Launch lines of pools: what to run to get the layout that was predicted."""

from __future__ import annotations

import shlex
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


def launch_command(pools: Pools, catalog: Catalog) -> str:
    """The command that prints the commands of a layout, with its stated settings and the tokens drafted in force."""
    from paretoken.predict.deployment import DRAFT_SIZE
    from paretoken.predict.drafting import drafted_tokens

    p, d = pools.prefill, pools.decode
    words = [pools.engine, pools.model, "--accelerator", d.accelerator, "--precision", d.precision]
    words += ["--disaggregated", pools.layout]
    if d.drafting:
        words += ["--speculative", f"{d.speculative}:{drafted_tokens(d, catalog).tokens}"]
    if d.draft_model and not DRAFT_SIZE.fullmatch(d.draft_model):
        words += ["--draft-model", d.draft_model]
    prefill, decode = parameters(p), parameters(d)
    both = {name for name, value in prefill.items() if decode.get(name) == value}
    sets = [f"{name}={_text(prefill[name])}" for name in prefill if name in both]
    for pool, values in (("prefill", prefill), ("decode", decode)):
        sets += [f"{pool}.{name}={_text(value)}" for name, value in values.items() if name not in both]
    words += [word for text in sets for word in ("--set", text)]
    return shlex.join(["paretoken", "launch", *words])


def parameters(d: Deployment) -> dict[str, Value]:
    """The stated settings of a worker as parameters of recipes; limits of ranks as those of a worker, if shared."""
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
        "two_batch_overlap": s.two_batch_overlap or None,
        "eager": s.enforce_eager or None,
        "receive_interval": s.receive_interval if s.receive_interval > 1 else None,
        "batch_wait": s.batch_wait or None,
    }
    return {name: value for name, value in stated.items() if value is not None}


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _of_pool(sets: Mapping[str, Value], pool: str) -> dict[str, Value]:
    """The parameters for one pool, its own after those for both."""
    both = {name: value for name, value in sets.items() if not name.startswith(("prefill.", "decode."))}
    own = f"{pool}."
    return both | {name.removeprefix(own): value for name, value in sets.items() if name.startswith(own)}


def _workers(d: Deployment, workers: int, sets: Mapping[str, Value]) -> PoolWorkers:
    from paretoken.engines.pool_places import PoolWorkers

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
