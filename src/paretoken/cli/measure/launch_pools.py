"""`paretoken launch --disaggregated`: the commands of prefill and decode workers and of their router."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click
from click.core import ParameterSource

from paretoken.errors import BadConfig

if TYPE_CHECKING:
    from paretoken.catalog.loader import Catalog

_TAKEN = frozenset(
    {"engine", "model", "path", "accelerator", "precision", "workload", "sets", "form", "as_json"}
    | {"disaggregated", "speculative", "draft_model"}
)
"""Options of `launch` that pools have too."""


def refuse_others(ctx: click.Context) -> None:
    """BadConfig for an option that pools do not take, or that only pools take if there are none."""
    stated = [p for p in ctx.command.params if p.name and _stated(ctx, p.name)]
    if ctx.params["disaggregated"] is None:
        alone = next((p for p in stated if p.name in ("speculative", "draft_model")), None)
        if alone:
            raise BadConfig(f"{alone.opts[0]} is for separate pools; add --disaggregated LAYOUT or leave it out")
        return
    other = next((p for p in stated if p.name not in _TAKEN), None)
    if other:
        raise BadConfig(f"{other.opts[0]} does not go with --disaggregated; state it in the layout, or with --set")
    if ctx.params["form"] == "kubernetes":
        raise BadConfig(
            "--print kubernetes does not go with --disaggregated: llm-d and NVIDIA Dynamo bring their own charts for "
            "separate pools; use --print shell for the command of each host"
        )
    if ctx.params["form"] not in (None, "shell"):
        raise BadConfig(f"--print {ctx.params['form']} does not go with --disaggregated; use --print shell")


def _stated(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def print_pools(options: dict[str, Any]) -> None:
    """Print the commands of a layout, as text or JSON."""
    from dataclasses import asdict

    from paretoken.catalog.loader import load_catalog
    from paretoken.cli.output import echo_script, print_json
    from paretoken.cli.predict.pool_launch import launch_text, pool_launch
    from paretoken.engines.request import longest_of, set_values
    from paretoken.predict.deployment import Deployment
    from paretoken.predict.pools.layout import checked_pools, parse_layout
    from paretoken.predict.speculation import method_and_tokens

    catalog, layout = load_catalog(), _stated_layout(options["disaggregated"])
    engine, model = catalog.engines.id_of(options["engine"]), catalog.models.id_of(options["model"])
    method, tokens = method_and_tokens(options["speculative"])
    worker = Deployment(
        accelerator=_accelerator(layout, options["accelerator"], catalog),
        model=model,
        precision=options["precision"] or catalog.models[model].native_precision,
        engine=catalog.engines[engine].core,
        gpus=1,
        tp=1,
        speculative=method,
        speculative_tokens=tokens,
    )
    pools = checked_pools(parse_layout(layout, worker, worker, engine), catalog)
    steps = pool_launch(
        pools,
        catalog,
        path=options["path"] or "",
        longest=longest_of(catalog, options["workload"]) if options["workload"] else 0,
        draft_model=options["draft_model"],
        sets=set_values(options["sets"]),
    )
    if options["as_json"]:
        print_json({"layout": pools.layout, "engine": pools.engine, "steps": [asdict(step) for step in steps]})
    else:
        echo_script(launch_text(pools, steps, catalog))


def _stated_layout(text: str) -> str:
    if text.strip().lower() == "auto":
        raise BadConfig(
            "--disaggregated auto is a search: run it with paretoken predict --disaggregated auto, and launch a layout "
            "of its table"
        )
    return text


def _accelerator(layout: str, stated: str, catalog: Catalog) -> str:
    """The accelerator of both pools; that of the layout where it names its own. BadConfig where a pool has none."""
    from paretoken.predict.pools.layout import layout_accelerators

    names = layout_accelerators(layout, "" if stated == "CPU" else stated)
    if not all(names):
        raise BadConfig("--accelerator is missing; add it, or name one in each pool, as in 2xTP8@H200+1xDEP32@GB200")
    return catalog.accelerators.id_of(names[-1] if stated == "CPU" else stated)
