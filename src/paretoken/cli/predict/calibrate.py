"""`paretoken calibrate`: fit the predictor to operating points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click
from click.globals import get_current_context

from paretoken.cli.context import given
from paretoken.cli.measure.bench_options import api, api_key_file, header, query
from paretoken.cli.options import Finite, as_json, bundles
from paretoken.cli.predict import options
from paretoken.cli.predict.calibrate_url import CalibrateUrlOptions, calibrate_from_url
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
@click.option("--url", help="Measure this server for some minutes, then fit on top of the shipped calibration.")
@options.deployment
@options.lengths
@click.option(
    "--concurrency", default="1,4,16", show_default=True, help="With --url: concurrent requests that matter to you."
)
@click.option(
    "--minutes",
    type=Finite(0.1, 600),
    default=5.0,
    show_default=True,
    help="With --url: minutes of load in total.",
)
@click.option(
    "--runs",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="With --url: write the runs to this folder, or continue those in it.  [default: runs/DATE]",
)
@click.option("--served-model", metavar="NAME", help="With --url: model name in requests, if the server lists several.")
@api
@api_key_file
@header
@query
@bundles
@as_json
def command(
    points: tuple[Path, ...], out: Path | None, show: str | None, url: str | None, as_json: bool, **values: Any
) -> None:
    """Fit the predictor to POINTS, files of operating points in any known format.

    With --url, first measure a running server: a few loads at two prompt lengths. State its
    deployment; --catalog adds hardware and models that the catalog lacks.

    \b
    Examples:
      paretoken calibrate --published --out calibration.parquet
      paretoken calibrate runs/2026-11-24/points.parquet --on-top \\
                          --out ours.parquet
      paretoken predict --calibration ours.parquet --accelerator H200 \\
                        --model llama-3-70b --engine vllm --isl 1024 --osl 1024
      paretoken calibrate --show ours.parquet --json
      paretoken calibrate --url http://127.0.0.1:8000 --accelerator H200 \\
                          --model llama-3-70b --precision fp8 --engine vllm \\
                          --tp 4 --isl 1024 --osl 1024 --concurrency 1,16,64 \\
                          --out ours.parquet
    """
    if url is None:
        _refuse_without_url()
    if show is not None:
        if points or out or url:
            raise BadConfig("--show prints a calibration; leave out POINTS, --url and --out")
        _show(show, as_json)
        return
    if out is None:
        raise BadConfig("--out is missing; name the calibration file to write, or use --show to print one")
    if url is not None:
        _refuse_beside_url(points)
        own = {f.name: values[f.name] for f in fields(CalibrateUrlOptions) if f.name in values}
        deployment = options.question_fields({**values, "calibration": None})
        calibrate_from_url(CalibrateUrlOptions(url=url, out=out, **own), deployment, as_json)
        return
    _calibrate(points, out, values, as_json)


def _calibrate(points: tuple[Path, ...], out: Path, values: Mapping[str, Any], as_json: bool) -> None:
    from paretoken.answers.calibrate import CalibrateQuestion, calibrate
    from paretoken.answers.seam import to_json
    from paretoken.cli.output import print_json
    from paretoken.cli.progress import told_on_stderr

    question = CalibrateQuestion(
        points=points,
        out=out,
        cross_validation=not values["no_validation"],
        catalog=values["catalog_folders"],
        **{name: values[name] for name in ("published", "on_top", "workers", "bundles", "as_of")},
    )
    with told_on_stderr("calibrating") as on_progress:
        answer = calibrate(question, on_progress=on_progress)
    if as_json:
        print_json(to_json(answer))
    else:
        _print(answer)


def _refuse_beside_url(points: tuple[Path, ...]) -> None:
    if points:
        raise BadConfig("--url measures its own points; leave out POINTS, or fit them with --on-top and without --url")
    learning = ("published", "on_top", "no_validation", "workers", "bundles", "as_of")
    if typed := [f"--{name.replace('_', '-')}" for name in learning if given(name)]:
        raise BadConfig(f"--url fits its own points on top of the shipped calibration; leave out {', '.join(typed)}")


def _refuse_without_url() -> None:
    """BadConfig for an option that has no effect without --url."""
    used = {"points", "published", "on_top", "out", "show", "no_validation", "workers", "bundles", "as_of"}
    used |= {"catalog_folders", "as_json"}
    parameters = get_current_context().command.params
    if stray := [p.opts[0] for p in parameters if p.name and p.name not in used and given(p.name)]:
        raise BadConfig(f"{', '.join(stray)} {'describes' if len(stray) == 1 else 'describe'} a server; add its --url")


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
