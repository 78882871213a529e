"""`paretoken verify`: whether the figures of a run follow from its request records."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli import options

if TYPE_CHECKING:
    from paretoken.receipts.verify import RunVerification

MOST_SHOWN = 30
"""Differences that the table shows; --wide and --json show all."""
DIFFERS = 1


@click.command("verify", no_args_is_help=True)
@click.argument("place", type=Path, metavar="RUN|ARCHIVE")
@click.option(
    "--mark",
    is_flag=True,
    help="Mark the points of a verified run with its receipt, on this machine.",
)
@options.as_json
def command(place: Path, mark: bool, as_json: bool) -> None:
    """Check the hashes of a run, and recompute every figure from its request records.

    RUN is a folder of 'paretoken bench' or 'paretoken campaign', ARCHIVE a file of
    'paretoken publish'. Exit code 0: the figures follow from the records. 1: something
    differs. 2: it cannot be read.

    A receipt shows that nothing changed since it was written. It does not show who
    measured, or that the records are genuine: docs/receipts.md.

    \b
    Examples:
      paretoken verify runs/today
      paretoken verify runs/today --mark
      paretoken verify llama-h200.paretoken.tar.gz --json
    """
    from paretoken.cli.output import print_json
    from paretoken.receipts.marks import mark_run
    from paretoken.receipts.places import verified_at

    with verified_at(place) as results:
        marks = [mark_run(result, folder) for result, folder in results] if mark else []
    if as_json:
        print_json([_document(result, marks[i] if mark else None) for i, (result, _) in enumerate(results)])
    else:
        for result, _ in results:
            _show(result)
        if mark:
            _show_marks([result for result, _ in results], marks)
    if any(result.verdict == "differs" for result, _ in results):
        sys.exit(DIFFERS)


def _document(result: RunVerification, marked: int | None) -> dict[str, object]:
    from paretoken.bench.documents import to_json

    names = ("run", "hashes", "figures", "copies", "differences", "taken", "unread", "recorded_by", "recomputed_by")
    document: dict[str, object] = {"verdict": result.verdict}
    document |= {name: to_json(getattr(result, name)) for name in names}
    return document | ({} if marked is None else {"points_marked": marked})


def _show(result: RunVerification) -> None:
    from paretoken.cli.formats import form
    from paretoken.cli.output import console, print_table
    from paretoken.plural import counted
    from paretoken.receipts.words import copy_words, hash_words, headline, version_words

    out = console()
    out.print(headline(result), style="bold")
    out.print(hash_words(result.hashes))
    out.print(copy_words(result), style="dim")
    if faults := result.hashes.faults:
        of_files = [(f.path, f.fault, f.recorded[:16], f.actual[:16]) for f in faults]
        print_table("Files that differ", ("file", "what", "recorded", "now"), of_files)
    if result.differences:
        shown = result.differences if form().wide else result.differences[:MOST_SHOWN]
        rows = [(d.where, d.figure, str(d.recorded), str(d.recomputed)) for d in shown]
        more = len(result.differences) - len(shown)
        note = f"{counted(more, 'figure')} more; --wide shows all" if more else ""
        print_table("Figures that differ", ("file", "figure", "recorded", "recomputed"), rows, note)
    for line in (*result.unread, *version_words(result)):
        out.print(line, style="yellow")
    out.print(f"taken as recorded: {'; '.join(result.taken)}", style="dim")


def _show_marks(results: list[RunVerification], marks: list[int]) -> None:
    from paretoken.cli.output import echo
    from paretoken.plural import counted
    from paretoken.points.receipt_marks import marks_folder

    if total := sum(marks):
        echo(f"{counted(total, 'point')} marked in {marks_folder()}")
    if any(result.verdict != "verified" for result in results):
        echo("only verified runs are marked: their files all have hashes, and nothing differs", err=True)
