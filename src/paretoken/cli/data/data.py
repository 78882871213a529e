"""`paretoken data`: the bundles of operating points."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from paretoken.cli import options
from paretoken.cli.names import BUNDLE
from paretoken.cli.output import echo


@click.group("data")
def command() -> None:
    """List, verify, install and compare bundles of operating points.

    \b
    Examples:
      paretoken data list
      paretoken data update inferencex-dump.zip
      paretoken data verify
      paretoken data diff 2026-02-01 2026-06-01
    """


@command.command("list")
@options.as_json
def list_(as_json: bool) -> None:
    """List the shipped bundle and the installed ones.

    A row that a newer bundle holds too is not used in the older one.

    \b
    Example:
      paretoken data list
    """
    from paretoken.answers.seam import to_json
    from paretoken.cli.data.data_tables import show_list
    from paretoken.cli.output import print_json
    from paretoken.points.contents import listed

    bundles = listed()
    if as_json:
        print_json([{**to_json(b.manifest), "rows_used": b.rows_used} for b in bundles])
    else:
        show_list(bundles)


@command.command("show")
@click.argument("name", type=BUNDLE)
@options.as_json
def show_(name: str, as_json: bool) -> None:
    """Show the origin of a bundle, and its rows by source, model, accelerator and engine.

    \b
    Example:
      paretoken data show shipped
    """
    from paretoken.answers.seam import to_json
    from paretoken.cli.data.data_tables import show_bundle
    from paretoken.cli.output import print_json
    from paretoken.points.bundles import bundle
    from paretoken.points.contents import contents

    manifest, rows = bundle(name).manifest, contents(name)
    if as_json:
        print_json({**to_json(manifest), "contents": [to_json(row) for row in rows]})
    else:
        show_bundle(manifest, rows)


@command.command("verify")
@click.argument("names", nargs=-1, type=BUNDLE, metavar="[NAME]…")
@options.as_json
def verify_(names: tuple[str, ...], as_json: bool) -> None:
    """Recompute the hashes of all bundles, or of those named, and check every row against the schema.

    \b
    Examples:
      paretoken data verify
      paretoken data verify shipped
    """
    from paretoken.cli.data.data_tables import show_verified
    from paretoken.cli.output import print_json
    from paretoken.points.contents import verified

    bundles = verified(names)
    if as_json:
        print_json([{"name": b.name, "rows": b.manifest.rows, "sha256": b.manifest.points_sha256} for b in bundles])
        return
    show_verified(bundles)


@command.command("update")
@click.argument("location", metavar="FILE|URL|DIR")
@click.option("--name", help="Name of the new bundle (default: its source and today's date).")
@click.option("--sha256", "expected", metavar="HASH", help="Install only if the input has this SHA-256.")
@click.option("--licence", help="Licence of the rows, if the input does not state it.")
@options.catalog_folders
@options.json_only
def update_(
    location: str,
    name: str | None,
    expected: str | None,
    licence: str | None,
    catalog_folders: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Install a new bundle from a file, an address or a folder.

    Reads the database dump of InferenceX (a folder, zip or tar), the JSON of its public API, the
    dashboard file of ROCm/ATOM, and every other format of 'paretoken import'. The new bundle is used
    beside the others at once. No bundle is ever edited; on an error nothing is installed.

    \b
    Examples:
      paretoken data update inferencex-dump.zip
      paretoken data update data.js --name atom-may
      paretoken data update https://example.com/points.parquet --sha256 2f1c…
    """
    from paretoken.answers.seam import to_json
    from paretoken.catalog.loader import load_catalog
    from paretoken.cli.data.data_tables import download_bar, show_installed
    from paretoken.cli.output import print_json
    from paretoken.points.install import install

    catalog = load_catalog(*catalog_folders)
    with download_bar(location) as on_progress:
        done = install(location, catalog, name=name, expected_sha256=expected, licence=licence, on_progress=on_progress)
    if as_json:
        print_json({**to_json(done.bundle.manifest), "new": done.new})
    else:
        show_installed(done)


@command.command("remove")
@click.argument("name", type=BUNDLE)
def remove_(name: str) -> None:
    """Delete an installed bundle.

    \b
    Example:
      paretoken data remove atom-may
    """
    from paretoken.points.bundles import remove

    remove(name)
    echo(f"removed {name}")


@command.command("diff")
@click.argument("before", type=BUNDLE)
@click.argument("after", type=BUNDLE)
@click.option("--study", default="amd-vs-nvidia", show_default=True, help="Study whose cells and latencies to compare.")
@options.catalog_folders
@options.as_json
def diff_(before: str, after: str, study: str, catalog_folders: tuple[Path, ...], as_json: bool) -> None:
    """Show which verdicts differ between two states of the data, and by whose software.

    BEFORE and AFTER are each a bundle, a day (all bundles as of it), or a file of points. A change of
    margin counts from 5 points.

    \b
    Examples:
      paretoken data diff 2026-02-01 2026-06-01
      paretoken data diff shipped mine.parquet --json
    """
    from paretoken.answers.data_diff import DataDiffQuestion, data_diff
    from paretoken.answers.seam import to_json
    from paretoken.cli.data.data_tables import show_diff
    from paretoken.cli.output import print_json

    answer = data_diff(DataDiffQuestion(before=before, after=after, study=study, catalog=catalog_folders))
    if as_json:
        print_json(to_json(answer))
    else:
        show_diff(answer)
