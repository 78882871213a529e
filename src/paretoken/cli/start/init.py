"""`paretoken init`: a commented file to begin with."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import rich_click as click
from click.globals import get_current_context

from paretoken.cli.output import echo, echo_script

if TYPE_CHECKING:
    from paretoken.start.commented import FileKind

KINDS = ("study", "campaign", "owner", "prices", "mapping", "scenario", "plan", "bench", "config")


@click.command("init", no_args_is_help=True)
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("file", type=Path, required=False)
@click.option("--force", is_flag=True, help="Overwrite the file if it exists.")
@click.option("--print", "print_", is_flag=True, help="Print the file instead of writing it.")
def command(kind: str, file: Path | None, force: bool, print_: bool) -> None:
    """Write a commented file with every key, its meaning, unit, default and an example.

    study, campaign, owner (your cost figures), prices (your price set), mapping (of a price list) and scenario are
    input files of verbs; plan and bench hold the options of a verb; config holds defaults of all verbs.

    \b
    Examples:
      paretoken init study
      paretoken init campaign llama.toml
      paretoken init plan && paretoken plan --config plan.toml
      paretoken init config --print
    """
    from paretoken.errors import CannotWrite

    chosen = file_kind(kind, cast("click.Group", get_current_context().find_root().command))
    if print_:
        echo_script(chosen.text())
        return
    path = file or Path(chosen.path)
    if path.exists() and not force:
        raise CannotWrite(f"{path} exists; choose another file, or overwrite it with --force")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(chosen.text(), encoding="utf-8")
    except OSError as e:
        raise CannotWrite(f"{path} cannot be written: {e.strerror}; choose another file") from e
    echo(path)
    echo(f"next: {chosen.command.format(path=path, folder=path.parent)}", err=not sys.stdout.isatty())


def file_kind(kind: str, root: click.Group) -> FileKind:
    """A kind of file by its name; `root` has the verbs."""
    from paretoken.cli.start import option_files
    from paretoken.start.commented import FileKind

    if kind == "config":
        return FileKind("paretoken.toml", partial(option_files.config_file, root), "paretoken doctor")
    if kind in option_files.STATED:
        text = partial(option_files.verb_file, kind, root)
        return FileKind(f"{kind}.toml", text, option_files.COMMANDS[kind])
    from paretoken.start.kinds import file_kinds

    return file_kinds(partial(option_files.bench_settings, root))[kind]
