"""Readings to a table: the user's words fill what the file leaves open, names become catalog ids."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.catalog.names import precision_of
from paretoken.emulated import EMULATED, is_marked
from paretoken.errors import ENTRY, BadFile, BadRows, RowError, UnknownName
from paretoken.foreign_text import visible
from paretoken.plural import counted
from paretoken.points.check import checked
from paretoken.points.importers.counts import (
    attempts,
    columns,
    failed_requests,
    limited_users,
    refusal,
    throughputs,
)
from paretoken.points.importers.reading import LevelReading, failures, joined, nominal
from paretoken.points.naming import NAMES, Values, agree, contradiction, option_of, registry_of
from paretoken.points.schema import BY_NAME, STORED
from paretoken.points.server_config import ACTIVE
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

LONGEST_TEXT = 1000
"""Characters of a note or a name that are kept."""
STATISTICAL = tuple(c.name for c in STORED if c.rule == "positive" and c.name.endswith(("_s", "_w", "_token")))
"""Columns of throughput, latency and energy."""


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
            errors.append(RowError(source.file, place, e.kind, e.name, e.reason))
            continue
        if isinstance(row, str):
            errors.append(RowError(source.file, place, ENTRY, "", row))
            continue
        rows.append(row)
        places.append(place)
    frame = pl.DataFrame(rows, schema={c.name: pl.String for c in STORED})
    points, faults = checked(frame, source.file, keep_going=True)
    errors += [RowError(e.file, places[e.row - 1], e.column, e.value, e.why) for e in faults]
    errors.sort(key=lambda e: e.row)
    if errors and not keep_going:
        raise BadRows(errors) if places else BadRows(errors, remedy="the file holds no operating point")
    return points, errors


def _refuse_what_all_lack(readings: list[LevelReading], file: str, values: Values) -> None:
    """BadFile with one sentence for what no entry of the file states and the user did not give."""
    whole = [r for r in readings if not _refused(r)]
    if not whole:
        return
    always = set.intersection(*(set(_lacks(r, values)) for r in whole))
    lacking = [name for name in NEEDED if name in always]
    if lacking:
        words = _listed([NEEDED[name] for name in lacking], "or")
        raise BadFile(f"{file} does not state {words}; add {_listed([option_of(n) for n in lacking], 'and')}")


def _listed(words: list[str], last: str) -> str:
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _refused(reading: LevelReading) -> str:
    return reading.refused or refusal(reading.counts)


def _stand_ins(reading: LevelReading) -> dict[str, object]:
    """What stands in for a column that neither the file nor the user states.

    Nominal lengths are the rounded mean ones. A model's name that ends in `-FP8` or `-AWQ` states the precision of its
    weights. Who accepts more than one token a step drafts them.
    """
    means = {**columns(reading.counts), **reading.stated}
    named = precision_of(str(reading.stated.get("model") or reading.stated.get("model_variant") or ""))
    accepted = number(reading.stated.get("acceptance_length")) or 0
    drafts = {"speculative": ACTIVE} if accepted > 1 else {}
    return {**nominal(means), **({"precision": named} if named else {}), **drafts, **reading.otherwise}


def _lacks(reading: LevelReading, values: Values) -> list[str]:
    every = {**_stand_ins(reading), **reading.stated, **values}
    present = {k for k, v in every.items() if v not in (None, "")}
    if present & {"concurrency", "request_rate"}:
        present.add("load_kind")
    needs_gpus = bool(throughputs(reading.totals, reading.counts)[0])
    return [name for name in NEEDED if name not in present and (name != "n_gpus" or needs_gpus)]


def _row(reading: LevelReading, source: FileSource, catalog: Catalog, values: Values) -> dict[str, object] | str:
    """One row as text, or why there is none."""
    if refused := _refused(reading):
        return refused
    reading = _with_failures(reading)
    if any(is_marked(reading.stated.get(name)) for name in ("model", "model_variant")):
        reading = replace(reading, stated={**reading.stated, "origin": EMULATED})
    lacking = _lacks(reading, values)
    if lacking:
        words = _listed([NEEDED[name] for name in lacking], "or")
        return f"does not state {words}; add {_listed([option_of(name) for name in lacking], 'and')}"
    row: dict[str, object] = {
        "origin": source.origin,
        "source": source.format,
        "source_ref": Path(source.file).name,
        **_values(reading, source.file, values),
    }
    row.setdefault("load_kind", "open" if row.get("request_rate") is not None else "closed")
    row |= _named(reading, row, source.file, catalog, values)
    sides, corrected = throughputs(reading.totals, reading.counts)
    gpus = number(row.get("n_gpus"))
    for side, total in sides.items():
        rate = number(total)
        row[f"{side}_tput_per_gpu_tok_s"] = total if rate is None or not gpus else rate / gpus
    row["notes"] = joined(row.get("notes"), *corrected, *_limit_users(row, reading), *_leave_out(row))
    return {name: _stored(name, as_text(name, value)) for name, value in row.items()}


def _stored(column: str, text: str | None) -> str | None:
    """The text of a value; words of a stranger visible and of bounded length."""
    return text if text is None or BY_NAME[column].kind != "str" else visible(text[:LONGEST_TEXT])


def _with_failures(reading: LevelReading) -> LevelReading:
    """The reading with a note on failed requests, where the importer has none."""
    note, notes = failures(failed_requests(reading.counts), attempts(reading.counts)), reading.stated.get("notes")
    if not note or note in str(notes):
        return reading
    return replace(reading, stated={**reading.stated, "notes": joined(note, notes)})


def _limit_users(row: dict[str, object], reading: LevelReading) -> list[str]:
    """Lower the concurrency to the requests where these are fewer, and say so."""
    users = row.get("concurrency")
    limit = limited_users(users, reading.counts) if row["load_kind"] == "closed" else None
    if limit is None:
        return []
    row["concurrency"] = limit
    return [
        f"{counted(limit, 'request')} for {counted(number(users) or 0, 'user')}: no more than {limit:.0f} ran at once"
    ]


def _leave_out(row: dict[str, object]) -> list[str]:
    """Remove statistics of 0 or of no number, which clients write where they have none, and name them."""
    empty = [name for name in STATISTICAL if name in row and _is_empty(row[name])]
    for name in empty:
        del row[name]
    return [f"left out, being 0 or no number: {', '.join(empty)}"] if empty else []


def _is_empty(value: object) -> bool:
    """Whether a value is a number that is 0 or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    try:
        figure = float(value)
    except (ValueError, OverflowError):
        return False
    return figure == 0 or not isfinite(figure)


def _values(reading: LevelReading, file: str, values: Values) -> dict[str, object]:
    """Every column's value: the file's, else the user's, else the stand-in; the first two must agree."""
    row = {k: v for k, v in {**columns(reading.counts), **reading.stated}.items() if v not in (None, "")}
    for name, value in values.items():
        if name in row and name not in (*NAMES, "notes") and not agree(row[name], value):
            raise contradiction(file, name, row[name], value)
        row[name] = value
    if reading.stated.get("notes") and values.get("notes"):
        row["notes"] = f"{values['notes']}; {reading.stated['notes']}"
    return {**_stand_ins(reading), **row}


def _named(
    reading: LevelReading, row: dict[str, object], file: str, catalog: Catalog, values: Values
) -> dict[str, object]:
    """Catalog ids for the three names; the file's own name of the model is kept as its variant."""
    ids: dict[str, object] = {}
    for name in NAMES:
        registry, stated = registry_of(catalog, name), reading.stated.get(name)
        in_catalog = registry.find(str(stated)) if stated else None
        if in_catalog and name in values and in_catalog != values[name]:
            raise contradiction(file, name, stated, values[name])
        ids[name] = values.get(name) or in_catalog or registry.id_or_new(str(row[name]))
    if reading.stated.get("model") and not row.get("model_variant"):
        ids["model_variant"] = reading.stated["model"]
    return ids
