"""Many predictions at once: a CSV of configurations in, the same rows with their figures out."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from paretoken.catalog import Catalog, load_catalog
from paretoken.errors import BadConfig, BadFile, ParetokenError, nearest
from paretoken.predict.asked import case
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.deployment import Case, Deployment, Lengths
from paretoken.predict.points import RESULTS, result_rows
from paretoken.predict.predictor import predict_cases

REQUIRED = ("accelerator", "n_gpus", "model", "precision", "engine", "tp", "ep", "isl", "osl", "concurrency")
OPTIONAL = ("date", "dp_attention", "speculative", "length_range_ratio", "pp")
FIGURES = tuple(f"{name}{suffix}" for name in RESULTS for suffix in ("", "_lo", "_hi"))
_TRUE, _FALSE = {"1", "true", "yes", "y"}, {"", "0", "false", "no", "n", "none", "null"}


def predict_csv(
    source: Path, target: Path, *, calibration: Calibration | None = None, catalog: Catalog | None = None
) -> tuple[int, int]:
    """Predict every row of `source` into `target`; the numbers of rows and of those that were not predicted.

    Rows keep their order and their own columns. `status` is ok, or the sentence that says why there is no figure.
    """
    rows = read_rows(source)
    answers = predict_rows(rows, calibration=calibration, catalog=catalog)
    names = list(dict.fromkeys([*(rows[0] if rows else REQUIRED), *FIGURES, "status"]))
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for row, answer in zip(rows, answers, strict=True):
            writer.writerow({**row, **{k: f"{v:.6g}" if isinstance(v, float) else v for k, v in answer.items()}})
    return len(rows), sum(a["status"] != "ok" for a in answers)


def read_rows(source: Path) -> list[dict[str, str]]:
    """The rows of a CSV of configurations; BadFile where it cannot be read or lacks a column."""
    try:
        with source.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or []
            rows = [{k: v or "" for k, v in row.items() if k is not None} for row in reader]
    except OSError as e:
        raise BadFile(f"{source} cannot be read: {e.strerror}; check the path") from e
    except (UnicodeDecodeError, csv.Error) as e:
        raise BadFile(f"{source} is not a CSV file: {e}") from e
    for name in REQUIRED:
        if name not in names:
            hint = nearest(name, names)
            near = f"; did you mean the column {hint[0]!r}?" if hint else ""
            raise BadFile(f"{source} has no column {name!r}{near} Needed are {', '.join(REQUIRED)}")
    return rows


def predict_rows(
    rows: Iterable[Mapping[str, str]], *, calibration: Calibration | None = None, catalog: Catalog | None = None
) -> list[dict[str, Any]]:
    """The figures and the status of every row."""
    catalog = catalog or load_catalog()
    answers: list[dict[str, Any]] = []
    cases: list[Case] = []
    places: list[int] = []
    for row in rows:
        try:
            cases.append(as_case(row, catalog))
            places.append(len(answers))
            answers.append({"status": "ok"})
        except ParetokenError as e:
            answers.append({"status": str(e)})
    if cases:
        found = result_rows(predict_cases(cases, calibration=calibration, catalog=catalog))
        for place, figures in zip(places, found, strict=True):
            answers[place] = {**figures, **answers[place]}
    return answers


def as_case(row: Mapping[str, str], catalog: Catalog) -> Case:
    """The case of one row.

    GPUs beyond TP x PP are attention groups of a mixture, and further replicas of a dense model.
    """
    tp, pp = _whole(row, "tp", 1), _whole(row, "pp", 1)
    ep = max(_whole(row, "ep", 1), 1)
    gpus, replica = _whole(row, "n_gpus", max(tp, ep) * pp), tp * pp
    date = (row.get("date") or "").strip()
    model = catalog.models[row["model"]]
    parallel_attention = _flag(row, "dp_attention")
    users = _number(row, "concurrency", None)
    if gpus > replica and gpus % replica == 0 and not model.moe and not parallel_attention:
        users, gpus = max(users * replica / gpus, 1.0), replica
    deployment = Deployment(
        row["accelerator"], row["model"], row["precision"].strip().lower() or model.native_precision, row["engine"],
        gpus, tp, ep, parallel_attention or gpus > replica,
        (row.get("speculative") or "none").strip().lower() or "none", date if len(date) == 10 else None, pp=pp,
    )  # fmt: skip
    ratio = _number(row, "length_range_ratio", 1.0)
    lengths = Lengths(_whole(row, "isl", None), _whole(row, "osl", None), ratio)
    return case(deployment, lengths, users, period=".." in date, catalog=catalog)


def _number(row: Mapping[str, str], name: str, default: float | None) -> float:
    text = (row.get(name) or "").strip()
    if not text and default is not None:
        return default
    try:
        return float(text)
    except ValueError as e:
        raise BadConfig(f"column {name} holds {text!r}, which is no number") from e


def _whole(row: Mapping[str, str], name: str, default: int | None) -> int:
    value = _number(row, name, default)
    if value != int(value):
        raise BadConfig(f"column {name} holds {value:g}; it must be a whole number")
    return int(value)


def _flag(row: Mapping[str, str], name: str) -> bool:
    text = (row.get(name) or "").strip().lower()
    if text in _TRUE | _FALSE:
        return text in _TRUE
    raise BadConfig(f"column {name} holds {text!r}; write true or false")
