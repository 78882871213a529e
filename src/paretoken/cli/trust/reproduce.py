"""`paretoken reproduce`: how to repeat a run or a point."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from paretoken.cli import options
from paretoken.cli.names import ACCELERATOR, ENGINE, MODEL, PRECISION, TOKENS

if TYPE_CHECKING:
    from paretoken.receipts.recipe import ReproductionRecipe

MOST_LISTED, MOST_PRINTED = 50, 1000
COLUMNS = ("accelerator", "engine", "model", "precision", "n_gpus", "tp", "isl", "osl", "concurrency", "date", "source")


@click.command("reproduce", no_args_is_help=True)
@click.argument("what", required=False, metavar="[RUN|LEVEL|ARCHIVE|POINT]")
@click.option("--points", "files", multiple=True, type=Path, metavar="FILE", help="Also look in these points.")
@click.option("--model", type=MODEL, help="Choose points by model.")
@click.option("--accelerator", type=ACCELERATOR, help="Choose points by accelerator.")
@click.option("--engine", type=ENGINE, help="Choose points by engine.")
@click.option("--precision", type=PRECISION, metavar="TEXT", help="Choose points by precision of the weights.")
@click.option("--isl", type=TOKENS, help="Choose points by nominal input length.")
@click.option("--osl", type=TOKENS, help="Choose points by nominal output length.")
@click.option("--concurrency", type=options.Finite(), help="Choose points by concurrency.")
@click.option("--script", "as_script", is_flag=True, help="Print a shell script that repeats it.")
@options.as_json
def command(what: str | None, files: tuple[Path, ...], as_script: bool, as_json: bool, **chosen: Any) -> None:
    """Print how to repeat a run, a level or a point: server, versions, benchmark, and what is unknown.

    RUN is a folder of 'paretoken bench' or of a cell of a campaign, LEVEL a folder
    RUN/levels/0002, ARCHIVE a file of 'paretoken publish'. POINT is an id as this command
    lists it, or the source_ref of a published point. Without it the options choose points.

    \b
    Examples:
      paretoken reproduce runs/today
      paretoken reproduce runs/today/levels/0002 --script > again.sh
      paretoken reproduce --model llama-3-70b --accelerator H200 --isl 1k --osl 1k
    """
    from paretoken.cli.output import echo_script, print_json
    from paretoken.receipts.of_point import recipe_of_point
    from paretoken.receipts.recipe import script
    from paretoken.receipts.recipes import chosen_points, recipes_at

    values = {k: v for k, v in chosen.items() if v is not None}
    if what is not None and Path(what).exists():
        _refuse(bool(files or values), "options choose points, and a run was given; leave them out")
        recipes = recipes_at(Path(what))
        _refuse(as_script and len(recipes) > 1, "a script repeats one run; give the folder of one")
    else:
        _refuse(not (what or values or files), "nothing chosen; give a run, an id, or options such as --model")
        points = chosen_points(what, files, values)
        if len(points) > 1 and not (as_json or as_script):
            _list(points)
            return
        _refuse(as_script and len(points) > 1, f"{len(points)} points match; add options, or give the id of one")
        _refuse(
            len(points) > MOST_PRINTED, f"{len(points):,} points match; add options to print at most {MOST_PRINTED}"
        )
        recipes = [recipe_of_point(point) for point in points]
    if as_json:
        print_json([_document(recipe) for recipe in recipes])
    elif as_script:
        echo_script(script(recipes[0]))
    else:
        for recipe in recipes:
            _show(recipe)


def _refuse(wrong: bool, why: str) -> None:
    from paretoken.errors import BadConfig

    if wrong:
        raise BadConfig(why)


def _document(recipe: ReproductionRecipe) -> dict[str, object]:
    from paretoken.bench.documents import to_json

    return {**to_json(recipe), "bench_line": recipe.bench_line}  # type: ignore[dict-item]


def _list(points: list[dict[str, Any]]) -> None:
    from paretoken.cli.output import print_table
    from paretoken.plural import counted
    from paretoken.receipts.of_point import point_id

    rows = [(point_id(point), *(point.get(name) for name in COLUMNS)) for point in points[:MOST_LISTED]]
    more = len(points) - len(rows)
    note = f"{counted(more, 'point')} more; add options" if more else "repeat one: paretoken reproduce ID"
    print_table(counted(len(points), "point"), ("id", *COLUMNS), rows, note, spare=("source", "date"))


def _show(recipe: ReproductionRecipe) -> None:
    from paretoken.cli.output import console, echo, echo_commands
    from paretoken.engines.render import shell_lines
    from paretoken.receipts.recipe import file_lines, start_words

    out, launch = console(), recipe.launch
    out.print(recipe.of, style="bold")
    for name, value in recipe.stated.items():
        echo(f"  {name}: {value}")
    for client in recipe.clients:
        echo(f"  client: {client}")
    out.print(f"Server, {launch.basis}", style="bold")
    for name, fact in (("version", launch.version), ("image", launch.image), ("digest", launch.digest)):
        if fact:
            echo(f"  {name}: {fact}")
    if launch.words:
        echo_commands(file_lines(launch) + shell_lines(start_words(launch)))
    out.print(f"Benchmark, {'as run' if recipe.bench_recorded else 'for the same load'}", style="bold")
    echo_commands(shell_lines(recipe.bench))
    out.print("Unknown", style="bold")
    for line in recipe.unknown:
        echo(f"  {line}")
