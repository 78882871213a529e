"""The calibration file: Parquet with one row for each effect, and all else as JSON under one key of its metadata.

The columns are `term`, `effect`, `group` and `value` (ln of a factor), sorted, so that the same calibration is the same
bytes. The metadata holds the version, what the calibration was made from, its intervals and its errors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NotRequired

import orjson
import polars as pl
from pydantic import Field
from typing_extensions import TypedDict

from paretoken.errors import BadFile, quoted
from paretoken.plain_files import as_type, read_bytes, read_parquet
from paretoken.predict.calibration.bands import COVERAGES, KINDS, SIDES, Bands
from paretoken.predict.calibration.effects import EffectKey, deviations
from paretoken.predict.calibration.novelty import Cell, SeenCase
from paretoken.predict.calibration.sample import OUTCOMES

CALIBRATION_VERSION = 6
"""Rises when terms, effects or base constants change their meaning: an older file then no longer fits."""
SHIPPED = Path(__file__).parent.parent / "data" / "calibration.parquet"
SMALLEST = 5e-4
"""Effects nearer to zero than this are left out: less than 0.05 %."""
HEADER = "paretoken_calibration"
"""The metadata key of the JSON."""
_TOML = b"calibration_version"
REMAKE = "recreate it with 'paretoken calibrate'"

LARGEST = 20.0
"""No effect and no error, ln of a factor, is as large."""
LogFactor = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Width = Annotated[float, Field(ge=0, le=LARGEST)]


class CellError(TypedDict):
    """Mean absolute errors of TPOT and throughput in one cell of the sample, as shares."""

    accelerator: str
    engine: str
    model: str
    precision: str
    points: int
    tpot: float
    throughput: float


class CalibrationErrors(TypedDict):
    """Errors in the sample by cell, and in cross-validation by split and outcome."""

    cells: list[CellError]
    splits: list[dict[str, object]]


class _Side(TypedDict):
    """One end of an interval, see `bands.Side`."""

    widths: dict[str, Width]
    groups: dict[str, LogFactor]
    quantiles: list[Width]


class _Pools(TypedDict):
    """What was learned of pooled cases, see `PoolCalibration`."""

    bands: dict[str, dict[str, list[list[LogFactor]]]]
    seen: dict[str, list[str]]
    errors: list[dict[str, object]]


class _Header(TypedDict):
    """What is read again of the metadata."""

    pools: NotRequired[_Pools]
    bands: dict[str, dict[str, _Side]]
    seen: list[tuple[str, str, str, str, list[tuple[str, str, bool, str, str, str, int]]]]
    made_from: dict[str, object]
    errors: CalibrationErrors


@dataclass(frozen=True, slots=True, eq=False)
class PoolCalibration:
    """What was learned of disaggregated cases besides the effects on them, whose terms begin with `pool_`.

    `bands` are the ends of intervals by the way in which a case is new and its group, `seen` the names learned from by
    that way (see `pools.intervals`), `errors` those of cross-validation.
    """

    bands: Mapping[str, Mapping[str, Sequence[Sequence[float]]]] = field(default_factory=dict)
    seen: Mapping[str, frozenset[str]] = field(default_factory=dict)
    errors: Sequence[Mapping[str, object]] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """The result of a fit.

    `bands` holds what intervals are made of, from cross-validation. `seen` are the cases learned from. `made_from` and
    `errors` are printed as they are. `pools` is of disaggregated serving.
    """

    effects: Mapping[EffectKey, float]
    bands: Bands
    seen: frozenset[SeenCase]
    made_from: Mapping[str, object]
    errors: CalibrationErrors
    pools: PoolCalibration = PoolCalibration()

    def document(self) -> dict[str, object]:
        """The whole content as plain values, effects by term, effect and group."""
        tables: dict[str, dict[str, dict[str, float]]] = {}
        for key, value in _rounded(self.effects):
            tables.setdefault(key.term, {}).setdefault(key.effect, {})[key.group] = value
        return {**_header(self), "effects": tables}


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write the file; the caller maps the OSError of a place that is not writable."""
    rows = [(*key, value) for key, value in _rounded(calibration.effects)]
    table = pl.DataFrame(
        rows,
        schema={"term": pl.String, "effect": pl.String, "group": pl.String, "value": pl.Float64},
        orient="row",
    )
    header = json.dumps(_header(calibration), ensure_ascii=False)
    table.write_parquet(path, compression="zstd", row_group_size=max(len(rows), 1), metadata={HEADER: header})


def read_calibration(path: Path) -> Calibration:
    """Read a file; BadFile if it is missing, not a calibration, of another version, or has unknown effects."""
    header, table = _read(path)
    version = header.get("calibration_version")
    if version != CALIBRATION_VERSION:
        raise BadFile(
            f"calibration {path} has version {quoted(version)}, this program reads {CALIBRATION_VERSION}; {REMAKE}"
        )
    _require_known_effects(table, path)
    columns = (table[name].to_list() for name in ("term", "effect", "group", "value"))
    fields = as_type(_Header, header, f"calibration {path}", REMAKE)
    _require_bands(fields["bands"], path)
    return Calibration(
        {EffectKey(term, effect, group): value for term, effect, group, value in zip(*columns, strict=True)},
        fields["bands"],
        frozenset(SeenCase(a, e, m, p, *rest) for a, e, m, p, cases in fields["seen"] for rest in cases),
        fields["made_from"],
        fields["errors"],
        _pools(fields["pools"]) if "pools" in fields else PoolCalibration(),
    )


def _pools(fields: _Pools) -> PoolCalibration:
    return PoolCalibration(
        fields["bands"], {kind: frozenset(names) for kind, names in fields["seen"].items()}, fields["errors"]
    )


def _read(path: Path) -> tuple[dict[str, Any], pl.DataFrame]:
    """The header and the table of effects of a file."""
    data = read_bytes(path, "calibration")
    if data.startswith(_TOML):
        raise BadFile(f"calibration {path} is TOML, the format of paretoken 0.1; {REMAKE}")
    try:
        whole, metadata = read_parquet(data, str(path))
        header = orjson.loads(metadata[HEADER])
        table = whole.select(pl.col("term", "effect", "group").cast(pl.String), pl.col("value").cast(pl.Float64))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, BadFile, KeyError, ValueError) as e:
        raise BadFile(f"{path} is not a calibration file; {REMAKE}") from e
    in_range = table["value"].is_finite().all() and not (table["value"].abs() > LARGEST).any()
    if not isinstance(header, dict) or not in_range or any(column.has_nulls() for column in table):
        raise BadFile(f"calibration {path} is not complete; {REMAKE}")
    return header, table


def _require_known_effects(table: pl.DataFrame, path: Path) -> None:
    expected = {(term, effect) for term, deviation in deviations().items() for effect in deviation}
    for term, effect in table.select("term", "effect").unique(maintain_order=True).iter_rows():
        if (term, effect) not in expected:
            raise BadFile(f"calibration {path} has an unknown effect {quoted(effect)} on {quoted(term)}; {REMAKE}")


def _require_bands(bands: Mapping[str, Mapping[str, _Side]], path: Path) -> None:
    sides = [bands.get(outcome, {}).get(side) for outcome in OUTCOMES for side in SIDES]
    if not all(s and s["widths"].keys() == set(KINDS) and len(s["quantiles"]) == len(COVERAGES) for s in sides):
        raise BadFile(f"calibration {path} is not complete; {REMAKE}")


def _rounded(effects: Mapping[EffectKey, float]) -> list[tuple[EffectKey, float]]:
    """The effects that a file holds, sorted."""
    return sorted((key, round(value, 4)) for key, value in effects.items() if abs(value) >= SMALLEST)


def _header(calibration: Calibration) -> dict[str, object]:
    """All but the effects, as plain values."""
    return {
        "calibration_version": CALIBRATION_VERSION,
        "made_from": dict(calibration.made_from),
        "errors": calibration.errors,
        "bands": calibration.bands,
        "seen": _seen_by_cell(calibration.seen),
        "pools": {
            "bands": calibration.pools.bands,
            "seen": {kind: sorted(names) for kind, names in calibration.pools.seen.items()},
            "errors": list(calibration.pools.errors),
        },
    }


def _seen_by_cell(seen: frozenset[SeenCase]) -> list[list[object]]:
    """The cases learned from, each cell once with what its cases differ in."""
    cells: dict[Cell, list[list[object]]] = {}
    for case in sorted(seen):
        cells.setdefault(case.cell, []).append(list(case[len(case.cell) :]))
    return [[*cell, cases] for cell, cases in cells.items()]


@cache
def shipped_calibration() -> Calibration:
    """The calibration that comes with the package."""
    return read_calibration(SHIPPED)
