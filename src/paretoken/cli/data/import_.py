"""`paretoken import`: result files of other tools as operating points."""

from __future__ import annotations

from pathlib import Path

import click

from paretoken.cli import options

GIVEN = {
    "accelerator": str,
    "n-gpus": int,
    "model": str,
    "precision": str,
    "engine": str,
    "engine-version": str,
    "tp": int,
    "ep": int,
    "isl": int,
    "osl": int,
    "concurrency": options.Finite(),
    "source": str,
    "date": str,
    "licence": str,
}


def _given(function):
    for name, kind in reversed(GIVEN.items()):
        function = click.option(f"--{name}", type=kind, help=f"{name}, where the file does not say it.")(function)
    return function


@click.command("import", no_args_is_help=True)
@click.argument("files", nargs=-1, required=True, type=Path, metavar="FILE…")
@click.option(
    "--out", type=Path, default=Path("points.parquet"), show_default=True, metavar="FILE", help="Parquet to write."
)
@click.option("--keep-going", is_flag=True, help="Leave bad rows out, name them, keep the rest.")
@_given
@options.catalog_folders
@options.as_json
def command(files, out, keep_going, catalog_folders, as_json, **given) -> None:
    """Turn result files into operating points.

    \b
    Reads vLLM 'bench serve' JSON, SGLang 'bench_serving' JSONL, InferenceX agg JSON and its weekly
    dump, AIPerf and GuideLLM JSON, and our own CSV and Parquet; formats are told apart by content.

    \b
    Examples:
      paretoken import result.json --accelerator H200 --n-gpus 8 --tp 8 --precision fp8
      paretoken import runs/*.json --accelerator MI300X --n-gpus 4 --keep-going --out mine.parquet
      paretoken compare --points mine.parquet --model llama-3-70b --workload chat --e2e 10
    """
    from paretoken.catalog.loader import load_catalog
    from paretoken.cli.output import console, print_json, print_table
    from paretoken.points.files import write_points
    from paretoken.points.importers import import_files

    told = {k: v for k, v in given.items() if v is not None}
    catalog = load_catalog(*catalog_folders)
    table, errors = import_files(files, catalog=catalog, given=told, keep_going=keep_going)
    write_points(table, out)
    for error in errors:
        click.echo(f"left out: {error}", err=True)
    if as_json:
        print_json({"out": str(out), "points": table.to_dicts(), "errors": [str(e) for e in errors]})
        return
    columns = (
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
    print_table(f"{table.height} points", columns, table.select(columns).iter_rows())
    console().print(f"Written to {out}; use it with --points {out}")
