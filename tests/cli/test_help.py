"""The help of every verb and subcommand: options in panels, examples on their own lines, 80 columns."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import rich_click as click

from paretoken.cli.main import RENAMED, SUMMARIES, paretoken
from paretoken.cli.panels import PANELS


def commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for part, subcommand in command.commands.items():
            yield from commands(f"{name} {part}", subcommand)


def everything() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(paretoken)
    for verb in [*SUMMARIES, *RENAMED]:
        command = paretoken.get_command(context, verb)
        assert command is not None
        yield from commands(verb, command)


@pytest.mark.parametrize("name", [name for name, _ in everything()])
def test_help_fits_80_columns_and_keeps_the_lines_of_examples(call, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = call(f"{name} --help")
    lines = [line.rstrip() for line in out.splitlines()]
    assert code == 0
    assert max(map(len, lines)) <= 80
    text = dict(everything())[name].help or ""
    for example in (line for line in text.splitlines() if line.startswith("  ")):
        assert f" {example.rstrip()}" in lines


def test_no_verb_has_a_long_unsorted_list_of_options():
    for name, command in everything():
        shown = [param for param in command.params if isinstance(param, click.Option) and not param.hidden]
        options = [param.opts[0] for param in shown]
        in_panels = {option for names in PANELS.get(name, {}).values() for option in names.split()}
        loose = [option for option in options if option not in in_panels]
        assert len(options) <= 8 or not loose, (name, loose)


def test_every_panel_belongs_to_a_command_and_every_option_to_one_panel():
    names = dict(everything())
    for name, panels in PANELS.items():
        listed = [option for options in panels.values() for option in options.split()]
        assert name in names
        assert len(listed) == len(set(listed)), name


def test_help_imports_no_library_of_data():
    code = (
        "import sys\nfrom paretoken.cli.main import main\n"
        "sys.argv = ['paretoken', sys.argv[1], '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print({'polars', 'numpy', 'pydantic'} & set(sys.modules), file=sys.stderr)"
    )
    for verb in ("bench", "compare", "accuracy", "predict"):
        run = subprocess.run(
            [sys.executable, "-c", code, verb], capture_output=True, text=True, env=dict(os.environ), check=True
        )
        assert run.stderr.strip() == "set()"
