"""`paretoken publish`: a run as one archive that others can verify."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from paretoken.cli import options


@click.command("publish", no_args_is_help=True)
@click.argument("run", type=Path, metavar="RUN")
@click.option(
    "--out",
    type=Path,
    metavar="FILE",
    help="Archive to write: .tar.gz, .zip, or .tar.zst with Python 3.14.  [default: RUN.paretoken.tar.gz]",
)
@click.option("--licence", default="", help="Licence of the results to state in the archive, such as CC-BY-4.0.")
@options.json_only
def command(run: Path, out: Path | None, licence: str, as_json: bool) -> None:
    """Pack a run with its receipt and environment into one archive.

    The run is verified first. Nothing that looks like a key is packed. The same run
    gives the same bytes, so that its hash names it.

    \b
    Examples:
      paretoken publish runs/today --licence CC-BY-4.0
      paretoken publish runs/today --out llama-h200.paretoken.zip
      paretoken verify llama-h200.paretoken.zip
    """
    from dataclasses import asdict

    from paretoken.cli.output import echo, print_json
    from paretoken.errors import BadConfig
    from paretoken.plural import counted
    from paretoken.receipts.archive import publish
    from paretoken.receipts.archive_form import suffix_of
    from paretoken.receipts.places import one_verified

    out = out or Path(f"{run.resolve().name}.paretoken.tar.gz")
    suffix_of(out)
    if run.is_dir() and out.resolve().is_relative_to(run.resolve()):
        raise BadConfig(f"--out {out} is inside the run; write it elsewhere")
    published = publish(run, one_verified(run), out, licence)
    if as_json:
        print_json(asdict(published))
        return
    echo(f"{published.out}: {published.bytes / 1e6:,.2f} MB, {counted(published.files, 'file')}")
    echo(f"SHA-256 {published.sha256}")
    echo(f"receipt {published.receipt}")
    echo(f"others check it with: paretoken verify {out.name}")
