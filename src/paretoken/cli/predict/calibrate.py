"""`paretoken calibrate`: fit the predictor to operating points."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli.options import as_json, bundles, catalog_folders
from paretoken.errors import BadConfig
from paretoken.plural import counted

if TYPE_CHECKING:
    from paretoken.answers.calibrate import CalibrateAnswer
    from paretoken.predict.calibration.file import CellError


@click.command("calibrate", no_args_is_help=True)
@click.argument("points", nargs=-1, type=click.Path(path_type=Path))
@click.option("--published", is_flag=True, help="Fit to the shipped and the installed bundles of points.")
@click.option("--on-top", is_flag=True, help="Start from the shipped calibration and add your own runs.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the calibration to this file.")
@click.option("--show", metavar="FILE", help="Print a calibration file (`shipped` for the shipped one) and exit.")
@click.option("--no-validation", is_flag=True, help="Skip cross-validation; intervals are then assumed.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Cross-validate in N processes.")
@bundles
@catalog_folders
@as_json
def command(
    points: tuple[Path, ...],
    published: bool,
    on_top: bool,
    out: Path | None,
    show: str | None,
    no_validation: bool,
    workers: int,
    bundles: tuple[str, ...],
    as_of: date | None,
    catalog_folders: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Fit the predictor to POINTS, files of operating points in any known format.

    \b
    Examples:
      paretoken calibrate --published --out calibration.parquet
      paretoken calibrate runs/2026-11-24/points.parquet --on-top \\
                          --out ours.parquet
      paretoken predict --calibration ours.parquet --accelerator H200 \\
                        --model llama-3-70b --engine vllm --isl 1024 --osl 1024
      paretoken calibrate --show ours.parquet --json
    """
    if show is not None:
        if points or out:
            raise BadConfig("--show prints a calibration; leave out POINTS and --out")
        _show(show, as_json)
        return
    if out is None:
        raise BadConfig("--out is missing; name the calibration file to write, or use --show to print one")
    from paretoken.answers.calibrate import CalibrateQuestion, calibrate
    from paretoken.answers.seam import to_json
    from paretoken.cli.output import print_json
    from paretoken.cli.progress import told_on_stderr

    question = CalibrateQuestion(
        points=points,
        published=published,
        on_top=on_top,
        out=out,
        cross_validation=not no_validation,
        workers=workers,
        bundles=bundles,
        as_of=as_of,
        catalog=catalog_folders,
    )
    with told_on_stderr("calibrating") as on_progress:
        answer = calibrate(question, on_progress=on_progress)
    if as_json:
        print_json(to_json(answer))
    else:
        _print(answer)


def _print(answer: CalibrateAnswer) -> None:
    _print_cells(answer.errors["cells"], f"{counted(int(str(answer.made_from['points'])), 'point')} -> {answer.out}")


def _show(name: str, as_json: bool) -> None:
    """A calibration file: all of it as JSON, or its origin and size."""
    from paretoken.cli.output import echo, print_json
    from paretoken.predict.calibration.file import read_calibration, shipped_calibration

    calibration = shipped_calibration() if name == "shipped" else read_calibration(Path(name))
    if as_json:
        print_json(calibration.document())
        return
    for key, value in calibration.made_from.items():
        echo(f"{key}: {'; '.join(value) if isinstance(value, list) else value}")
    echo(f"effects: {len(calibration.effects):,}; configurations seen: {len(calibration.seen):,}")
    for outcome, sides in calibration.bands.items():
        low, high = sides["low"]["widths"], sides["high"]["widths"]
        widths = ", ".join(f"{kind} -{low[kind]:.2f} +{high[kind]:.2f}" for kind in low)
        echo(f"90 % interval of {outcome}, ln of observed/predicted by component: {widths}")
    _print_cells(calibration.errors["cells"], "--json prints every effect")


def _print_cells(cells: list[CellError], note: str) -> None:
    from paretoken.cli.output import print_table

    print_table(
        "Cells with the largest mean absolute error in the sample",
        ("accelerator", "engine", "model", "precision", "points", "TPOT %", "throughput %"),
        [
            [
                *(c["accelerator"], c["engine"], c["model"], c["precision"], c["points"]),
                c["tpot"] * 100,
                c["throughput"] * 100,
            ]
            for c in sorted(cells, key=lambda c: -c["tpot"])[:10]
        ],
        note=note,
    )
