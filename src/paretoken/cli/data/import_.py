"""`paretoken import`: result files of other tools as operating points."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli import names, options
from paretoken.plural import counted

if TYPE_CHECKING:
    import polars as pl

_OVERRIDES: dict[
    str, tuple[type | names.CatalogName | names.PrecisionName | names.TokenCount | options.Finite, str]
] = {
    "accelerator": (names.ACCELERATOR, "Accelerator"),
    "gpus": (int, "Number of GPUs"),
    "model": (names.MODEL, "Model"),
    "precision": (names.PRECISION, "Precision of the weights"),
    "engine": (names.ENGINE, "Engine"),
    "engine-version": (str, "Version of the engine"),
    "tp": (int, "Tensor-parallel size"),
    "ep": (int, "Expert-parallel size"),
    "speculative": (str, "Speculative decoding, such as none, mtp or eagle"),
    "speculative-tokens": (int, "Drafted tokens per step"),
    "acceptance": (options.Finite(1), "Tokens that a verification step emits"),
    "kv-cache-dtype": (str, "Data type of the KV cache, such as fp8"),
    "isl": (names.TOKENS, "Nominal input length in tokens"),
    "osl": (names.TOKENS, "Nominal output length in tokens"),
    "concurrency": (options.Finite(), "Concurrency of a closed loop"),
    "origin": (str, "Origin of the figures: measured, published, emulated"),
    "source": (str, "Name of the source"),
    "date": (str, "Date of the runs"),
    "licence": (str, "Licence of the results"),
}
_COLUMNS = {"gpus": "n_gpus", "acceptance": "acceptance_length"}
"""Columns with other names than their option."""
COLUMNS = (
    "accelerator",
    "engine",
    "model",
    "precision",
    "isl",
    "osl",
    "concurrency",
    "tput_per_gpu",
    "e2e_s",
    "origin",
)

overrides = options.stack(
    *(
        click.option(
            f"--{name}",
            _COLUMNS.get(name, name.replace("-", "_")),
            type=kind,
            help=f"{text}.",
        )
        for name, (kind, text) in _OVERRIDES.items()
    )
)


def _list_formats(ctx: click.Context, _: click.Parameter, chosen: bool) -> None:
    if chosen and not ctx.resilient_parsing:
        from paretoken.points.importers import formats

        click.echo("\n".join([*formats(), "CSV and Parquet of paretoken's own columns"]))
        ctx.exit()


@click.command("import", no_args_is_help=True)
@click.argument("files", nargs=-1, required=True, type=Path, metavar="FILE…")
@click.option(
    "--out", type=Path, default=Path("points.parquet"), show_default=True, metavar="FILE", help="Parquet file to write."
)
@click.option("--keep-going", is_flag=True, help="Skip bad rows and files, list them, and keep the rest.")
@click.option(
    "--formats",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_formats,
    help="List the formats, and exit.",
)
@overrides
@options.catalog_folders
@options.as_json
def command(
    files: tuple[Path, ...],
    out: Path,
    keep_going: bool,
    catalog_folders: tuple[Path, ...],
    as_json: bool,
    **values: str | int | float | None,
) -> None:
    """Convert result files of other tools into operating points.

    The format is detected from content; --formats lists those that are read. Files may be packed with gzip. Folders
    of 'paretoken bench' and 'paretoken campaign' and dumps of InferenceX are read, too.
    'paretoken data update' keeps the points for every verb.

    With --keep-going the command fails only if no point is left.

    \b
    Examples:
      paretoken import result.json --accelerator H200 --gpus 8 --tp 8 \\
                       --precision fp8
      paretoken import runs/*.json --accelerator MI300X --gpus 4 --keep-going \\
                       --out mine.parquet
      paretoken compare --points mine.parquet --model llama-3-70b \\
                        --workload chat --e2e 10
    """
    from paretoken.catalog.loader import load_catalog
    from paretoken.cli.output import echo, print_json
    from paretoken.errors import BadConfig
    from paretoken.points.files import write_points
    from paretoken.points.load import import_files

    if out.suffix.lower() in (".csv", ".json", ".jsonl"):
        raise BadConfig(f"--out writes Parquet, but {out} is named otherwise; use a name such as points.parquet")
    stated = {name: value for name, value in values.items() if value is not None}
    points, errors = import_files(files, catalog=load_catalog(*catalog_folders), values=stated, keep_going=keep_going)
    write_points(points, out)
    for error in errors:
        echo(f"skipped: {error}", err=True)
    if as_json:
        print_json({"out": str(out), "points": points.to_dicts(), "errors": [str(e) for e in errors]})
        return
    _print(points, out)


def _print(points: pl.DataFrame, out: Path) -> None:
    from paretoken.cli.output import console, print_table
    from paretoken.points.unstated import UNKNOWN

    print_table(counted(points.height, "point"), COLUMNS, points.select(COLUMNS).iter_rows())
    if unsaid := points.filter(points["speculation"] == UNKNOWN).height:
        console().print(
            f"{counted(unsaid, 'point')} without a statement on speculative decoding; comparisons of plain serving "
            "leave them out. State it: --speculative none, or the method",
            style="yellow",
        )
    if verified := points["receipt"].count():
        console().print(f"{counted(verified, 'point')} with a receipt that was verified on this machine")
    flagged = points.drop_nulls("suspicious")
    if flagged.height:
        rules = ", ".join(sorted(flagged["suspicious"].unique()))
        console().print(
            f"{counted(flagged.height, 'point')} flagged ({rules}); frontiers leave flagged points out unless you add "
            "--include-suspicious",
            style="yellow",
        )
    console().print(f"Written to {out}; use it with --points {out}")
