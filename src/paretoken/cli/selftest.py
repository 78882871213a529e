"""`paretoken bench selftest`: what this machine's client is good for."""

from __future__ import annotations


def show_selftest(as_json: bool) -> None:
    """Hold the client against the built-in truth server and print the highest load that it measures to 1 %."""
    from paretoken.cli.output import console, print_json, print_table
    from paretoken.load.truth.selftest import selftest

    found = selftest()
    if as_json:
        print_json(found.to_dict())
        return
    print_table(
        "Client against a server of known truth",
        ("streams", "TTFT error", "ITL error", "held", "core"),
        [(s.streams, f"{s.ttft_error:+.2%}", f"{s.itl_error:+.2%}", s.held, f"{s.cpu_share:.0%}") for s in found.steps],
    )
    console().print(f"\n{found.sentence}")
