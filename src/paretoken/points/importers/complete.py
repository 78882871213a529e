"""Readings to a table: the user's words fill what the file leaves open, names become catalog ids."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.emulated import EMULATED, is_marked
from paretoken.errors import BadFile, BadRows, RowError, UnknownName
from paretoken.points.check import checked
from paretoken.points.importers.reading import LevelReading
from paretoken.points.naming import (
    NAMES,
    Values,
    agree,
    contradiction,
    option_of,
    registry_of,
    resolve,
    spellings,
)
from paretoken.points.schema import STORED
from paretoken.points.values import as_text, number

NEEDED = {
    "accelerator": "the accelerator",
    "model": "the model",
    "engine": "the engine",
    "isl": "the input length",
    "osl": "the output length",
    "load_kind": "the load",
    "n_gpus": "the number of GPUs",
}


@dataclass(frozen=True, slots=True)
class FileSource:
    """What holds for every row of one file; `places` maps its entries to lines or entries of the file."""

    file: str
    format: str
    origin: str
    places: list[int]


def table(
    readings: list[LevelReading], source: FileSource, catalog: Catalog, values: Values, *, keep_going: bool
) -> tuple[pl.DataFrame, list[RowError]]:
    """The operating points of the readings, checked, and an error for every entry that is not one."""
    rows: list[dict[str, object]] = []
    places: list[int] = []
    errors: list[RowError] = []
    _refuse_what_all_lack(readings, source.file, values)
    for reading in readings:
        place = source.places[reading.at - 1] if reading.at <= len(source.places) else reading.at
        try:
            row = _row(reading, source, catalog, values)
        except UnknownName as e:
            if not keep_going:
                raise
            hint = f"; did you mean {' or '.join(e.nearest)}?" if e.nearest else ""
            errors.append(RowError(source.file, place, e.kind, e.name, f"is not in the catalog{hint}"))
            continue
        if isinstance(row, str):
            errors.append(RowError(source.file, place, "entry", "", row))
            continue
        rows.append(row)
        places.append(place)
    frame = pl.DataFrame(rows, schema={c.name: pl.String for c in STORED})
    points, faults = checked(frame, source.file, keep_going=True)
    errors += [RowError(e.file, places[e.row - 1], e.column, e.value, e.why) for e in faults]
    errors.sort(key=lambda e: e.row)
    if errors and not keep_going:
        raise BadRows(errors)
    return points, errors


def _refuse_what_all_lack(readings: list[LevelReading], file: str, values: Values) -> None:
    """BadFile with one sentence for what no entry of the file states and the user did not give."""
    whole = [r for r in readings if not r.refused]
    if not whole:
        return
    always = set.intersection(*(set(_lacks(r, values)) for r in whole))
    lacking = [name for name in NEEDED if name in always]
    if lacking:
        words = _listed([NEEDED[name] for name in lacking], "or")
        raise BadFile(f"{file} does not state {words}; add {_listed([option_of(n) for n in lacking], 'and')}")


def _listed(words: list[str], last: str) -> str:
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _lacks(reading: LevelReading, values: Values) -> list[str]:
    stated = {k for k, v in {**reading.otherwise, **reading.stated, **values}.items() if v not in (None, "")}
    if stated & {"concurrency", "request_rate"}:
        stated.add("load_kind")
    needs_gpus = any(v is not None for v in reading.totals.values())
    return [name for name in NEEDED if name not in stated and (name != "n_gpus" or needs_gpus)]


def _row(reading: LevelReading, source: FileSource, catalog: Catalog, values: Values) -> dict[str, object] | str:
    """One row as text, or why there is none."""
    if reading.refused:
        return reading.refused
    if any(is_marked(reading.stated.get(name)) for name in ("model", "model_variant")):
        reading = replace(reading, stated={**reading.stated, "origin": EMULATED})
    lacking = _lacks(reading, values)
    if lacking:
        return f"does not state {NEEDED[lacking[0]]}; add {option_of(lacking[0])}"
    row: dict[str, object] = {
        "origin": source.origin,
        "source": source.format,
        "source_ref": Path(source.file).name,
        **_values(reading, source.file, values),
    }
    row.setdefault("load_kind", "open" if row.get("request_rate") is not None else "closed")
    row |= _named(reading, row, source.file, catalog, values)
    gpus = number(row.get("n_gpus"))
    for side, total in reading.totals.items():
        if total is not None:
            rate = number(total)
            row[f"{side}_tput_per_gpu_tok_s"] = total if rate is None or not gpus else rate / gpus
    return {name: as_text(name, value) for name, value in row.items()}


def _values(reading: LevelReading, file: str, values: Values) -> dict[str, object]:
    """Every column's value: the file's, else the user's, else the stand-in; the first two must agree."""
    row = {k: v for k, v in reading.stated.items() if v not in (None, "")}
    for name, value in values.items():
        if name in row and name not in (*NAMES, "notes") and not agree(row[name], value):
            raise contradiction(file, name, row[name], value)
        row[name] = value
    if reading.stated.get("notes") and values.get("notes"):
        row["notes"] = f"{values['notes']}; {reading.stated['notes']}"
    return {**reading.otherwise, **row}


def _named(
    reading: LevelReading, row: dict[str, object], file: str, catalog: Catalog, values: Values
) -> dict[str, object]:
    """Catalog ids for the three names; the file's own name of the model is kept as its variant."""
    ids: dict[str, object] = {}
    for name in NAMES:
        registry, stated = registry_of(catalog, name), reading.stated.get(name)
        named = next((registry.id_of(n) for n in spellings(str(stated)) if n in registry), None)
        if stated and named and name in values and named != values[name]:
            raise contradiction(file, name, stated, values[name])
        ids[name] = values.get(name) or named or resolve(registry, str(row[name]))
    if reading.stated.get("model") and not row.get("model_variant"):
        ids["model_variant"] = reading.stated["model"]
    return ids
