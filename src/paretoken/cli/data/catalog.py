"""`paretoken catalog`: the accelerators, models, engines, workloads and prices that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.cli import options
from paretoken.cli.names import CatalogKind, NameOfKind

if TYPE_CHECKING:
    from paretoken.catalog.entries import Entry
    from paretoken.catalog.loader import Catalog, Registry

JsonEntry = Mapping[str, object]

COLUMNS = {
    "accelerators": (
        "vendor",
        "hbm_gib",
        "hbm_tb_per_s",
        "bf16_tflops",
        "fp8_tflops",
        "fp4_tflops",
        "tdp_w",
        "first_shipping",
    ),
    "models": (
        "name",
        "kind",
        "attention",
        "params_total_b",
        "params_active_b",
        "layers",
        "hidden_size",
        "max_context",
    ),
    "engines": ("name", "core", "disaggregated", "maker"),
    "workloads": ("name", "isl", "osl", "task"),
    "session_workloads": ("name", "turns", "calls", "opening_tokens", "context", "task"),
    "tco": ("name", "date", "tiers"),
}
TITLES = {"tco": "TCO sets", "session_workloads": "Workloads of sessions, median turns and calls of a turn"}
BESIDE = {"workloads": ("session_workloads",)}
"""Further registries of a kind, with a table of their own."""
SPARE = {"models": ("name", "hidden_size", "layers", "attention")}


@click.command("catalog")
@click.argument("kind", required=False, type=CatalogKind())
@click.argument("name", required=False, type=NameOfKind())
@options.catalog_folders
@options.as_json
def command(kind: str | None, name: str | None, catalog_folders: tuple[Path, ...], as_json: bool) -> None:
    """List accelerators, models, engines, workloads and TCO sets of the catalog.

    \b
    Examples:
      paretoken catalog
      paretoken catalog accelerators
      paretoken catalog models llama-3.3-70b --json
    """
    from paretoken.catalog.entries import KINDS
    from paretoken.catalog.loader import load_catalog
    from paretoken.cli.output import print_json
    from paretoken.errors import UnknownName

    catalog = load_catalog(*catalog_folders)
    if kind is None:
        _show_kinds({k: [key for r in _registries(catalog, k).values() for key in r] for k in KINDS}, as_json)
        return
    if kind not in KINDS:
        raise UnknownName("kind of catalog entry", kind, list(KINDS))
    registries = _registries(catalog, kind)
    if name is None:
        tables = {of: _entries(registry) for of, registry in registries.items()}
        if as_json:
            print_json({key: entry for entries in tables.values() for key, entry in entries.items()})
            return
        for of, entries in tables.items():
            _show_kind(of, entries)
        return
    registry = next((r for r in registries.values() if name in r), None)
    if registry is None:
        if len(registries) > 1:
            raise UnknownName(kind.removesuffix("s"), name, [key for r in registries.values() for key in r])
        registry = registries[kind]
    entry = {"id": registry.id_of(name), **registry[name].model_dump(mode="json", exclude_none=True)}
    if as_json:
        print_json(entry)
    elif registry is catalog.session_workloads:
        from paretoken.cli.data.workload_tables import print_workload

        print_workload(entry["id"], catalog.session_workloads[name])
    else:
        _show_entry(entry)


def _registries(catalog: Catalog, kind: str) -> dict[str, Registry[Entry]]:
    return {of: getattr(catalog, of) for of in (kind, *BESIDE.get(kind, ()))}


def _entries(registry: Registry[Entry]) -> dict[str, JsonEntry]:
    return {k: e.model_dump(mode="json", exclude_none=True) for k, e in registry.items()}


def _show_kinds(ids: dict[str, list[str]], as_json: bool) -> None:
    from paretoken.cli.output import print_json, print_table

    if as_json:
        print_json(ids)
    else:
        print_table("Catalog", ("kind", "entries"), [(k, ", ".join(v)) for k, v in ids.items()])


def _show_kind(kind: str, entries: Mapping[str, JsonEntry]) -> None:
    from paretoken.cli.output import print_table

    rows = [(k, *(_cell(e.get(c)) for c in COLUMNS[kind])) for k, e in entries.items()]
    print_table(TITLES.get(kind, kind.capitalize()), ("id", *COLUMNS[kind]), rows, spare=SPARE.get(kind, ()))


def _show_entry(entry: JsonEntry) -> None:
    from paretoken.cli.output import print_table

    print_table(
        str(entry["id"]), ("key", "value"), [(k, _cell(v)) for k, v in entry.items() if v not in ("", [], None)]
    )


def _cell(value: object) -> object:
    if isinstance(value, dict) and "least" in value:
        return value.get("p50", value["least"])
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" if not isinstance(v, dict) else k for k, v in value.items())
    if isinstance(value, list):
        return ", ".join(str(v["name"] if isinstance(v, dict) and "name" in v else v) for v in value)
    return value
