"""`paretoken quick`: the answer of a minute."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from paretoken.cli import options


@click.command("quick")
@click.argument("url", required=False)
@click.option("--yes", is_flag=True, help="Load the server without asking.")
@click.option("--slo", help="What a user may ask for; default ttft_p95=2s,tpot_p50=50ms.")
@click.option("--isl", default="512", show_default=True, help="Prompt length, tokens.")
@click.option("--osl", default="128", show_default=True, help="Answer length, tokens.")
@click.option("--model", help="Served model; the only one by default.")
@click.option("--tokenizer", metavar="PATH", help="For servers that take no token ids.")
@click.option("--prompt-unit", type=click.Choice(["tokens", "words"]), default="tokens", show_default=True)
@click.option("--api-key-file", type=Path, help="File with the API key (else PARETOKEN_API_KEY, OPENAI_API_KEY).")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Client processes.")
@click.option("--out", type=Path, metavar="DIR", help="Keep the run in this folder.")
@options.as_json
def command(url, yes, slo, isl, osl, model, tokenizer, prompt_unit, api_key_file, workers, out, as_json) -> None:
    """Find a server on this machine, load it for about a minute, and say in plain words how it does.

    \b
    Looks on the usual ports: 8000 (vLLM, TensorRT-LLM), 30000 (SGLang), 8080 (llama.cpp),
    11434 (Ollama), 1234 (LM Studio). Asks before it sends load.

    \b
    Examples:
      paretoken quick
      paretoken quick http://127.0.0.1:8000 --yes --slo ttft_p99=1s,tpot_p50=30ms
    """
    from dataclasses import asdict
    from tempfile import TemporaryDirectory

    from paretoken.bench.config import BenchConfig, read_key
    from paretoken.bench.quick import LEVEL, SLO
    from paretoken.cli.output import print_json

    key = read_key(dict(os.environ), api_key_file)
    chosen = url or _found(as_json)
    if not yes and not click.confirm(f"Send load to {chosen} for about a minute?", default=True, err=True):
        raise click.Abort
    with TemporaryDirectory() as temporary:
        config = BenchConfig(
            (chosen,),
            model=model,
            isl=isl,
            osl=osl,
            tokenizer=tokenizer,
            slo=slo or SLO,
            search="slo",
            until=LEVEL,
            warmup_per_user=1,
            timeout_s=60.0,
            prompt_unit=prompt_unit,
            workers=workers,
        )
        answer, kept = _measure(config, key, out or Path(temporary) / "run", as_json)
    print_json(asdict(answer)) if as_json else _say(answer, kept if out else None)


def _found(quiet: bool) -> str:
    from paretoken.bench.quick import PORTS, find_servers
    from paretoken.errors import NoData

    servers = find_servers()
    if not servers:
        raise NoData(f"no server answers on the usual local ports ({', '.join(map(str, PORTS))}); give its URL")
    if not quiet:
        for server in servers:
            click.echo(f"found {server.dialect} at {server.base_url}: {', '.join(server.models)}", err=True)
    return servers[0].base_url


def _measure(config, key, place, quiet):
    from paretoken.bench import quick
    from paretoken.bench.quick import Climb, diagnose
    from paretoken.bench.run_folder import RunFolder
    from paretoken.bench.setup import prepare
    from paretoken.bench.sweep import sweep
    from paretoken.cli.measure.live import LiveView, Quiet

    setup = prepare(config, api_key=key)
    folder = RunFolder(place)
    folder.create(setup.about("paretoken quick"))
    watch = Quiet() if quiet or not sys.stderr.isatty() else LiveView()
    with watch:
        levels = list(sweep(setup, folder, watch, Climb(setup, quick.BUDGET_S)))
    return diagnose([level.summary for level in levels], config.slo), place


def _say(answer, kept) -> None:
    from paretoken.cli.output import console

    out = console()
    if answer.single_user_tok_s:
        out.print(
            f"One user gets [bold]{answer.single_user_tok_s:,.0f} tokens/s[/bold] after waiting "
            f"{answer.single_user_ttft_s * 1000:,.0f} ms for the first."
        )
    if answer.users:
        most = "At least" if answer.limit == "client" else "Up to"
        out.print(f"{most} [bold]{answer.users} users[/bold] at once stay within {answer.slo}.", highlight=False)
        for doubt in answer.doubts:
            out.print(f"Read that as rough: {doubt}.", style="yellow", highlight=False)
    elif answer.limit == "client":
        out.print(f"Whether one user stays within {answer.slo} is not known.", highlight=False)
    else:
        out.print(f"Not even one user stays within {answer.slo}.", highlight=False)
    if answer.best_output_tok_s:
        best = f"{answer.best_output_tok_s:,.0f} output tokens/s, with {answer.best_at_users} users"
        out.print(f"At best it makes {best}.")
    names = {
        "kv": "the KV cache",
        "queue": "the queue",
        "compute": "compute",
        "client": "this client",
        "errors": "errors",
    }
    if answer.limit in names:
        out.print(f"What sets the limit: [bold]{names[answer.limit]}[/bold] – {answer.why}.", highlight=False)
    else:
        out.print(f"What sets the limit was not reached: {answer.why}.", highlight=False)
    out.print(f"To do: {answer.change}.", highlight=False)
    if kept:
        out.print(f"Run: {kept}   (paretoken share {kept})")
