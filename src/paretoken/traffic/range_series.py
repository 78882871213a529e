"""Series of a Prometheus range query, from its JSON: each with its metric, its labels and its samples.

A document is an answer of /api/v1/query_range, its `data`, or an object with `query` and `result` (or `data`). Several
come in a list, as an object by query, one a line in a .jsonl file, or in a folder of such files. Where a query drops
the name of the metric, as sum() and rate() do, `query` is required: it names the metric, and whether the samples are
counts, rates per second (rate, irate) or increases over a range (increase, delta).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from paretoken.errors import BadFile, quoted
from paretoken.plain_files import read_bytes, read_json
from paretoken.traffic.rates import parse_period_s
from paretoken.traffic.traffic import Floats

EARLIEST_S, LATEST_S = 1e8, 1e11
"""Unix time in seconds between 1973 and 5138; milliseconds lie above."""
MOST_FILES = 10_000
MOST_COUNTED = 1e15
"""A count beyond this is none, and sums of it would lose single requests."""
DEEPEST = 8
_BY_TIME = re.compile(r"\b(rate|irate|increase|delta)\s*\(")
_NO_COUNTS = re.compile(r"\b(histogram_\w+|avg|quantile|stddev|topk|bottomk|min|max|\w+_over_time)\b|[/*]|(?<!\de)-")
_RANGE = re.compile(r"\[\s*([0-9.]+\s*(?:ms|s|m|h|d))\s*(?::[^\]]*)?\]")


@dataclass(frozen=True, slots=True)
class RangeSeries:
    """One series: `values` at the Unix times `time_s`, both of shape (n,), NaN where there is none.

    `per_s` turns a value into a count per second; None for a counter, which falls only where it is reset. One that is
    `summed` over servers also falls where a server ends: what it counted there is lost.
    """

    metric: str
    labels: Mapping[str, str]
    time_s: Floats
    values: Floats
    per_s: float | None = None
    summed: bool = False


@dataclass(frozen=True, slots=True)
class RangeAnswers:
    """The series of the metrics asked for, and the queries that were left out because they do not count them."""

    series: tuple[RangeSeries, ...]
    left_out: tuple[str, ...] = ()


def read_range_files(path: Path, metrics: Collection[str]) -> RangeAnswers:
    """The series of these metrics in a file or a folder. BadFile for what is no answer of a range query."""
    series: list[RangeSeries] = []
    left_out: list[str] = []
    for file in _files(path):
        for where, document in _documents(file):
            answers = series_of(document, metrics, where)
            series += answers.series
            left_out += answers.left_out
    return RangeAnswers(tuple(series), tuple(dict.fromkeys(left_out)))


def series_of(
    document: object, metrics: Collection[str], where: str, query: str = "", depth: int = DEEPEST
) -> RangeAnswers:
    """The series of these metrics in one document, or in the documents that it holds; `where` begins an error."""
    if not depth:
        raise BadFile(f"{where} is nested too deep for answers of range queries; save each of them as it came")
    if isinstance(document, list):
        entries = [(entry, query, f"{where}: entry {n}") for n, entry in enumerate(document, 1)]
        return _all(entries, metrics, depth - 1)
    if not isinstance(document, dict):
        raise BadFile(f"{where} is not JSON of a Prometheus range query; save the answer of /api/v1/query_range")
    if document.get("status") == "error":
        raise BadFile(f"{where} holds an error of Prometheus: {quoted(document.get('error', ''))}; run the query again")
    query = str(document.get("query", query))
    if "data" in document:
        return series_of(document["data"], metrics, where, query, depth - 1)
    if "result" not in document:
        entries = [(entry, str(key), f"{where}: {quoted(key)}") for key, entry in document.items()]
        if not entries or not all(isinstance(entry, (dict, list)) for entry, _, _ in entries):
            raise BadFile(f"{where} has no 'result' of a range query; save the answer of /api/v1/query_range")
        return _all(entries, metrics, depth - 1)
    if document.get("resultType", "matrix") != "matrix":
        raise BadFile(
            f"{where} is a {quoted(document['resultType'])} of one moment; save the answer of /api/v1/query_range, "
            "not of /api/v1/query"
        )
    return _matrix(document["result"], query, metrics, where)


def _all(entries: list[tuple[object, str, str]], metrics: Collection[str], depth: int) -> RangeAnswers:
    answers = [series_of(entry, metrics, where, query, depth) for entry, query, where in entries]
    return RangeAnswers(
        tuple(s for answer in answers for s in answer.series), tuple(q for answer in answers for q in answer.left_out)
    )


def _matrix(result: object, query: str, metrics: Collection[str], where: str) -> RangeAnswers:
    if not isinstance(result, list):
        raise BadFile(f"{where}: 'result' is not a list of series; save the answer of /api/v1/query_range")
    series: list[RangeSeries] = []
    left_out: list[str] = []
    for number, entry in enumerate(result, start=1):
        at = f"{where}: series {number}"
        if not isinstance(entry, dict) or not isinstance(entry.get("metric"), dict):
            raise BadFile(f"{at} has no 'metric' with labels; save the answer of /api/v1/query_range")
        labels = {str(name): str(value) for name, value in entry["metric"].items()}
        name, per_s = labels.pop("__name__", ""), None
        named = bool(name)
        if not named:
            name, per_s = _of_query(query, metrics, at)
            if not name:
                left_out.append(query)
        if name in metrics:
            series.append(RangeSeries(name, labels, *_samples(entry.get("values"), at), per_s, not named))
    return RangeAnswers(tuple(series), tuple(left_out))


def _of_query(query: str, metrics: Collection[str], at: str) -> tuple[str, float | None]:
    """The metric that a query counts and `per_s` of its samples; no metric where it is something else."""
    if not query:
        raise BadFile(
            f"{at} has no __name__, which rate() and sum() drop; query the counter itself, or save "
            '{"query": …, "result": …}'
        )
    named = [metric for metric in metrics if re.search(rf"(?<![\w:]){re.escape(metric)}(?![\w:])", query)]
    bare = re.sub(r"\{[^}]*\}|\"[^\"]*\"", "", query)
    for metric in named:
        bare = bare.replace(metric, "m")
    if len(named) != 1 or _NO_COUNTS.search(bare):
        return "", None
    function = _BY_TIME.search(query)
    if function is None:
        return named[0], None
    if function[1] in ("rate", "irate"):
        return named[0], 1.0
    window = _RANGE.search(query)
    return (named[0], 1 / parse_period_s(window[1], "the range of increase()")) if window else ("", None)


def _samples(values: object, at: str) -> tuple[Floats, Floats]:
    """Times and values; NaN and infinities are samples without a value."""
    try:
        table = np.array(values, dtype=object).reshape(-1, 2)
        time_s, numbers = table[:, 0].astype(float), table[:, 1].astype(float)
    except (TypeError, ValueError) as e:
        raise BadFile(f"{at}: its 'values' are not pairs of a time and a number; save the answer again") from e
    if len(time_s) and not (time_s.min() > EARLIEST_S and time_s.max() < LATEST_S):
        raise BadFile(f"{at}: the time {time_s.max():.6g} is no Unix time in seconds, as Prometheus writes it")
    order = np.argsort(time_s, kind="stable")
    numbers = np.where((numbers >= 0) & (numbers <= MOST_COUNTED), numbers, np.nan)
    return time_s[order], numbers[order]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(f for f in path.iterdir() if f.suffix in (".json", ".jsonl"))
    if not files or len(files) > MOST_FILES:
        raise BadFile(
            f"{path} has {len(files):,} .json and .jsonl files; give a folder with 1 to {MOST_FILES:,} of them"
        )
    return files


def _documents(file: Path) -> Iterator[tuple[str, object]]:
    if file.suffix != ".jsonl":
        yield str(file), read_json(file)
        return
    for number, line in enumerate(read_bytes(file).splitlines(), start=1):
        if line.strip():
            try:
                yield f"{file}: line {number}", orjson.loads(line)
            except orjson.JSONDecodeError as e:
                raise BadFile(
                    f"{file}: line {number} is not valid JSON; write one answer of a range query a line"
                ) from e
