"""`paretoken quick`: a benchmark of some minutes in plain words."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli import options
from paretoken.cli.measure.bench_options import api, api_key_file, cafile, header, insecure, query, read_api_key
from paretoken.cli.output import echo
from paretoken.plural import counted

if TYPE_CHECKING:
    from rich.text import Text

    from paretoken.bench.config import BenchConfig
    from paretoken.bench.keys import ApiKey
    from paretoken.bench.quick import QuickAnswer

LIMITS = {
    "kv": "the KV cache",
    "queue": "the queue",
    "compute": "compute",
    "client": "this client",
    "errors": "errors",
    "slo": "the SLOs",
}


@click.command("quick")
@click.argument("url", required=False)
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@click.option("--model", help="Served model; needed only if the server lists several.")
@api_key_file
@api
@header
@query
@cafile
@insecure
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
@click.option(
    "--minutes",
    type=options.Finite(0.05, 600),
    default=3.0,
    show_default=True,
    help="Maximum minutes of load; it ends as soon as it has the answer.",
)
@click.option("--out", type=Path, metavar="DIR", help="Keep the run in this folder.")
@options.json_only
def command(
    url: str | None,
    yes: bool,
    api_key_file: Path | None,
    headers: tuple[str, ...],
    minutes: float,
    out: Path | None,
    as_json: bool,
    **settings: object,
) -> None:
    """Find a server on this machine, load it for one to three minutes, and show what limits it.

    Checks the usual ports: 8000 (vLLM, TensorRT-LLM), 30000 (SGLang), 8080 (llama.cpp),
    11434 (Ollama), 1234 (LM Studio). Asks before it sends load. Users double until the
    SLOs are missed or --minutes are over; it says what would settle what stays open.

    \b
    Examples:
      paretoken quick
      paretoken quick http://127.0.0.1:8000 --yes --slo ttft_p99=1s,tpot_p50=30ms
    """
    from dataclasses import asdict
    from tempfile import TemporaryDirectory

    from paretoken.bench.config import BenchConfig
    from paretoken.bench.keys import read_headers
    from paretoken.cli.output import print_json

    sent = read_headers(headers, os.environ)
    server = url or _local_server(sent, api_key_file, as_json)
    key = read_api_key((server,), api_key_file)
    if not yes:
        _confirm(server, minutes)
    config = BenchConfig.of_dict({**settings, **_of_a_climb(settings), "urls": (server,), "headers": sent})
    with TemporaryDirectory() as temporary:
        answer = _measure(config, key, out or Path(temporary) / "run", minutes, as_json)
    if as_json:
        print_json(asdict(answer))
    else:
        show_answer(answer, out)


def _of_a_climb(settings: Mapping[str, object]) -> dict[str, object]:
    """The settings of every climb, which the user does not choose."""
    from paretoken.bench.quick import SLO
    from paretoken.bench.quick_climb import LEVEL_S

    return {
        "slo": settings["slo"] or SLO,
        "search": "slo",
        "until": f"{LEVEL_S:g}s",
        "warmup_per_user": 1,
        "timeout_s": 60.0,
    }


def _confirm(server: str, minutes: float) -> None:
    """Ask before load is sent; BadConfig where nobody can answer."""
    from paretoken.errors import BadConfig

    about = "a minute" if minutes <= 1 else f"up to {minutes:g} minutes"
    try:
        agreed = click.confirm(f"Send load to {server} for {about}?", default=True, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        echo(err=True)
        raise BadConfig("quick asks before it sends load, and there is no terminal to ask at; add --yes") from None
    if not agreed:
        raise click.Abort


def _local_server(headers: tuple[str, ...], api_key_file: Path | None, quiet: bool) -> str:
    """The first server on the usual ports of this machine; NoData without one, with why others are none."""
    from paretoken.bench.keys import header_fields
    from paretoken.bench.quick import PORTS, find_servers
    from paretoken.errors import NoData

    key = read_api_key(("http://127.0.0.1",), api_key_file).value
    bearer = {"Authorization": f"Bearer {key}"} if key else {}
    local = find_servers(headers=bearer | header_fields(headers), has_key=bool(key or headers))
    if not local.servers:
        ports = ", ".join(map(str, PORTS))
        others = "".join(f"; {why}" for why in local.refusals)
        raise NoData(f"no server answers on the usual local ports ({ports}); add its URL{others}")
    if not quiet:
        for server in local.servers:
            echo(f"found {server.dialect} at {server.base_url}: {', '.join(server.models)}", err=True)
    return local.servers[0].base_url


def _measure(config: BenchConfig, key: ApiKey, place: Path, minutes: float, quiet: bool) -> QuickAnswer:
    from paretoken.bench.begin import notes_of, prepare_with
    from paretoken.bench.client.run import users_in_reach
    from paretoken.bench.quick import ClimbEnd, diagnose
    from paretoken.bench.quick_climb import MOST_USERS, QuickClimb
    from paretoken.bench.run_folder import RunFolder
    from paretoken.bench.sweep import sweep
    from paretoken.cli.measure.live import LiveView, Quiet

    setup = prepare_with(config, key)
    folder = RunFolder(place)
    folder.create(setup.metadata("paretoken quick"))
    for note in (*notes_of(key), *setup.notes):
        echo(f"note: {note}", err=True)
    watch = Quiet() if quiet or not sys.stderr.isatty() else LiveView()
    most_users = int(min(MOST_USERS, users_in_reach(config.workers)))
    climb = QuickClimb(setup, 60 * minutes, level_s=setup.until.seconds or 0.0, most_users=most_users)
    with watch:
        levels = list(sweep(setup, folder, watch, climb, climb.measure))
    needs = None if climb.needs_s is None else climb.needs_s / 60
    end = ClimbEnd(minutes=needs, workers=config.workers, most_users=most_users)
    return diagnose([level.summary for level in levels], config.slo, end)


def show_answer(answer: QuickAnswer, kept: Path | None) -> None:
    """The answer in words, the warnings of its levels, and where the run was kept."""
    from paretoken.cli.measure.level_warnings import show_warnings
    from paretoken.cli.output import console, with_bold

    out = console()
    if answer.origin != "measured":
        out.print(with_bold((answer.origin.capitalize(), "bold"), ", not measured:"))
    if answer.single_user_tok_s and answer.single_user_ttft_s is not None:
        pace = f"{answer.single_user_tok_s:,.0f} tokens/s"
        ttft = f", with a TTFT of {answer.single_user_ttft_s * 1000:,.0f} ms."
        out.print(with_bold("A single user gets ", (pace, "bold"), ttft))
    for line in _users_lines(answer):
        out.print(line)
    for doubt in answer.doubts:
        out.print(f"Approximate: {doubt}.", style="yellow")
    if answer.best_output_tok_s:
        users = counted(answer.best_at_users or 0, "concurrent user")
        out.print(f"Highest throughput: {answer.best_output_tok_s:,.0f} output tokens/s, at {users}.")
    if answer.limit in LIMITS:
        out.print(with_bold("Limited by ", (LIMITS[answer.limit], "bold"), f": {answer.why}."))
    else:
        out.print(f"No limit reached: {answer.why}.")
    out.print(f"To do: {answer.change}.")
    for need in answer.needs:
        out.print(f"To know more: {need}.")
    show_warnings(answer.warnings)
    if kept:
        out.print(f"Run: {kept}   (paretoken share {kept})")


def _users_lines(answer: QuickAnswer) -> Iterator[Text]:
    """How many users stay within the SLOs, as far as that is known."""
    from paretoken.cli.output import with_bold

    beyond = f" ({answer.missed})" if answer.missed else ""
    if answer.users:
        users = counted(answer.users, "concurrent user")
        yield with_bold("At least " if answer.at_least else "Up to ", (users, "bold"), f" within {answer.slo}.")
        if answer.missed_at:
            yield with_bold(f"{counted(answer.missed_at, 'user')} exceed the SLOs{beyond}.")
    elif answer.missed_at == 1:
        yield with_bold(f"Not even a single user stays within {answer.slo}{beyond}.")
    elif answer.missed_at:
        users = counted(answer.missed_at - 1, "concurrent user")
        yield with_bold("At most ", (users, "bold"), f" within {answer.slo}; {answer.missed_at} are too many{beyond}.")
    else:
        yield with_bold(f"Unknown how many users stay within {answer.slo}: {answer.unknown}.")
