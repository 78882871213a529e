"""What the documents show is run, and what is generated is up to date."""

from __future__ import annotations

import doctest
import re
import shlex
import sys
from pathlib import Path

import click
import pytest

import paretoken.answers.compare
from paretoken.cli.main import main
from paretoken.cli.main import paretoken as paretoken_group
from paretoken.cli.spellings import respelled
from paretoken.cli.start.init import file_kind
from paretoken.points.importers import formats
from paretoken.prices.market.book import shipped_prices
from tests.test_architecture import ANYTHING, MAY_IMPORT

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def shown_commands() -> list[str]:
    """Every command line in a code block of the README or of a page, continued lines joined."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    code = "\n".join(
        block
        for page in pages
        for block in re.findall(r"^```(?:sh)?\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    )
    lines = code.replace("\\\n", " ").splitlines()
    return list(dict.fromkeys(x.removeprefix("$ ").split(" #")[0] for x in lines if re.match(r"(\$ )?paretoken ", x)))


@pytest.mark.parametrize("line", shown_commands())
def test_every_command_shown_is_one(line, tmp_path, monkeypatch):
    """Verbs and options exist and values parse; what a command does is tested where it lives."""
    verb, *args = shlex.split(re.split(r" (?:[|>]|&&)", line)[0])[1:] or [""]
    named = paretoken_group.get_command(click.Context(paretoken_group), verb)
    args = [verb, *(respelled(verb, named, args)[0] if named else args)]
    if "--config" in args:
        monkeypatch.chdir(tmp_path)
        file = Path(args[args.index("--config") + 1])
        file.write_text(file_kind(file.stem, paretoken_group).text(), encoding="utf-8")
    context, command = click.Context(paretoken_group), paretoken_group
    while isinstance(command, click.Group) and args:
        name = args.pop(0)
        context = click.Context(command, parent=context)
        command = command.get_command(context, name)
        assert command, f"no verb {name}"
    command.make_context("paretoken", args)


def test_the_readme_says_of_which_day_the_rents_are():
    newest = str(shipped_prices()["date"].max())
    assert newest in README and newest in (ROOT / "docs" / "economics.md").read_text(encoding="utf-8")


def test_api_examples_run():
    assert doctest.testmod(paretoken.answers.compare).failed == 0


@pytest.mark.parametrize("code", blocks("python"))
def test_readme_python_runs(code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out


def test_the_examples_of_the_python_page_run(tmp_path, monkeypatch, capsys):
    """One after another, as a reader types them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    code = "\n".join(blocks("python", (ROOT / "docs" / "python.md").read_text(encoding="utf-8")))
    exec(compile(code, "docs/python.md", "exec"), {})
    printed = capsys.readouterr().out
    for said in re.findall(r"print\(.*\)  # (.+)", code):
        assert said in printed
    assert "paretoken ask compare" in printed and (tmp_path / "frontier.png").exists()


@pytest.mark.parametrize("line", [x for b in blocks("sh") for x in b.splitlines() if x.startswith("paretoken ")])
def test_readme_commands_run(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", shlex.split(line.split("#")[0]))
    try:
        main()
    except SystemExit as e:
        assert not e.code
    assert capsys.readouterr().out


def test_the_note_on_options_of_other_tools_is_the_one_that_bench_prints():
    page = (ROOT / "docs" / "migrate.md").read_text(encoding="utf-8")
    ((line, note),) = re.findall(r"^\$ paretoken bench (.*)\nnote: (.*)$", page, re.MULTILINE)
    bench = paretoken_group.get_command(click.Context(paretoken_group), "bench")
    assert respelled("bench", bench, shlex.split(line))[1] == note


def test_schema_page_is_current():
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from schema_page import page
    finally:
        sys.path.pop(0)
    assert (ROOT / "docs" / "schema.md").read_text(encoding="utf-8") == page()


def test_the_page_of_the_architecture_has_the_table_of_rooms():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)/` \| .* \| ([\w, –]+) \|$", page, re.MULTILINE)
    rooms = {room: set(imports.split(", ")) - {"–"} for room, imports in rows}
    assert rooms == {room: {"everything"} if room == "cli" else imports for room, imports in MAY_IMPORT.items()}
    assert not [f"{name}.py" for name in ANYTHING - {"__version__"} if f"`{name}.py`" not in page]


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md", "docs/predict.md", "docs/simulation.md"])
def test_every_file_that_a_page_names_exists(page):
    """From the root or the package; words in capitals are placeholders."""
    named = re.findall(r"`((?:\w+/)+[\w.]+\.(?:py|toml|js|j2))`", (ROOT / page).read_text(encoding="utf-8"))
    named = [path for path in named if not re.search(r"NAME|VERB|DIR", path)]
    package = ROOT / "src" / "paretoken"
    assets = package / "report" / "assets"
    bases = (ROOT, ROOT / "src", package, package / "predict", assets, assets / "study")
    assert named and not [path for path in named if not any((base / path).exists() for base in bases)]


def test_the_page_of_the_points_names_every_format():
    page = (ROOT / "docs" / "points.md").read_text(encoding="utf-8")
    assert not [name for name in formats() if f"\n| {name} |" not in page]


def test_the_readme_counts_the_formats():
    assert f"`vllm bench`, AIPerf, GuideLLM, InferenceX and {len(formats()) - 4} other formats" in README
