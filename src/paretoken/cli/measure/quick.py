"""`paretoken quick`: a one-minute benchmark in plain words."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli import options
from paretoken.cli.measure.bench_options import api, api_key_file, header, query, read_api_key
from paretoken.cli.output import echo
from paretoken.plural import counted

if TYPE_CHECKING:
    from paretoken.bench.config import BenchConfig
    from paretoken.bench.keys import ApiKey
    from paretoken.bench.quick import QuickAnswer

LIMITS = {
    "kv": "the KV cache",
    "queue": "the queue",
    "compute": "compute",
    "client": "this client",
    "errors": "errors",
}


@click.command("quick")
@click.argument("url", required=False)
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@click.option("--model", help="Served model; needed only if the server lists several.")
@api_key_file
@api
@header
@query
@click.option("--isl", default="512", show_default=True, help="Prompt length in tokens.")
@click.option("--osl", default="128", show_default=True, help="Output length in tokens.")
@click.option("--tokenizer", metavar="PATH", help="Tokenizer, for servers that take no token-id prompts.")
@click.option(
    "--prompt-unit",
    type=click.Choice(["tokens", "words"]),
    default="tokens",
    show_default=True,
    help="Count prompt lengths in tokens or in words; words need no tokenizer.",
)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Client processes.")
@click.option("--slo", help="Service-level objectives.  [default: ttft_p95=2s,tpot_p50=50ms]")
@click.option("--out", type=Path, metavar="DIR", help="Keep the run in this folder.")
@options.json_only
def command(
    url: str | None,
    yes: bool,
    slo: str | None,
    isl: str,
    osl: str,
    model: str | None,
    tokenizer: str | None,
    prompt_unit: str,
    api_key_file: Path | None,
    api: str,
    headers: tuple[str, ...],
    query: tuple[str, ...],
    workers: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Find a server on this machine, load it for about a minute, and say what limits it.

    Checks the usual ports: 8000 (vLLM, TensorRT-LLM), 30000 (SGLang), 8080 (llama.cpp),
    11434 (Ollama), 1234 (LM Studio). Asks before it sends load.

    \b
    Examples:
      paretoken quick
      paretoken quick http://127.0.0.1:8000 --yes --slo ttft_p99=1s,tpot_p50=30ms
    """
    from dataclasses import asdict
    from tempfile import TemporaryDirectory

    from paretoken.bench.config import BenchConfig
    from paretoken.bench.keys import read_headers
    from paretoken.bench.quick import LEVEL, SLO
    from paretoken.cli.output import print_json

    sent = read_headers(headers, os.environ)
    server = url or _local_server(as_json)
    key = read_api_key((server,), api_key_file)
    if not yes and not click.confirm(f"Send load to {server} for about a minute?", default=True, err=True):
        raise click.Abort
    with TemporaryDirectory() as temporary:
        config = BenchConfig.of_dict(
            {
                "urls": (server,),
                "model": model,
                "api": api,
                "headers": sent,
                "query": query,
                "isl": isl,
                "osl": osl,
                "tokenizer": tokenizer,
                "slo": slo or SLO,
                "search": "slo",
                "until": LEVEL,
                "warmup_per_user": 1,
                "timeout_s": 60.0,
                "prompt_unit": prompt_unit,
                "workers": workers,
            }
        )
        answer = _measure(config, key, out or Path(temporary) / "run", as_json)
    if as_json:
        print_json(asdict(answer))
    else:
        show_answer(answer, out)


def _local_server(quiet: bool) -> str:
    from paretoken.bench.quick import PORTS, find_servers
    from paretoken.errors import NoData

    servers = find_servers()
    if not servers:
        raise NoData(f"no server answers on the usual local ports ({', '.join(map(str, PORTS))}); add its URL")
    if not quiet:
        for server in servers:
            echo(f"found {server.dialect} at {server.base_url}: {', '.join(server.models)}", err=True)
    return servers[0].base_url


def _measure(config: BenchConfig, key: ApiKey, place: Path, quiet: bool) -> QuickAnswer:
    from paretoken.bench import quick
    from paretoken.bench.run_folder import RunFolder
    from paretoken.bench.setup import prepare
    from paretoken.bench.sweep import sweep
    from paretoken.cli.measure.live import LiveView, Quiet

    setup = prepare(config, api_key=key.value)
    folder = RunFolder(place)
    folder.create(setup.metadata("paretoken quick"))
    for note in (*filter(None, [key.note]), *setup.notes):
        echo(f"note: {note}", err=True)
    watch = Quiet() if quiet or not sys.stderr.isatty() else LiveView()
    with watch:
        levels = list(sweep(setup, folder, watch, quick.DoublingSchedule(setup, quick.BUDGET_S)))
    return quick.diagnose([level.summary for level in levels], config.slo)


def show_answer(answer: QuickAnswer, kept: Path | None) -> None:
    """The answer in words, and where the run was kept."""
    from paretoken.cli.output import console, with_bold

    out = console()
    if answer.origin != "measured":
        out.print(with_bold((answer.origin.capitalize(), "bold"), ", not measured:"))
    if answer.single_user_tok_s and answer.single_user_ttft_s is not None:
        pace = f"{answer.single_user_tok_s:,.0f} tokens/s"
        ttft = f", with a TTFT of {answer.single_user_ttft_s * 1000:,.0f} ms."
        out.print(with_bold("A single user gets ", (pace, "bold"), ttft))
    if answer.users:
        most = "At least" if answer.limit == "client" else "Up to"
        users = counted(answer.users, "concurrent user")
        out.print(with_bold(f"{most} ", (users, "bold"), f" within {answer.slo}."))
        for doubt in answer.doubts:
            out.print(f"Approximate: {doubt}.", style="yellow")
    elif answer.limit == "client":
        out.print(f"Unknown whether a single user stays within {answer.slo}.")
    else:
        out.print(f"Not even a single user stays within {answer.slo}.")
    if answer.best_output_tok_s:
        users = counted(answer.best_at_users or 0, "concurrent user")
        out.print(f"Highest throughput: {answer.best_output_tok_s:,.0f} output tokens/s, at {users}.")
    if answer.limit in LIMITS:
        out.print(with_bold("Limited by ", (LIMITS[answer.limit], "bold"), f": {answer.why}."))
    else:
        out.print(f"No limit reached: {answer.why}.")
    out.print(f"To do: {answer.change}.")
    if kept:
        out.print(f"Run: {kept}   (paretoken share {kept})")
