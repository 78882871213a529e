"""`paretoken bench selftest`: what this machine's client is good for."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click


def show_selftest(as_json: bool) -> None:
    """Hold the client against the built-in truth server, step by step, and say up to where it is right to 1 %."""
    from paretoken.bench.truth.selftest import selftest
    from paretoken.cli.output import console, print_json, print_table

    found = selftest(on_reading=None if as_json or not sys.stderr.isatty() else _tell)
    if as_json:
        print_json(asdict(found) | {"highest": found.highest})
        return
    print_table(
        "Client against a server of known truth (TTFT 50 ms, 20 ms a token, 128 tokens)",
        ("streams", "held", "TTFT mean", "TTFT p99", "ITL mean", "ITL p99", "TPOT", "CPU-s/M tok", "MB", "client"),
        [_row(r) for r in found.readings],
    )
    server = "compiled" if found.compiled_server else "Python (install a C compiler for one that keeps pace)"
    console().print(
        f"\nThis client is right to 1 % up to [bold]{found.highest} streams[/bold]. "
        f"Server: {server}; {found.cpus} CPUs, one of them the server's.",
        highlight=False,
    )


def _tell(reading) -> None:
    click.echo(f"{reading.concurrency} streams: TTFT {reading.ttft_error:+.2%}, ITL {reading.itl_error:+.2%}", err=True)


def _row(r) -> tuple:
    errors = (r.ttft_error, r.ttft_p99_error, r.itl_error, r.itl_p99_error, r.tpot_error)
    return (
        r.concurrency,
        r.held,
        *(f"{e:+.2%}" for e in errors),
        r.cpu_s_per_mtok,
        round(r.rss_bytes / 1e6),
        "limited" if r.fidelity.client_limited else "ok",
    )
