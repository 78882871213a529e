"""`paretoken ecosystem`: CI coverage over time and accuracy verdicts, together."""

from __future__ import annotations

from pathlib import Path

import click

from paretoken.cli import options

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("ecosystem")
@click.option("--history", "history_file", type=FILE, help="Series that `parity history --out` wrote.")
@click.option("--gate", "gates", multiple=True, type=FILE, help="Verdict of the accuracy gate (repeatable).")
@options.as_json
def command(history_file, gates, as_json) -> None:
    """Show how far ROCm is behind CUDA in CI, and whether measured servers gave the right tokens.

    \b
    Examples:
      paretoken ecosystem --json
      paretoken ecosystem --gate gate.json
    """
    from paretoken.answers.ecosystem import overview_of
    from paretoken.cli.output import print_json, print_table
    from paretoken.cli.trust.parity import show_entries

    found = overview_of(history_file, gates)
    if as_json:
        print_json(found.as_json())
        return
    show_entries(found.history.entries)
    if found.gates:
        told = [(g, v) for g in found.gates for v in g.tiers]
        rows = [(g.model, g.endpoint, g.made, g.verdict, v.title, v.verdict, v.why) for g, v in told]
        print_table("Accuracy", ("model", "endpoint", "date", "gate", "tier", "verdict", "why"), rows)
