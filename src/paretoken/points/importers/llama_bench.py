"""llama.cpp's `llama-bench`: JSON, JSON lines, CSV and Markdown, one entry for each test.

`llama_tests` says how tests become points. Times are in ns. Markdown holds only mean rates in tokens per second, so
its times are tokens over the mean rate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from statistics import median

from paretoken.errors import BadFile
from paretoken.points.importers.figures import numbers_of
from paretoken.points.importers.llama_machine import Columns, printed_columns, with_machine
from paretoken.points.importers.llama_tests import MOST_PAIRS, LlamaTest, Settings, pairs_of, points_of
from paretoken.points.importers.reading import LevelReading, Parsed, entries, first
from paretoken.points.importers.text_tables import has_table, rows_of
from paretoken.points.values import number

NAME = "llama-bench"
ORIGIN = "measured"
_CSV = {"n_prompt", "n_gen", "avg_ns", "avg_ts"}
_MARKDOWN = {"model", "test", "t/s", "backend"}
_OUTCOME = ("n_prompt", "n_gen", "n_depth", "avg_", "stddev_", "samples_", "test", "t/s")
_MOST_TOKENS = 1e12
_TEST = re.compile(r"(?:pp ?(\d{1,12}))?\+?(?:tg ?(\d{1,12}))?(?: @ d(\d{1,12}))?")


def detects(parsed: Parsed) -> bool:
    """Tests with the time and the rate of each."""
    return first(parsed).keys() >= _CSV


def detects_text(text: str) -> bool:
    """A table of tests, in CSV or Markdown."""
    return has_table(text, _CSV) or has_table(text, _MARKDOWN)


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each prompt with each generation of the same settings."""
    return _readings([_timed(at, entry) for at, entry in enumerate(entries(parsed), start=1)], file, {})


def text_rows(text: str, file: str) -> list[LevelReading]:
    """The same of a table."""
    if has_table(text, _CSV):
        return rows([dict(row) for row in rows_of(text, _CSV, file)], file)
    table = rows_of(text, _MARKDOWN, file)
    return _readings([_named(at, row) for at, row in enumerate(table, start=1)], file, printed_columns(text))


def _readings(tests: Iterable[LlamaTest], file: str, printed: Columns) -> list[LevelReading]:
    groups: dict[Settings, list[LlamaTest]] = {}
    for test in tests:
        groups.setdefault(test.settings, []).append(test)
    varied = _varied(list(groups))
    readings = []
    for settings, group in groups.items():
        if pairs_of(group) > MOST_PAIRS:
            raise BadFile(f"{file} has {len(group):,} tests of one configuration; split it")
        points = [p.reading(varied) for p in points_of(group)]
        why = f"{group[0].name or 'this test'} times neither a whole prompt nor a generation"
        readings += [with_machine(p, dict(settings), printed) for p in points] or [
            LevelReading(group[0].at, refused=why)
        ]
    return readings


def _varied(groups: list[Settings]) -> set[str]:
    """The settings whose values differ between groups."""
    common = set.intersection(*(set(settings) for settings in groups)) if groups else set()
    return {key for settings in groups for key, value in settings if (key, value) not in common}


def _timed(at: int, entry: Mapping[str, object]) -> LlamaTest:
    prompt, generated, depth = (_count(entry.get(key)) for key in ("n_prompt", "n_gen", "n_depth"))
    mean_ns, samples = number(entry.get("avg_ns")), numbers_of(entry.get("samples_ns"))
    return LlamaTest(
        at=at,
        prompt=prompt,
        generated=generated,
        depth=depth,
        mean_s=mean_ns * 1e-9 if mean_ns else _seconds(prompt + generated, entry.get("avg_ts")),
        median_s=median(samples) * 1e-9 if samples else None,
        date=str(entry.get("test_time") or "")[:10],
        settings=_settings(entry),
    )


def _named(at: int, row: Mapping[str, str]) -> LlamaTest:
    """A test of a Markdown table: its name holds the tokens; of `132.19 ± 0.55`, the first is the mean rate."""
    match = _TEST.fullmatch(row.get("test", ""))
    prompt, generated, depth = (_count(group) for group in match.groups()) if match else (0, 0, 0)
    mean_s = _seconds(prompt + generated, row.get("t/s", "").split("±")[0])
    return LlamaTest(at=at, prompt=prompt, generated=generated, depth=depth, mean_s=mean_s, settings=_settings(row))


def _settings(entry: Mapping[str, object]) -> Settings:
    return tuple((key, str(value)) for key, value in entry.items() if not key.startswith(_OUTCOME))


def _count(value: object) -> int:
    amount = number(value)
    return int(amount) if amount is not None and 0 < amount < _MOST_TOKENS else 0


def _seconds(tokens: int, rate: object) -> float | None:
    speed = number(rate)
    return tokens / speed if speed is not None and speed > 0 else None
