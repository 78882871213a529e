"""What `vllm bench serve` (once `benchmark_serving.py`) and `sglang.bench_serving` print, as it is pasted or logged.

A text may hold several results between other lines, with colours, prefixes of a log or marks of a quotation. A result
goes from its headline, or from its first label where that was cut off, to the line that closes it; every generation of
labels is read. What a result leaves out is taken from the `Namespace(…)` or the command of the client before it: see
`console_settings`. Times are as their label says, milliseconds or seconds. TPOT is (E2E − TTFT) / (tokens − 1) of each
request, ITL the gap between chunks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from paretoken.points.importers.console_settings import ANSI, Settings, settings_of
from paretoken.points.importers.counts import refusal
from paretoken.points.importers.drafting import PERCENT, accepted, drafted
from paretoken.points.importers.figures import figure, merged, statistics
from paretoken.points.importers.reading import LevelCounts, LevelReading, load_of

NAME = "bench serve console text"
ORIGIN = "measured"
_HEADLINE = re.compile(
    r"^[^\w\n]*Serving Benchmark Result[^\w\n]*$|(?<!=)={3,} ?Serving Benchmark Result ?={3,}",
    re.IGNORECASE | re.MULTILINE,
)
_FIRST = re.compile(r"\bSuccessful requests:\s", re.IGNORECASE)
_OTHERS = re.compile(r"\bTotal generated tokens:\s", re.IGNORECASE)
_END = re.compile(r"(?<!=)={20,}\s*$|^[^\w`]*```")
_LONGEST_LINE = 4_000
_LABELS = {
    "successful requests": "completed",
    "failed requests": "failed",
    "maximum request concurrency": "limit",
    "max request concurrency": "limit",
    "request rate configured (rps)": "rate",
    "traffic request rate": "rate",
    "backend": "backend",
    "benchmark duration (s)": "duration",
    "total input tokens": "input_tokens",
    "total generated tokens": "output_tokens",
    "input token throughput (tok/s)": "input",
    "output token throughput (tok/s)": "output",
    "total token throughput (tok/s)": "total",
    "accept length": "acceptance",
    "acceptance length": "acceptance",
    "drafts": "drafts",
    "draft tokens": "draft_tokens",
}
_LABEL = re.compile(
    rf"(?<![\w-])(?<!peak )({'|'.join(re.escape(label) for label in _LABELS)})\s*:\s*(not set|\S+)", re.IGNORECASE
)
_LATENCY = re.compile(
    r"\b(mean|median|p\d+(?:\.\d+)?) (ttft|tpot|itl|e2el|e2e latency) \((ms|s)\)\s*:\s*(\S+)", re.IGNORECASE
)
_POSITION = re.compile(r"^\W*Position \d{1,2}:\s+(\d{1,3}(?:\.\d+)?)\s*$")
_METRICS = {"e2el": "e2e", "e2e latency": "e2e"}
_CLIENTS = {True: "SGLang bench_serving", False: "vLLM bench serve"}
_PROTOCOLS = ("openai",)
_SGLANG_BACKENDS = {"sglang": "sglang", "vllm": "vllm", "trt": "trtllm"}

Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class Block:
    """The lines of one result, and those before it that no earlier result holds."""

    lines: list[str]
    before: list[str]


def detects_text(text: str) -> bool:
    """A headline of a result, or the labels of one, anywhere in the text."""
    plain = ANSI.sub("", text)
    return bool(_HEADLINE.search(plain) or (_FIRST.search(plain) and _OTHERS.search(plain)))


def text_rows(text: str, file: str) -> list[LevelReading]:
    """One reading for each result."""
    settings = Settings()
    readings = []
    for at, block in enumerate(_blocks(text), start=1):
        settings = settings_of(block.before, settings)
        readings.append(_reading(at, block, settings))
    return readings


def _blocks(text: str) -> list[Block]:
    """The results in order; one that is not closed ends where the next begins."""
    blocks: list[Block] = []
    before: list[str] = []
    is_open = has_count = False
    for line in ANSI.sub("", text).splitlines():
        short = line[:_LONGEST_LINE]
        is_headline, is_count = bool(_HEADLINE.search(short)), bool(_FIRST.search(short))
        if is_headline or (is_count and (has_count or not is_open)):
            blocks.append(Block([], before))
            before, is_open, has_count = [], True, False
        if not is_open:
            before.append(line)
        elif _END.search(short) and not is_headline:
            is_open = False
        else:
            blocks[-1].lines.append(short)
        has_count = has_count or is_count
    return blocks


def _fields(lines: list[str]) -> Fields:
    """The labelled values of lines, the last of each label."""
    pairs = [match for line in lines for match in _LABEL.findall(line[:_LONGEST_LINE])]
    return {_LABELS[label.lower()]: value.replace(",", "") for label, value in pairs}


def _reading(at: int, block: Block, settings: Settings) -> LevelReading:
    run = _fields(block.lines)
    counts = _counts(run, settings)
    if refused := refusal(counts) or _without_tokens(run):
        return LevelReading(at, refused=refused)
    of_sglang = "input" in run or "backend" in run
    stated = merged(
        {"source": _CLIENTS[of_sglang], **accepted(figure(run.get("acceptance")), _shares(block.lines))},
        settings.columns(),
        _latencies(block.lines),
        _load(run, _fields(block.before), settings),
    )
    totals = {side: figure(run.get(side)) for side in ("total", "output", "input")}
    otherwise = {**_engine(run, settings, of_sglang), **drafted(run.get("draft_tokens"), run.get("drafts"))}
    return LevelReading(at, stated, totals, otherwise, counts=counts)


def _shares(lines: list[str]) -> list[float]:
    """Shares of drafted tokens accepted by position, in percent as they are printed."""
    return [float(share) * PERCENT for line in lines for share in _POSITION.findall(line)]


def _counts(run: Fields, settings: Settings) -> LevelCounts:
    return LevelCounts(
        sent=settings.number("num_prompts")
        if run.get("failed") is None
        else None,  # a command may be of another result
        completed=run.get("completed"),
        failed=run.get("failed"),
        input_tokens=run.get("input_tokens"),
        output_tokens=run.get("output_tokens"),
        duration_s=run.get("duration"),
    )


def _without_tokens(run: Fields) -> str:
    measured = any(figure(run.get(side)) for side in ("total", "output"))
    return "" if measured else "states no tokens per second; it is no result of text generation"


def _latencies(lines: list[str]) -> dict[str, object]:
    blocks: dict[tuple[str, str], dict[str, str]] = {}
    for line in lines:
        for statistic, metric, unit, value in _LATENCY.findall(line):
            key = (_METRICS.get(metric.lower(), metric.lower()), unit.lower())
            blocks.setdefault(key, {})[statistic.lower()] = value
    columns: dict[str, object] = {}
    for (metric, unit), block in blocks.items():
        columns |= statistics(block, metric, 1e-3 if unit == "ms" else 1.0)
    return columns


def _load(run: Fields, printed_before: Fields, settings: Settings) -> dict[str, object]:
    """The rate and the limit of the result itself, else of the lines or the arguments before it.

    Clients that print `Failed requests` print a limit and a finite rate in the result, so that what is not there
    is unlimited.
    """
    if "rate" in run or "limit" in run or "failed" in run:
        return load_of(run.get("rate", "inf"), _limit(run.get("limit")))
    rate = printed_before.get("rate", settings.get("request_rate"))
    limit = _limit(printed_before.get("limit", settings.get("max_concurrency")))
    return load_of(rate, limit)


def _limit(text: str | None) -> float | None:
    limit = figure(text)
    return limit if limit is not None and limit > 0 else None


def _engine(run: Fields, settings: Settings, of_sglang: bool) -> dict[str, object]:
    """The engine that the client names as its backend, or that was started before it."""
    backend = str(run.get("backend") or settings.get("backend") or settings.get("endpoint_type") or "").lower()
    if of_sglang:
        backend = _SGLANG_BACKENDS.get(backend.split("-")[0], "")
    named = backend if backend and not backend.startswith(_PROTOCOLS) else settings.server
    return {"engine": named} if named else {}
