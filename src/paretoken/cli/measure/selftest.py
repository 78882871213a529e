"""`paretoken bench selftest`: the highest load at which this machine's client reports the truth."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from paretoken.cli.cells import share
from paretoken.cli.output import echo, with_bold
from paretoken.plural import counted

if TYPE_CHECKING:
    from paretoken.bench.truth.selftest import SelfTestLevel


def show_selftest(as_json: bool) -> None:
    """Compare the client with the built-in truth server, load by load, and print the highest load it is right at."""
    from paretoken.bench.truth.selftest import selftest
    from paretoken.cli.output import console, print_json, print_table

    test = selftest(on_reading=None if as_json or not sys.stderr.isatty() else _report_progress)
    if as_json:
        print_json(asdict(test) | {"highest": test.highest})
        return
    print_table(
        "Client against a server with known timing (TTFT 50 ms, 20 ms per token, 128 tokens)",
        ("streams", "at once", "TTFT mean", "TTFT p99", "ITL mean", "ITL p99", "TPOT", "CPU-s/Mtok", "MB", "client"),
        [_row(level) for level in test.readings],
    )
    server = "compiled" if test.compiled_server else "Python (install a C compiler for a faster one)"
    console().print(
        with_bold(
            "\nThis client is accurate to 1 % up to ",
            (counted(test.highest, "stream"), "bold"),
            f". Server: {server}; {test.cpus} CPUs, one of them used by the server.",
        )
    )


def _report_progress(level: SelfTestLevel) -> None:
    echo(f"{counted(level.concurrency, 'stream')}: TTFT {level.ttft_error:+.2%}, ITL {level.itl_error:+.2%}", err=True)


def _row(level: SelfTestLevel) -> tuple[object, ...]:
    errors = (level.ttft_error, level.ttft_p99_error, level.itl_error, level.itl_p99_error, level.tpot_error)
    return (
        level.concurrency,
        level.most_running,
        *(share(e, "+.2%") for e in errors),
        level.cpu_s_per_mtok,
        round(level.rss_bytes / 1e6),
        "limited" if level.fidelity.client_limited else "ok",
    )
