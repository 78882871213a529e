"""The `paretoken launch` command that starts a predicted deployment, or prints how to."""

from __future__ import annotations

import shlex

from paretoken.catalog.loader import Catalog
from paretoken.catalog.recipe import Value
from paretoken.predict.deployment import DRAFT_SIZE, Deployment
from paretoken.predict.drafting import drafted_tokens
from paretoken.predict.engine_defaults import engine_rules
from paretoken.predict.pools.layout import Pools


def one_pool_command(d: Deployment, *words: str) -> str:
    """The command for a server of one pool, with its stated settings; `words` are further options."""
    parallel = ["--tp", str(d.gpus)]
    parallel += ["--ep", str(d.ep)] if d.ep > 1 else []
    parallel += ["--dp-attention"] if d.dp_attention else []
    sets = [word for name, value in parameters(d).items() for word in ("--set", f"{name}={_text(value)}")]
    options = ["--accelerator", d.accelerator, "--precision", d.precision, *parallel, *sets, *words]
    return shlex.join(["paretoken", "launch", d.engine, d.model, *options])


def pools_command(pools: Pools, catalog: Catalog) -> str:
    """The command that prints the commands of a layout, with its stated settings and the tokens drafted in force."""
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
