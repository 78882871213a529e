"""`profile_export_aiperf.csv` of AIPerf and `profile_export_genai_perf.csv` of GenAI-Perf.

Tables with a blank line between them: a row of statistics for each latency, then one value for each rate or count,
then the GPUs of the server where they were watched. Names and units are those of AIPerf's JSON, which says what they
mean. The load, the model and the lengths asked for are not in the file. The power of the GPUs is not read: those that
were watched need not be those that served.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

from paretoken.points.importers import aiperf
from paretoken.points.importers.figures import figure, merged
from paretoken.points.importers.reading import LevelReading

NAME = "AIPerf"
ORIGIN = "measured"
_HEADER = re.compile(r'\ufeff?\s*"?Metric"?,"?avg"?,"?min"?,"?max"?,', re.IGNORECASE)
_METRIC = re.compile(r"(?P<name>[^(]+?)\s*(?:\((?P<unit>[^()]*)\))?")
_LONGEST_NAME = 100


def detects_text(text: str) -> bool:
    """A table of statistics with latencies of requests."""
    return bool(_HEADER.match(text)) and "request latency" in text.casefold()


def text_rows(text: str, file: str) -> list[LevelReading]:
    """One reading: a file is one run."""
    tables = _tables(text)
    of_genai_perf = any(header[3:6] == ["max", "p99", "p95"] for header, _ in tables)
    metrics = _metrics(tables)
    return [
        replace(
            reading,
            stated=merged(reading.stated, {"source": "GenAI-Perf" if of_genai_perf else None}),
            otherwise={**reading.otherwise, **_accelerator(tables)},
        )
        for reading in aiperf.rows(metrics, file)
    ]


Table = tuple[list[str], list[list[str]]]


def _tables(text: str) -> list[Table]:
    """The header and the rows of every table; a new header needs no blank line before it."""
    tables: list[Table] = []
    begins = True
    for row in csv.reader(io.StringIO(text.lstrip("\ufeff"), newline="")):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            begins = True
        elif begins or cells[0] == "Metric":
            tables.append((cells, []))
            begins = False
        else:
            tables[-1][1].append(cells)
    return tables


def _metrics(tables: list[Table]) -> dict[str, object]:
    """The document that AIPerf's JSON would be: name of a metric -> its unit and statistics."""
    metrics: dict[str, object] = {}
    for header, rows in tables:
        if header[0] != "Metric" or "GPU" in header:
            continue
        names = ["avg" if name == "Value" else name for name in header[1:]]
        for row in rows:
            match = _METRIC.fullmatch(row[0][:_LONGEST_NAME])
            if match:
                cells = zip(names, map(figure, row[1:]), strict=False)
                values = {name: value for name, value in cells if value is not None}
                metrics[match["name"].lower().replace(" ", "_")] = {"unit": match["unit"] or "", **values}
    return metrics


def _accelerator(tables: list[Table]) -> dict[str, object]:
    """The GPUs that were watched, where all of them are of one name."""
    named = {
        row[header.index("GPU_Name")]
        for header, rows in tables
        if "GPU_Name" in header
        for row in rows
        if len(row) > header.index("GPU_Name")
    }
    return {"accelerator": named.pop()} if len(named) == 1 else {}
