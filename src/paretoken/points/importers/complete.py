"""Readings to a table: the user's words fill what the file leaves open, names become catalog ids."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import polars as pl

from paretoken.catalog.loader import Catalog, Registry
from paretoken.errors import BadConfig, BadFile, BadRows, RowError, UnknownName, nearest
from paretoken.points.check import checked
from paretoken.points.importers.reading import Reading, as_text, number
from paretoken.points.schema import BY_NAME, STORED

Given = Mapping[str, str | int | float]
NEEDED = {
    "accelerator": "the accelerator",
    "model": "the model",
    "engine": "the engine",
    "isl": "the input length",
    "osl": "the output length",
    "load_kind": "the load",
    "n_gpus": "the number of GPUs",
}
SLIP = 0.85
_NAMES = ("accelerator", "model", "engine")
_QUANTISED = re.compile(r"[-_](fp8|(nv|mx)?fp4|int4|bf16|awq|gptq|w4a16|kv|dynamic|preview|v\d)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """What holds for every row of one file; `places` maps its entries to lines or entries of the file."""

    file: str
    format: str
    origin: str
    places: list[int]


def check_given(given: Given, catalog: Catalog) -> dict[str, Any]:
    """The values the user gave, names as catalog ids; BadConfig for a key that is no stored column."""
    known = [c.name for c in STORED]
    for name in given:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near[0]!r}?" if near else "see docs/schema.md for the columns"
            raise BadConfig(f"no column is called {name!r}; {hint}")
    told = {name: value for name, value in given.items() if value is not None and value != ""}
    return told | {name: _shelf(catalog, name).id_of(str(told[name])) for name in _NAMES if name in told}


def table(
    readings: list[Reading], source: Source, catalog: Catalog, given: dict[str, Any], *, keep_going: bool
) -> tuple[pl.DataFrame, list[RowError]]:
    """The operating points of the readings, checked, and an error for every entry that is not one."""
    rows: list[dict[str, Any]] = []
    places: list[int] = []
    errors: list[RowError] = []
    _say_what_all_lack(readings, source.file, given)
    for reading in readings:
        place = source.places[reading.at - 1] if reading.at <= len(source.places) else reading.at
        try:
            found = _row(reading, source, catalog, given)
        except UnknownName as e:
            if not keep_going:
                raise
            hint = f"; did you mean {' or '.join(e.nearest)}?" if e.nearest else ""
            errors.append(RowError(source.file, place, e.kind, e.name, f"is not in the catalog{hint}"))
            continue
        if isinstance(found, str):
            errors.append(RowError(source.file, place, "entry", "", found))
            continue
        rows.append(found)
        places.append(place)
    frame = pl.DataFrame(rows, schema={c.name: pl.String for c in STORED})
    points, faults = checked(frame, source.file, keep_going=True)
    errors += [RowError(e.file, places[e.row - 1], e.column, e.value, e.why) for e in faults]
    errors.sort(key=lambda e: e.row)
    if errors and not keep_going:
        raise BadRows(errors)
    return points, errors


def _say_what_all_lack(readings: list[Reading], file: str, given: dict[str, Any]) -> None:
    """BadFile with one sentence for what no entry of the file states and the user did not give."""
    whole = [r for r in readings if not r.refused]
    if not whole:
        return
    always = set.intersection(*(set(_lacks(r, given)) for r in whole))
    lacking = [name for name in NEEDED if name in always]
    if lacking:
        words = _listed([NEEDED[name] for name in lacking], "or")
        raise BadFile(f"{file} does not say {words}; give {_listed([_option(n) for n in lacking], 'and')}")


def _option(name: str) -> str:
    # A kind of load is told by its figure: users make a closed loop.
    return "--concurrency" if name == "load_kind" else f"--{name.replace('_', '-')}"


def _listed(words: list[str], last: str) -> str:
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _lacks(reading: Reading, given: dict[str, Any]) -> list[str]:
    known = {k for k, v in {**reading.otherwise, **reading.stated, **given}.items() if v not in (None, "")}
    if known & {"concurrency", "request_rate"}:
        known.add("load_kind")
    needs_gpus = any(v is not None for v in reading.totals.values())
    return [name for name in NEEDED if name not in known and (name != "n_gpus" or needs_gpus)]


def _row(reading: Reading, source: Source, catalog: Catalog, given: dict[str, Any]) -> dict[str, Any] | str:
    """One row as text, or why there is none."""
    if reading.refused:
        return reading.refused
    lacking = _lacks(reading, given)
    if lacking:
        return f"does not say {NEEDED[lacking[0]]}; give {_option(lacking[0])}"
    row: dict[str, Any] = {
        "origin": source.origin,
        "source": source.format,
        "source_ref": Path(source.file).name,
        **_told(reading, source.file, given),
    }
    row.setdefault("load_kind", "open" if row.get("request_rate") is not None else "closed")
    row |= _named(reading, row, source.file, catalog, given)
    gpus = number(row.get("n_gpus"))
    for side, total in reading.totals.items():
        if total is not None:
            rate = number(total)
            row[f"{side}_tput_per_gpu_tok_s"] = total if rate is None or not gpus else rate / gpus
    return {name: as_text(name, value) for name, value in row.items()}


def _told(reading: Reading, file: str, given: dict[str, Any]) -> dict[str, Any]:
    """Every column's value: the file's, else the user's, else the stand-in; the first two must agree."""
    row = {k: v for k, v in reading.stated.items() if v not in (None, "")}
    for name, value in given.items():
        if name in row and name not in (*_NAMES, "notes") and not _same(row[name], value):
            raise _contradiction(file, name, row[name], value)
        row[name] = value
    if reading.stated.get("notes") and given.get("notes"):
        row["notes"] = f"{given['notes']}; {reading.stated['notes']}"
    return {**reading.otherwise, **row}


def _contradiction(file: str, name: str, stated: Any, given: Any) -> BadConfig:
    option = _option(name)
    return BadConfig(
        f"{file} says {name} is {as_text(name, stated)}, but {option} {given} was given; leave {option} out"
    )


def _same(stated: Any, given: Any) -> bool:
    left, right = number(stated), number(given)
    if left is not None and right is not None:
        return left == right
    return str(stated).strip().casefold() == str(given).strip().casefold()


def _named(reading: Reading, row: dict[str, Any], file: str, catalog: Catalog, given: dict[str, Any]) -> dict[str, Any]:
    """Catalog ids for the three names; the file's own name of the model is kept as its variant."""
    ids = {}
    for name in _NAMES:
        shelf, stated = _shelf(catalog, name), reading.stated.get(name)
        known = next((shelf.id_of(n) for n in _spellings(str(stated)) if n in shelf), None)
        if stated and known and name in given and known != given[name]:
            raise _contradiction(file, name, stated, given[name])
        ids[name] = given.get(name) or known or _resolve(shelf, str(row[name]))
    if reading.stated.get("model") and not row.get("model_variant"):
        ids["model_variant"] = reading.stated["model"]
    return ids


def _shelf(catalog: Catalog, name: str) -> Registry[Any]:
    return {"accelerator": catalog.accelerators, "model": catalog.models, "engine": catalog.engines}[name]


def _meant(shelf: Registry[Any], name: str) -> bool:
    """Whether a name is one of the catalog, or so near to one that it is meant to be."""
    return any(get_close_matches(n.casefold(), shelf.index, n=1, cutoff=SLIP) for n in _spellings(name))


def _resolve(shelf: Registry[Any], name: str) -> str:
    return shelf.id_of(next((n for n in _spellings(name) if n in shelf), name))


def _spellings(name: str) -> list[str]:
    """The name, its last path part, and that without the marks of a quantised copy."""
    short = name.rstrip("/").rsplit("/", 1)[-1]
    names = [name, short]
    while (shorter := _QUANTISED.sub("", names[-1])) != names[-1]:
        names.append(shorter)
    return names


def fill(points: pl.DataFrame, file: str, catalog: Catalog, given: dict[str, Any]) -> pl.DataFrame:
    """Points of this project's own schema with catalog ids, and the empty cells of given columns filled.

    A measured point may be of a machine or a model that no catalog holds: its name stays as it is, unless
    it looks like a slip of the pen in a known one.
    """
    measured = pl.col("origin") == "measured"
    for name in _NAMES:
        shelf = _shelf(catalog, name)
        own = set(points.filter(measured)[name]) - set(points.filter(~measured)[name])
        ids = {v: _resolve(shelf, v) for v in points[name].unique() if v not in own or _meant(shelf, v)}
        points = points.with_columns(pl.col(name).replace(ids))
    for name, value in given.items():
        other = next((v for v in points[name].drop_nulls().unique().to_list() if not _same(v, value)), None)
        if other is not None:
            raise _contradiction(file, name, other, value)
        typed = pl.Series([as_text(name, value)]).cast(BY_NAME[name].dtype, strict=False)[0]
        if typed is None:
            raise BadConfig(f"{_option(name)} {value!r} is not of the type {BY_NAME[name].kind}")
        points = points.with_columns(pl.col(name).fill_null(pl.lit(typed, dtype=BY_NAME[name].dtype)))
    return points
