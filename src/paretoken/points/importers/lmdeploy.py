"""LMDeploy's benchmark CSV: a row for each batch of `profile_throughput`, `profile_restful_api` and others.

`batch` is the number of clients that each send the next request when the last one ends. `FTL(ave)(s)` is the mean
TTFT; `50%(s)` to `99%(s)` are of the gap before each token after the first, in seconds rounded to ms, where tokens that
come together count a gap of 0: the ITL of this project if each chunk holds one token. Throughputs are of the whole
run. `profile_generation` states the lengths; the others state the rates that the mean lengths follow from.
"""

from __future__ import annotations

from collections.abc import Mapping

from paretoken.points.importers.figures import has_table, rows_of, without_nothing
from paretoken.points.importers.reading import LevelReading, nominal, ratio
from paretoken.points.values import number

NAME = "LMDeploy"
ORIGIN = "measured"
_OUTPUT, _TOTAL = "throughput(out tok/s)", "throughput(total tok/s)"
_LENGTHS = {"isl": "prompt_tokens", "osl": "completion_tokens"}
_LATENCIES = {"FTL(ave)(s)": "mean_ttft_s", "50%(s)": "median_itl_s", "95%(s)": "p95_itl_s", "99%(s)": "p99_itl_s"}


def detects_text(text: str) -> bool:
    """A table with the rate of output tokens by batch."""
    return has_table(text, {"batch", _OUTPUT})


def text_rows(text: str, file: str) -> list[LevelReading]:
    """One reading for each batch."""
    return [_reading(at, row) for at, row in enumerate(rows_of(text, {"batch", _OUTPUT}, file), start=1)]


def _reading(at: int, row: Mapping[str, str]) -> LevelReading:
    output, total = number(row.get(_OUTPUT)), number(row.get(_TOTAL))
    prompts = total - output if output is not None and total is not None else None
    means = without_nothing({"mean_isl": ratio(prompts, row.get("RPS")), "mean_osl": ratio(output, row.get("RPS"))})
    stated = {
        **{side: row[name] for side, name in _LENGTHS.items() if name in row},
        **means,
        "load_kind": "closed",
        "concurrency": row.get("batch"),
        **without_nothing({ours: row.get(theirs) for theirs, ours in _LATENCIES.items()}),
    }
    totals = without_nothing({"output": row.get(_OUTPUT), "total": row.get(_TOTAL), "input": prompts})
    return LevelReading(at, stated, totals, {**nominal(means), "engine": "lmdeploy"})
