"""`paretoken launch`: serve a model with an engine, or print how."""

from __future__ import annotations

from pathlib import Path

import click

from paretoken.cli import options


@click.command("launch", no_args_is_help=True)
@click.argument("engine")
@click.argument("model")
@click.option("--path", help="Folder, file or hub name of the weights; MODEL by default. 'random:tiny' makes some.")
@click.option("--accelerator", default="CPU", show_default=True, help="What it runs on, by any name the catalog knows.")
@click.option("--precision", default="", help="Of the weights: bf16, fp8, …")
@click.option("--tp", "gpus", type=click.IntRange(1), default=1, show_default=True, help="GPUs the model is cut over.")
@click.option("--ep", type=click.IntRange(1), default=1, help="Expert parallel size.")
@click.option("--dp-attention", is_flag=True, help="Attention in data parallel over those GPUs.")
@click.option("--workload", help="Workload the server is for: sets its context and what its rules say.")
@click.option("--users", type=click.IntRange(1), default=32, show_default=True, help="Requests computed at once.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--set", "sets", multiple=True, metavar="NAME=VALUE", help="A parameter of the recipe (repeatable).")
@click.option("--env", "envs", multiple=True, metavar="NAME=VALUE", help="Environment (repeatable).")
@click.option("--extra", "extras", multiple=True, metavar="ARG", help="A further argument (repeatable).")
@click.option("--image", default="", help="Container image instead of the recipe's.")
@click.option("--container", is_flag=True, help="Start it with docker.")
@click.option("--volume", "volumes", multiple=True, metavar="FROM:TO", help="Of the container (repeatable).")
@click.option("--print", "form", type=click.Choice(["shell", "docker", "sbatch"]), help="Print the command instead.")
@click.option("--log", "folder", type=Path, default=Path("server"), show_default=True, help="Folder of the log.")
@options.as_json
def command(engine, model, form, folder, as_json, **values) -> None:
    """Serve MODEL with ENGINE (vllm, sglang, trtllm, llamacpp, transformers, or a recipe's TOML file).

    \b
    The server counts as ready once it has answered one token. It is stopped with everything that it
    started, also when this program is killed. Its log goes into a file.

    \b
    Examples:
      paretoken launch vllm llama-3-70b --path /models/llama-70b-fp8 --accelerator H200 --tp 4 --workload chat
      paretoken launch sglang deepseek-r1 --path deepseek-ai/DeepSeek-R1 --accelerator MI355X --tp 8 --print docker
      paretoken launch vllm llama-3-70b --accelerator H100 --set kv_dtype=fp8 --set max_num_seqs=512 --print sbatch
      paretoken launch llamacpp tiny --path random:tiny --port 8080
    """
    from paretoken.campaign.serve import launch_command
    from paretoken.engines.launch import Launched
    from paretoken.engines.render import render

    made = launch_command(engine, model, **values)
    if form:
        click.echo(render(made, form), nl=False)
    elif as_json:
        from paretoken.cli.output import print_json

        print_json(made.as_dict() | {"base_url": made.base_url})
    else:
        click.echo(f"starting {made.name}; its log is {folder / 'server.log'}", err=True)
        with Launched(made, folder) as server:
            click.echo(f"{made.name} answers at {server.base_url} after {server.ready_s:.1f} s (Ctrl-C stops it)")
            _watch(server)


def _watch(server) -> None:
    import signal

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, ended)
    try:
        server.watch(lambda words: click.echo(words, err=True))
    except KeyboardInterrupt:
        click.echo("stopping", err=True)
