"""`paretoken calibrate`: fit the predictor to operating points."""

from __future__ import annotations

from pathlib import Path

import click

from paretoken.cli.options import catalog_folders


@click.command("calibrate", no_args_is_help=True)
@click.argument("points", nargs=-1, type=click.Path(path_type=Path))
@click.option("--published", is_flag=True, help="The shipped published points, as the shipped calibration was made.")
@click.option("--on-top", is_flag=True, help="On top of the shipped calibration: for a few runs of your own.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The calibration file to write.")
@click.option("--no-validation", is_flag=True, help="Leave cross-validation out: no error by split, wide intervals.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes for the validation.")
@catalog_folders
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def command(points, published, on_top, out, no_validation, workers, catalog_folders, as_json) -> None:
    """Fit engine, accelerator and pooled parameters to POINTS, files of operating points in any known format.

    \b
    Examples:
      paretoken calibrate --published --out calibration.toml
      paretoken calibrate runs/2026-11-24/points.parquet --on-top --out ours.toml
      paretoken predict --calibration ours.toml --accelerator H200 --model llama-3-70b --engine vllm \\
                        --isl 1024 --osl 1024
    """
    from paretoken.catalog.loader import load_catalog
    from paretoken.cli.output import print_json, print_table
    from paretoken.cli.progress import told_on_stderr
    from paretoken.errors import BadConfig, CannotWrite
    from paretoken.points.load import load_points
    from paretoken.predict.calibration.file import shipped_calibration, write_calibration
    from paretoken.predict.calibration.make import calibrate
    from paretoken.predict.calibration.splits import SPLITS

    if not points and not published:
        raise BadConfig("no points to learn from; give files of operating points, or --published")
    catalog = load_catalog(*catalog_folders)
    frame = load_points(points, published=published, catalog=catalog)
    with told_on_stderr("calibrating") as told:
        found = calibrate(
            frame,
            base=shipped_calibration() if on_top else None,
            splits=() if no_validation else tuple(SPLITS),
            workers=workers,
            catalog=catalog,
            told=told,
        )
    try:
        write_calibration(found, out)
    except OSError as e:
        raise CannotWrite(f"{out} cannot be written: {e.strerror}") from e
    if as_json:
        print_json({"out": str(out), "made_from": found.made_from, "errors": found.errors})
        return
    cells = sorted(found.errors["cells"], key=lambda c: -c["tpot"])[:10]
    print_table(
        "Cells it fits worst, mean absolute error in the sample",
        ("accelerator", "engine", "model", "precision", "points", "TPOT %", "throughput %"),
        [
            [
                *(c[k] for k in ("accelerator", "engine", "model", "precision", "points")),
                c["tpot"] * 100,
                c["throughput"] * 100,
            ]
            for c in cells
        ],
        note=f"{found.made_from['points']:,} points, {len(found.effects):,} effects -> {out}",
    )
