"""llama-benchy's JSON, CSV and Markdown: one entry (JSON) or a pair of rows (tables) for each depth and concurrency.

Its `e2e_ttft`, in ms, is the time to the first token with content: the TTFT of this project. Its `ttfr` ends at any
response and `est_ppt` subtracts a network latency, so neither is read. The generation rate of one request is
(tokens - 1) / (last - first token), the inverse of the TPOT of this project: JSON lists the rate of every request,
tables only their mean, whose inverse is taken. Rates of whole batches leave out the prompt or the generation, so they
are no throughput of the run. A depth is a part of the prompt; with prefix caching it comes from the cache.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from paretoken.points.importers.figures import inverse, mean_of, numbers_of, without_nothing
from paretoken.points.importers.reading import LevelReading, Parsed, dig, first, scaled
from paretoken.points.importers.text_tables import has_table, rows_of
from paretoken.points.values import number

NAME = "llama-benchy"
ORIGIN = "measured"
_CSV = {"model", "test_name", "t_s_mean", "e2e_ttft_mean"}
_MARKDOWN = {"model", "test", "ttfr (ms)"}
_TEST = re.compile(r"(ctx_)?(pp|tg)(\d{1,12})?(?: @ d(\d{1,12}))?(?: \(c(\d{1,9})\))?")
_DATE = re.compile(r"^date: (\d{4}-\d\d-\d\d)\b", re.MULTILINE)
_RATES = ("t_s_req_mean", "t/s (req)", "t_s_mean", "t/s (total)", "t/s")
_TTFTS = ("e2e_ttft_mean", "e2e_ttft (ms)")


@dataclass(frozen=True, slots=True)
class BenchyTest:
    """What the name of a row says: `ctx_pp @ d4096 (c2)`, `tg32`; tokens of the test and of the context before it."""

    context: bool
    prompt: bool
    tokens: int
    depth: int
    concurrency: int


def detects(parsed: Parsed) -> bool:
    """A report with the latency that llama-benchy subtracts."""
    document = first(parsed)
    return {"latency_mode", "latency_ms", "benchmarks"} <= document.keys()


def detects_text(text: str) -> bool:
    """A table of rates with the time to the first response."""
    return has_table(text, _CSV) or has_table(text, _MARKDOWN)


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each run."""
    report = first(parsed)
    runs = report["benchmarks"] if isinstance(report["benchmarks"], list) else []
    cached = report.get("prefix_caching_enabled") is True
    about = {"model": report.get("model"), "date": str(report.get("timestamp") or "")[:10]}
    return [_reading(at, run, about, cached=cached) for at, run in enumerate(runs, start=1)]


def _reading(at: int, run: object, about: Mapping[str, object], *, cached: bool) -> LevelReading:
    depth, prompt = dig(run, "context_size"), dig(run, "prompt_size")
    context = dig(run, "is_context_prefill_phase") is True
    rates = dig(run, "tg_req_throughput") or dig(run, "tg_throughput")
    ttft, speeds = dig(run, "e2e_ttft"), numbers_of(dig(rates, "values"))
    first_tokens = numbers_of(dig(ttft, "values"))
    latencies = {
        "mean_ttft_s": scaled(dig(ttft, "mean"), 1e-3),
        "median_ttft_s": median(first_tokens) * 1e-3 if first_tokens else None,
        "mean_tpot_s": mean_of(1 / s for s in speeds) if speeds else inverse(dig(rates, "mean")),
        "median_tpot_s": 1 / median(speeds) if speeds else None,
    }
    lengths = _lengths(depth, prompt, context=context) | {"osl": dig(run, "response_size")}
    return _level(at, lengths, dig(run, "concurrency"), about, latencies, _cached(depth, cached=cached and not context))


def text_rows(text: str, file: str) -> list[LevelReading]:
    """One reading for each row of a prompt with the row of its generation below."""
    columns = _CSV if has_table(text, _CSV) else _MARKDOWN
    date = _DATE.search(text)
    table = rows_of(text, columns, file)
    cached = any(_name(row).startswith("ctx_") for row in table)
    return [_pair(at, table, date[1] if date else "", cached=cached) for at in _prompts(table)]


def _prompts(table: list[dict[str, str]]) -> Iterator[int]:
    """The places of the rows of prompts, counted from 0."""
    return (at for at, row in enumerate(table) if "pp" in _name(row))


def _pair(at: int, table: list[dict[str, str]], date: str, *, cached: bool) -> LevelReading:
    """The row of a prompt with that of its generation, which is the next one if it is of a generation at all."""
    pp, below = table[at], table[at + 1] if at + 1 < len(table) else {}
    prompt, generation = _test(pp), _test(below)
    if prompt is None:
        return LevelReading(at + 1, refused=f"{_name(pp)!r} is no test of llama-benchy")
    has_generation = generation is not None and not generation.prompt
    lengths = _lengths(prompt.depth, prompt.tokens, context=prompt.context)
    # A context is loaded by a request of as many output tokens as those of the test after it.
    lengths["osl"] = next((t.tokens for row in table[at + 1 : at + 4] if (t := _test(row)) and _generates(t)), None)
    latencies = {
        "mean_ttft_s": scaled(_mean(pp, _TTFTS), 1e-3),
        "mean_tpot_s": inverse(_mean(below, _RATES)) if has_generation else None,
    }
    note = _cached(prompt.depth, cached=cached and not prompt.context)
    return _level(at + 1, lengths, prompt.concurrency, {"model": pp.get("model"), "date": date}, latencies, note)


def _generates(test: BenchyTest) -> bool:
    return not test.prompt and test.tokens > 0


def _level(
    at: int,
    lengths: Mapping[str, object],
    concurrency: object,
    about: Mapping[str, object],
    latencies: Mapping[str, object],
    note: str | None,
) -> LevelReading:
    load = {"load_kind": "closed", "concurrency": concurrency}
    return LevelReading(at, {**about, **lengths, **load, **without_nothing(latencies), "notes": note})


def _lengths(depth: object, prompt: object, *, context: bool) -> dict[str, object]:
    """The input length: context and prompt, or the context alone where it is loaded into the cache."""
    before, after = number(depth), number(prompt)
    if context:
        return {"isl": depth}
    return {"isl": prompt if before is None or after is None else before + after}


def _cached(depth: object, *, cached: bool) -> str | None:
    tokens = number(depth)
    return f"{tokens:.0f} input tokens come from the prefix cache" if cached and tokens else None


def _name(row: Mapping[str, str]) -> str:
    return row.get("test_name") or row.get("test") or ""


def _test(row: Mapping[str, str]) -> BenchyTest | None:
    match = _TEST.fullmatch(_name(row))
    if match is None:
        return None
    context, side, tokens, depth, concurrency = match.groups()
    return BenchyTest(bool(context), side == "pp", int(tokens or 0), int(depth or 0), int(concurrency or 1))


def _mean(row: Mapping[str, str], names: tuple[str, ...]) -> str:
    """The mean of the first column that is filled: of `52.94 ± 1.01`, the first number."""
    return next((row[name].split("±")[0].strip() for name in names if row.get(name)), "")
