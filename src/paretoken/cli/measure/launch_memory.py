"""Whether a model to launch fits in the memory of its GPUs, by the prediction of `paretoken fit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretoken.errors import BadConfig, ParetokenError

if TYPE_CHECKING:
    from paretoken.catalog.loader import Catalog
    from paretoken.engines.command import Command
    from paretoken.predict.deployment import Deployment

NOMINAL_TOKENS = 2048
"""Tokens of the one request that must fit where no workload is stated."""


def memory_note(made: Command, engine: str, model: str, tokens: int | None) -> str:
    """A sentence if no request of `tokens` tokens is predicted to fit, else nothing.

    BadConfig if the weights alone are larger than the memory. What cannot be predicted passes.
    """
    from paretoken.catalog.loader import load_catalog
    from paretoken.plural import counted
    from paretoken.predict.capacity import sequences_that_fit
    from paretoken.predict.memory import GIB, memory_parts

    catalog = load_catalog()
    if not made.gpus or not made.precision or engine not in catalog.engines or model not in catalog.models:
        return ""
    tokens = tokens or NOMINAL_TOKENS
    try:
        d = _deployment(made, engine, model, catalog)
        parts = memory_parts(d, catalog)
    except ParetokenError:
        return ""
    if sequences_that_fit(parts, tokens, d.pp) >= 1:
        return ""
    what = f"{catalog.models[model].name} in {made.precision}"
    on = f"{counted(d.gpus, 'GPU')} of {d.accelerator}"
    if parts.weight_bytes > parts.reported_bytes:
        raise BadConfig(
            f"{what} does not fit on {on}: each would hold {parts.weight_bytes / GIB:,.0f} GiB of weights and has "
            f"{parts.reported_bytes / GIB:,.0f}; {_way_out(d, tokens, catalog)}"
        )
    return (
        f"Does not fit: {what} is predicted to leave no room for a request of {tokens:,} tokens on {on}; "
        f"{_way_out(d, tokens, catalog)}."
    )


def _deployment(made: Command, engine: str, model: str, catalog: Catalog) -> Deployment:
    from paretoken.predict.configure import configured
    from paretoken.predict.deployment import check
    from paretoken.predict.request import DeploymentRequest
    from paretoken.predict.settings import EngineSettings

    stated = made.parameters
    share, context, limit = (stated.get(name) for name in ("gpu_memory", "max_model_len", "max_num_seqs"))
    d = configured(
        DeploymentRequest(
            accelerator=made.accelerator,
            model=model,
            engine=engine,
            precision=made.precision,
            tp=made.gpus,
            pp=made.stages,
            dp_attention=bool(stated.get("dp_attention")),
            settings=EngineSettings(
                memory_utilization=float(share) if isinstance(share, int | float) else None,
                max_model_len=context if isinstance(context, int) else None,
                max_num_seqs=limit if isinstance(limit, int) else None,
            ),
        ),
        catalog,
    )
    check(d, catalog)
    return d


def _way_out(d: Deployment, tokens: int, catalog: Catalog) -> str:
    """What would fit, as an imperative."""
    from dataclasses import replace

    from paretoken.predict.fitting import fewest_gpus

    fit = fewest_gpus(replace(d, gpus=1, tp=1, pp=1, ep=1), tokens, 1, catalog)
    if fit is None:
        return "no practical number of these GPUs holds it: use weights of lower precision"
    if fit.deployment.pp == 1:
        return f"use --tp {fit.deployment.tp}"
    nodes = f"{fit.deployment.pp} nodes of TP {fit.deployment.tp}"
    return f"it needs {nodes}: use weights of lower precision, or GPUs with more memory"
