"""`summary.csv` of `vllm bench sweep serve`: a row for each run, with the fields of `vllm bench serve`'s result.

A `summary.json` of the same command is a list of such results and read as those.
"""

from __future__ import annotations

from dataclasses import replace

from paretoken.points.importers import vllm
from paretoken.points.importers.document import table_of
from paretoken.points.importers.figures import merged
from paretoken.points.importers.reading import LevelReading
from paretoken.points.values import number

NAME = "vLLM bench sweep"
ORIGIN = "measured"
_FIELDS = ("total_token_throughput", "total_input_tokens", "output_throughput")


def detects_text(text: str) -> bool:
    """The header of a table with the fields of a saved result."""
    header = text[: text.find("\n")].split(",")
    return {*_FIELDS} <= {name.strip().strip('"') for name in header}


def text_rows(text: str, file: str) -> list[LevelReading]:
    """One reading for each run."""
    runs = [{name: _value(cell) for name, cell in row.items() if cell != ""} for row in table_of(text)]
    readings = []
    for at, run in enumerate(runs, start=1):
        [reading] = vllm.rows(run, file)
        number_of_run = number(run.get("run_number"))
        ref = None if number_of_run is None else f"row {at}, run {number_of_run:.0f}"
        readings.append(replace(reading, at=at, stated=merged(reading.stated, {"source_ref": ref})))
    return readings


def _value(cell: str) -> object:
    """A number where the cell is one: pandas writes whole numbers as 16.0 in columns with gaps."""
    amount = number(cell)
    if amount is None:
        return cell
    return int(amount) if amount.is_integer() else amount
