"""Many predictions at once: a CSV of configurations in, the same rows with their figures out."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from paretoken.catalog.hf.lookup import catalog_with_model
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.csv_cells import quoted, unquoted
from paretoken.errors import BadConfig, BadFile, ParetokenError, nearest, shown
from paretoken.plain_files import read_bytes
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.capacity import require_room
from paretoken.predict.configure import check_count, checked, configured, replicated
from paretoken.predict.deployment import Case, Deployment, Lengths, check_day, check_lengths, check_released
from paretoken.predict.memory import MemoryParts, memory_parts
from paretoken.predict.predictor import predict_cases
from paretoken.predict.request import LENGTH_RANGE_RATIO, DeploymentRequest
from paretoken.predict.rows import RESULTS, result_rows
from paretoken.predict.settings import (
    DEFAULT,
    MAX_COUNT,
    OTHER_NAMES,
    EngineSettings,
    SettingField,
    kv_tokens_in,
    setting_fields,
)

K = TypeVar("K")
V = TypeVar("V")

REQUIRED = ("accelerator", "n_gpus", "model", "precision", "engine", "tp", "ep", "isl", "osl", "concurrency")
SETTING_COLUMNS = {name: s for s in setting_fields() for name in (*OTHER_NAMES.get(s.name, ()), s.name)}
"""Settings of the engine, by every name that their column may have."""
SPECULATION = ("speculative", "speculative_tokens", "acceptance_length", "draft_model")
POOL_COLUMNS = (
    *("prefill_workers", "prefill_tp", "prefill_ep", "prefill_dp_attention", "decode_workers"),
    *("prefill_gpus", "decode_gpus"),
)
"""Columns of a disaggregated row (see `pools.csvrows`), whose `tp`, `ep` and `dp_attention` are of the decode pool."""
OPTIONAL = ("date", "dp_attention", *SPECULATION, "length_range_ratio", "pp", *SETTING_COLUMNS, *POOL_COLUMNS)
_LOAD_COLUMNS = ("isl", "osl", "concurrency", "length_range_ratio")
_DEPLOYMENT_COLUMNS = tuple(name for name in (*REQUIRED, *OPTIONAL) if name not in _LOAD_COLUMNS)
FIGURES = tuple(f"{name}{suffix}" for name in RESULTS for suffix in ("", "_lo", "_hi"))
ANSWERS = (*FIGURES, "status")
FigureRow = dict[str, float | str | None]
"""The figures of a row under their column names, and its `status`."""
MISSPELT = 0.85
"""Similarity at which a name counts as a misspelling of another: two letters swapped, or a missing plural s."""
_MONTH = re.compile(r"^([0-9]{4}-[0-9]{2})$")
_TRUE, _FALSE = {"1", "true", "yes", "y"}, {"", "0", "false", "no", "n", "none", "null"}


def read_rows(source: Path) -> list[dict[str, str]]:
    """The rows of a CSV of configurations; BadFile if it cannot be read or lacks a column.

    A file of predictions can be read again: its predicted columns are dropped. If it has only some of them, they are
    the user's own and are kept as `given_…`.
    """
    try:
        reader = csv.DictReader(io.StringIO(read_bytes(source).decode("utf-8-sig"), newline=""))
        names = list(reader.fieldnames or [])
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise BadFile(f"{source} has the column {shown(repeated)!r} twice; rename one")
        rows = [_cells(row, source, reader.line_num) for row in reader]
    except (UnicodeDecodeError, csv.Error) as e:
        raise BadFile(f"{source} is not a CSV file: {e}") from e
    for name in REQUIRED:
        if name not in names:
            hint = nearest(name, names)
            near = f"; did you mean the column {hint[0]!r}?" if hint else "."
            raise BadFile(f"{source} has no column {shown(name)!r}{near} Required: {', '.join(REQUIRED)}")
    _refuse_near_names(source, names)
    if set(ANSWERS) <= set(names):
        return [{k: v for k, v in row.items() if k not in ANSWERS} for row in rows]
    return [{f"given_{k}" if k in ANSWERS else k: v for k, v in row.items()} for row in rows]


def _refuse_near_names(source: Path, names: Sequence[str]) -> None:
    """BadFile for a misspelling of an optional column, which would be ignored silently."""
    for name in names:
        word = name.strip().lower().replace("-", "_").replace(" ", "_")
        if name in (*REQUIRED, *OPTIONAL, *ANSWERS):
            continue
        if near := get_close_matches(word, [n for n in OPTIONAL if len(n) > 2], n=1, cutoff=MISSPELT):
            raise BadFile(
                f"{source} has the column {shown(name)!r}, which is not read; did you mean {near[0]!r}? "
                "If it is your own, give it another name"
            )


def _cells(row: dict[str | None, Any], source: Path, line: int) -> dict[str, str]:
    """The cells of a row by their column; BadFile if it has more cells than there are columns."""
    if None in row:
        raise BadFile(f"{source}, line {line}, has more cells than the header; quote cells that hold a comma")
    return {str(k): unquoted(v or "") for k, v in row.items()}


def write_rows(rows: Sequence[Mapping[str, str]], figures: Iterable[FigureRow], target: Path) -> None:
    """Write every row with its figures, in order. OSError if the file cannot be written."""
    names = list(dict.fromkeys([*(rows[0] if rows else REQUIRED), *ANSWERS]))
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for row, values in zip(rows, figures, strict=True):
            figures_of_row = {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in values.items()}
            writer.writerow({k: quoted(v) if v else v for k, v in {**row, **figures_of_row}.items()})


def predict_rows(
    rows: Iterable[Mapping[str, str]], *, calibration: Calibration | None = None, catalog: Catalog | None = None
) -> list[FigureRow]:
    """The figures and the status of every row: ok, or one sentence that says why its figures are None."""
    reader = CaseReader(catalog or load_catalog())
    return figures_by_catalog(
        rows,
        reader,
        lambda row, _: reader.case(row),
        lambda cases, of: result_rows(predict_cases(cases, calibration=calibration, catalog=of)),
    )


def figures_by_catalog(
    rows: Iterable[Mapping[str, str]],
    reader: CaseReader,
    case_of: Callable[[Mapping[str, str], Catalog], V],
    predict: Callable[[Sequence[V], Catalog], Sequence[Mapping[str, float | None]]],
) -> list[FigureRow]:
    """The figures and the status of every row, whose cases are predicted together for each catalog that `reader` uses.

    A row whose case cannot be made has the error as its status.
    """
    figures: list[FigureRow] = []
    by_catalog: dict[int, tuple[Catalog, list[tuple[int, V]]]] = {}
    for n, row in enumerate(rows):
        figures.append({**dict.fromkeys(FIGURES), "status": "ok"})
        try:
            with_model, _ = reader.model(row)
            case = case_of(row, with_model)
        except ParetokenError as e:
            figures[n]["status"] = str(e)
        else:
            by_catalog.setdefault(id(with_model), (with_model, []))[1].append((n, case))
    for with_model, cases in by_catalog.values():
        for (n, _), values in zip(cases, predict([case for _, case in cases], with_model), strict=True):
            figures[n] |= values
    return figures


class _Served(NamedTuple):
    """A deployment that fits, its replicas, its memory, and whether its date is a period."""

    deployment: Deployment
    replicas: int
    parts: MemoryParts
    period: bool


@dataclass(slots=True)
class CaseReader:
    """Rows as cases. Each model and each deployment is looked up and checked once, or its error is kept.

    `models` has, for each model of the rows, a catalog that holds it and its id there.
    """

    catalog: Catalog
    models: dict[str, tuple[Catalog, str] | ParetokenError] = field(default_factory=dict)
    deployments: dict[tuple[str | None, ...], _Served | ParetokenError] = field(default_factory=dict)

    def case(self, row: Mapping[str, str]) -> Case:
        """The case of a row; `replicated` decides what GPUs beyond TP x PP are. Raises UnknownName, BadConfig."""
        catalog, _ = self.model(row)
        d, replicas, parts, period = self._served(row)
        ratio = _number(row, "length_range_ratio", LENGTH_RANGE_RATIO)
        lengths = Lengths(_whole(row, "isl", None), _whole(row, "osl", None), ratio)
        users = _number(row, "concurrency", None)
        check_count("concurrency", users)
        check_lengths(d, lengths, catalog)
        require_room(d, lengths, catalog, parts)
        return Case(deployment=d, lengths=lengths, concurrency=users, period=period, replicas=replicas)

    def model(self, row: Mapping[str, str]) -> tuple[Catalog, str]:
        """A catalog that has the model of a row, and its id there."""
        text = row["model"]
        return _cached(self.models, text, lambda: catalog_with_model(self.catalog, text))

    def _served(self, row: Mapping[str, str]) -> _Served:
        catalog, model = self.model(row)
        key = tuple(map(row.get, _DEPLOYMENT_COLUMNS))
        return _cached(self.deployments, key, lambda: _served({**row, "model": model}, catalog))


def _cached(cache: dict[K, V | ParetokenError], key: K, compute: Callable[[], V]) -> V:
    """The value of a key, computed once; its error is raised each time."""
    if key not in cache:
        try:
            cache[key] = compute()
        except ParetokenError as e:
            cache[key] = e
    value = cache[key]
    if isinstance(value, ParetokenError):
        raise value
    return value


def _served(row: Mapping[str, str], catalog: Catalog) -> _Served:
    gpus, tp = (_whole(row, name, None) if row[name].strip() else None for name in ("n_gpus", "tp"))
    days = _days(row)
    period = len(days) > 1
    deployment, replicas = replicated(
        configured(
            DeploymentRequest(
                accelerator=row["accelerator"],
                model=row["model"],
                engine=row["engine"],
                precision=row["precision"].strip(),
                gpus=gpus,
                tp=tp,
                ep=_whole(row, "ep", 1) or 1,
                pp=_whole(row, "pp", 1),
                dp_attention=_flag(row, "dp_attention"),
                speculative=row.get("speculative") or "none",
                speculative_tokens=_whole(row, "speculative_tokens", None)
                if _text(row, "speculative_tokens")
                else None,
                acceptance_length=_number(row, "acceptance_length", None) if _text(row, "acceptance_length") else None,
                draft_model=_text(row, "draft_model"),
                date=days[0] if len(days) == 1 else None,
                settings=_settings(row),
            ),
            catalog,
        ),
        catalog,
    )
    d = checked(deployment, catalog, replicas)
    if period:
        check_released(d, days[0], catalog)
    return _Served(d, replicas, memory_parts(d, catalog), period)


def _text(row: Mapping[str, str], name: str) -> str:
    """What a column states; "" without the column."""
    return (row.get(name) or "").strip()


def _days(row: Mapping[str, str]) -> list[str]:
    """No day, one (of a month, its middle), or the first and last day of a period."""
    date = _MONTH.sub(r"\1-15", _text(row, "date"))
    days = date.split("..") if date else []
    for day in days:
        check_day(day)
    if len(days) > 2 or days != sorted(days):
        raise BadConfig(f"date is {shown(date)!r}; write a period as its first and last day, 2026-05-01..2026-05-31")
    return days


def _settings(row: Mapping[str, str]) -> EngineSettings:
    """The settings of the engine that a row states; BadConfig if two columns state one differently."""
    stated: dict[str, tuple[str, bool | int | float | str]] = {}
    for column, setting in SETTING_COLUMNS.items():
        if not _text(row, column):
            continue
        value = _setting(row, column, setting)
        first, other = stated.setdefault(setting.name, (column, value))
        if other != value:
            raise BadConfig(f"columns {first} and {column} hold {other} and {value}; they name one setting, keep one")
    values: dict[str, Any] = {name: value for name, (_, value) in stated.items()}
    return EngineSettings(**values) if values else DEFAULT


def _setting(row: Mapping[str, str], column: str, setting: SettingField) -> bool | int | float | str:
    if setting.name == "kv_tokens":
        return kv_tokens_in(row[column])
    if setting.kind is bool:
        return _flag(row, column)
    if setting.kind is int:
        return _whole(row, column, None)
    return _number(row, column, None) if setting.kind is float else row[column].strip()


def _number(row: Mapping[str, str], name: str, default: float | None) -> float:
    text = _text(row, name)
    if not text and default is not None:
        return default
    try:
        value = float(text)
    except ValueError as e:
        raise BadConfig(f"column {name} holds {shown(text)!r}, which is not a number") from e
    if not isfinite(value):
        raise BadConfig(f"column {name} holds {shown(text)!r}; it must be a finite number")
    return value


def _whole(row: Mapping[str, str], name: str, default: int | None) -> int:
    value = _number(row, name, default)
    if value != int(value) or abs(value) > MAX_COUNT:
        raise BadConfig(f"column {name} holds {value:g}; it must be a whole number, and not above {MAX_COUNT:,}")
    return int(value)


def _flag(row: Mapping[str, str], name: str) -> bool:
    text = _text(row, name).lower()
    if text in _TRUE | _FALSE:
        return text in _TRUE
    raise BadConfig(f"column {name} holds {shown(text)!r}; write true or false")
