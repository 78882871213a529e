"""`paretoken launch`: serve a model with an engine, or print how."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import rich_click as click

from paretoken.cli import options
from paretoken.cli.names import ACCELERATOR, ENGINE, MODEL, PRECISION, WORKLOAD
from paretoken.cli.output import echo, echo_script

if TYPE_CHECKING:
    from paretoken.engines.command import Command
    from paretoken.engines.kubernetes.manifests import Scale
    from paretoken.engines.launch import Launched

Form = Literal["shell", "docker", "sbatch", "kubernetes"]


@click.command("launch", no_args_is_help=True)
@click.argument("engine", type=ENGINE)
@click.argument("model", type=MODEL)
@click.option("--path", help="Weights: folder, file, hub name or random:tiny (default: MODEL's on the hub).")
@click.option(
    "--accelerator", type=ACCELERATOR, default="CPU", show_default=True, help="Accelerator, by any name in the catalog."
)
@click.option("--precision", type=PRECISION, metavar="TEXT", default="", help="Precision of the weights: bf16, fp8, …")
@click.option("--tp", "gpus", type=click.IntRange(1), default=1, show_default=True, help="Tensor-parallel size.")
@click.option("--ep", type=click.IntRange(1), default=1, show_default=True, help="Expert-parallel size.")
@click.option("--dp-attention", is_flag=True, help="Use attention data parallelism.")
@click.option("--workload", type=WORKLOAD, help="Workload to serve; sets the context length and recipe rules.")
@click.option(
    "--concurrency",
    "users",
    type=click.IntRange(1),
    help="Concurrent requests to come; raises the engine's own limit if it is lower.",
)
@click.option("--host", help="Address to listen on (default: this machine alone, 127.0.0.1).")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Port of the server.")
@click.option("--set", "sets", multiple=True, metavar="NAME=VALUE", help="Set a recipe parameter (repeatable).")
@click.option("--env", "envs", multiple=True, metavar="NAME=VALUE", help="Set an environment variable (repeatable).")
@click.option("--extra", "extras", multiple=True, metavar="ARG", help="Add a server argument (repeatable).")
@click.option("--image", default="", help="Container image; the recipe's by default.")
@click.option("--container", is_flag=True, help="Start the server with docker.")
@click.option(
    "--volume", "volumes", multiple=True, metavar="FROM:TO", help="Mount a volume in the container (repeatable)."
)
@click.option(
    "--print",
    "form",
    type=click.Choice(["shell", "docker", "sbatch", "kubernetes"]),
    help="Print the command or its manifests instead of running it.",
)
@click.option("--replicas", type=click.IntRange(1), help="Replicas (with --print kubernetes).")
@click.option(
    "--max-replicas",
    type=click.IntRange(1),
    help="Scale from --replicas to this number by requests (with --print kubernetes).",
)
@click.option(
    "--target-requests",
    type=click.IntRange(1),
    metavar="N",
    help="Add a replica above N running and waiting requests per replica (default: 80 % of --concurrency, or of 32).",
)
@click.option(
    "--log", "folder", type=Path, default=Path("server"), show_default=True, help="Folder for the server log."
)
@click.option(
    "--disaggregated",
    metavar="LAYOUT",
    help="Print the commands of separate pools, such as 4xDEP4+1xDEP32: prefill workers, decode workers, router.",
)
@click.option(
    "--speculative",
    metavar="METHOD[:TOKENS]",
    default="none",
    help="Draft tokens in both pools, such as mtp:3 (with --disaggregated).",
)
@click.option("--draft-model", default="", help="Path or hub name of the draft model (with --disaggregated).")
@options.json_only
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    form: Form | None,
    replicas: int | None,
    max_replicas: int | None,
    target_requests: int | None,
    folder: Path,
    disaggregated: str | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Serve MODEL with ENGINE: vllm, sglang, trtllm, llamacpp, transformers, or a recipe's TOML file.

    With --disaggregated, print what to run on each host to serve it from separate
    pools, also with dynamo-sglang, mori-sglang and the like.

    The server is ready once it has generated one token. It stops with all its
    child processes, even if this program is killed. Its log goes to a file.

    \b
    Examples:
      paretoken launch vllm llama-3-70b --path /models/llama-70b-fp8 \\
                       --accelerator H200 --tp 4 --workload chat
      paretoken launch sglang deepseek-r1 --accelerator MI355X --tp 8 \\
                       --print docker
      paretoken launch vllm llama-3-70b --precision fp8 --accelerator H100 \\
                       --tp 2 --set kv_dtype=fp8 --print sbatch
      paretoken launch vllm llama-3-70b --accelerator H100 --tp 4 \\
                       --print kubernetes --replicas 2 --max-replicas 6 \\
                       --concurrency 64 --target-requests 40
      paretoken launch llamacpp tiny --path random:tiny --port 8080
      paretoken launch dynamo-sglang deepseek-r1 --accelerator GB200 \\
                       --precision fp8 --disaggregated 4xDEP4+1xDEP32
    """
    from paretoken.cli.measure.launch_pools import print_pools, refuse_others

    refuse_others(ctx)
    if disaggregated is not None:
        print_pools(ctx.params)
        return
    from paretoken.errors import BadConfig

    if form != "kubernetes" and (replicas or max_replicas or target_requests):
        raise BadConfig(
            "--replicas, --max-replicas and --target-requests are for --print kubernetes; add it or leave them out"
        )
    host = values.pop("host") or ("0.0.0.0" if form == "kubernetes" else "127.0.0.1")  # noqa: S104, of a pod
    server_command = _with_memory_note(_server_command(values, host), values)
    scale = None
    if form == "kubernetes":
        numbers = {"replicas": replicas or 1, "max_replicas": max_replicas, "target_requests": target_requests}
        scale = _scale(values["accelerator"], users=values["users"], **numbers)
    if form or as_json:
        _show(server_command, form, scale, as_json=as_json)
    else:
        _serve(server_command, folder)


def _server_command(values: dict[str, Any], host: str) -> Command:
    """The command for the options that are fields of a `LaunchRequest`."""
    from dataclasses import fields

    from paretoken.engines.request import LaunchRequest, launch_command

    names = {f.name for f in fields(LaunchRequest)} & set(values)
    return launch_command(LaunchRequest(**{name: values[name] for name in names}, host=host))


def _with_memory_note(server_command: Command, values: dict[str, Any]) -> Command:
    from dataclasses import replace

    from paretoken.catalog.loader import load_catalog
    from paretoken.cli.measure.launch_memory import memory_note
    from paretoken.engines.request import longest_of

    tokens = longest_of(load_catalog(), values["workload"]) if values["workload"] else None
    note = memory_note(server_command, server_command.engine, values["model"], tokens)
    return replace(server_command, notes=(note, *server_command.notes)) if note else server_command


def _show(server_command: Command, form: Form | None, scale: Scale | None, *, as_json: bool) -> None:
    """Print the command as text, as JSON, or its text and words in JSON."""
    from paretoken.engines.render import render, words

    if not as_json and form:
        echo_script(render(server_command, form, scale=scale))
        return
    from paretoken.cli.output import print_json

    whole = server_command.as_dict() | {"base_url": server_command.base_url}
    if form:
        whole = {
            "form": form,
            "command": words(server_command, form),
            "env": dict(server_command.env),
            "files": dict(server_command.files),
            "script": render(server_command, form, scale=scale),
            "notes": list(server_command.notes),
        }
    print_json(whole)


def _scale(accelerator: str, *, users: int | None, **numbers: Any) -> Scale:
    """The replicas on Kubernetes; `numbers` are fields of a `Scale`."""
    from paretoken.catalog.loader import load_catalog
    from paretoken.engines.kubernetes.manifests import Scale

    entries = load_catalog().accelerators
    node_gpus = 1 if accelerator.casefold() == "cpu" else entries[entries.id_of(accelerator)].gpus_per_node
    users = users or numbers["target_requests"]  # a stated target needs no other limit
    return Scale(node_gpus=node_gpus, **({"users": users} if users else {}), **numbers)


def _serve(server_command: Command, folder: Path) -> None:
    from paretoken.engines.launch import Launched

    name = server_command.name
    for note in server_command.notes:
        echo(note, err=True)
    echo(f"starting {name}; log: {folder / 'server.log'}", err=True)
    with Launched(server_command, folder) as server:
        echo(f"{name} is ready at {server.base_url} after {server.ready_s:.1f} s (Ctrl-C stops it)")
        _watch(server)


def _watch(server: Launched) -> None:
    import signal

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, ended)
    try:
        server.watch(lambda line: echo(line, err=True))
    except KeyboardInterrupt:
        echo("stopping", err=True)
