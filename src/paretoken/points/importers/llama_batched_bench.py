"""llama.cpp's `llama-batched-bench`: JSON lines and its table, one entry for each batch of sequences.

All sequences of a batch start at once and end together: TTFT is the time of all prompts, TPOT the time of the
generation over the tokens of one sequence, E2E both, for every sequence of the batch. Times are in seconds. Prompts
that the sequences share (`is_pp_shared`) are processed once, so input and total throughput are left out there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from paretoken.points.importers.figures import without_nothing
from paretoken.points.importers.reading import LevelReading, Parsed, entries, first, joined, ratio
from paretoken.points.importers.text_tables import has_table, rows_of
from paretoken.points.values import number

NAME = "llama-batched-bench"
ORIGIN = "measured"
_JSON = {"pp", "tg", "pl", "t_pp", "t_tg"}
_TABLE = {"PP": "pp", "TG": "tg", "B": "pl", "T_PP s": "t_pp", "T_TG s": "t_tg", "T s": "t"}
_SHARED = re.compile(r"\bis_pp_shared = ([01])\b")


def detects(parsed: Parsed) -> bool:
    """Batches with the times of prompts and generation."""
    return first(parsed).keys() >= _JSON


def detects_text(text: str) -> bool:
    """A table of batches."""
    return has_table(text, set(_TABLE))


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each batch."""
    return [_reading(at, entry) for at, entry in enumerate(entries(parsed), start=1)]


def text_rows(text: str, file: str) -> list[LevelReading]:
    """The same of the table."""
    shared = _SHARED.search(text)
    table = [{_TABLE.get(k, k): v for k, v in row.items()} for row in rows_of(text, set(_TABLE), file)]
    return [_reading(at, {**row, "is_pp_shared": shared[1] if shared else 0}) for at, row in enumerate(table, start=1)]


def _reading(at: int, entry: Mapping[str, object]) -> LevelReading:
    shared = number(entry.get("is_pp_shared")) == 1
    times = {"mean_ttft_s": entry.get("t_pp"), "mean_tpot_s": ratio(entry.get("t_tg"), entry.get("tg"))}
    stated = {
        "isl": entry.get("pp"),
        "osl": entry.get("tg"),
        "load_kind": "closed",
        "concurrency": entry.get("pl"),
        "speculative": "none",
        "engine": "llamacpp",
        **without_nothing({**times, "mean_e2e_s": entry.get("t")}),
        "notes": joined("one static batch, without sampling", "prompt shared by all sequences" if shared else None),
    }
    return LevelReading(at, stated, _totals(entry, shared=shared))


def _totals(entry: Mapping[str, object], *, shared: bool) -> dict[str, object]:
    """Tokens of all sequences per second of the whole batch."""
    sequences, seconds = number(entry.get("pl")), entry.get("t")
    prompt, generated = (number(entry.get(key)) for key in ("pp", "tg"))
    if sequences is None or prompt is None or generated is None:
        return {}
    tokens = {"output": sequences * generated}
    if not shared:
        tokens |= {"input": sequences * prompt, "total": sequences * (prompt + generated)}
    return {side: rate for side, n in tokens.items() if (rate := ratio(n, seconds)) is not None}
