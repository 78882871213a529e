"""`paretoken doctor`: what this machine can measure, and what to install."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import rich_click as click

from paretoken.cli import options

if TYPE_CHECKING:
    from paretoken.cli.config_files import ConfigFile
    from paretoken.start.machine import Grade, MachineCheck

STYLES = {"ok": "green", "note": "yellow", "missing": "bold red"}


@click.command("doctor")
@click.option("--strict", is_flag=True, help="Exit with code 1 if something that measuring needs is missing.")
@options.json_only
def command(strict: bool, as_json: bool) -> None:
    """Show what this machine can and cannot measure, with a remedy for each problem.

    Takes about two seconds, in which it measures a server with known timing on this machine. Starts no engine,
    sends nothing over the network, and shows no key.

    \b
    Examples:
      paretoken doctor
      paretoken doctor --strict
      paretoken doctor --json
    """
    from dataclasses import asdict

    from paretoken.cli.output import print_json
    from paretoken.cli.progress import told_on_stderr
    from paretoken.start.doctor import machine_checks
    from paretoken.version import __version__

    with told_on_stderr("Doctor") as say:
        checks = [*machine_checks(on_progress=say), *config_checks()]
    missing = [check.name for check in checks if check.grade == "missing"]
    if as_json:
        print_json({"version": __version__, "missing": missing, "checks": [asdict(check) for check in checks]})
    else:
        _print(checks, missing)
    if strict and missing:
        raise SystemExit(1)


def config_checks() -> Iterator[MachineCheck]:
    """The configuration files in force with what is wrong in them, and the variables of options."""
    from click.globals import get_current_context

    from paretoken.cli.config_files import PROJECT, user_file
    from paretoken.cli.default_values import mistakes
    from paretoken.cli.defaults import files_of_command, variables_set
    from paretoken.errors import ParetokenError
    from paretoken.start.machine import MachineCheck

    def check(name: str, text: str, fix: str = "", grade: Grade = "ok") -> MachineCheck:
        return MachineCheck(group="Defaults", name=name, grade=grade, text=text, fix=fix)

    root = cast("click.Group", get_current_context().find_root().command)
    files: list[ConfigFile] | None = None
    try:
        files = files_of_command()
    except ParetokenError as e:
        yield check("configuration", str(e), "correct the file", "missing")
    for file in files or []:
        tables = ", ".join(f"[{name}]" for name in file.tables) or "empty"
        yield check("configuration", f"{file.path}: {tables}")
        for text in mistakes(file, root):
            yield check("configuration", text, "correct the file", "missing")
    if files == []:
        yield check("configuration", f"no {PROJECT} here, no {user_file()}", "paretoken init config")
    for text, fix in variables_set(os.environ, root):
        yield check("environment", text, fix, "note" if "nothing" in text else "ok")


def _print(checks: list[MachineCheck], missing: list[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    from paretoken.cli.output import console
    from paretoken.foreign_text import visible
    from paretoken.plural import counted

    out = console()
    for group in dict.fromkeys(check.group for check in checks):
        out.print(group, style="bold")
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, min_width=7)
        table.add_column(no_wrap=True, min_width=18)
        table.add_column(overflow="fold")
        for check in (check for check in checks if check.group == group):
            table.add_row(Text(check.grade, STYLES[check.grade]), check.name, check.text)
            if check.fix:
                table.add_row("", "", Text(visible(f"→ {check.fix}"), "dim"))
        out.print(table)
        out.print()
    if missing:
        out.print(f"{counted(len(missing), 'thing')} missing for measuring: {', '.join(missing)}", style="bold")
    else:
        out.print("Nothing is missing for measuring. Start with: paretoken quick", style="bold")
