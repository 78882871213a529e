"""Tables of the benchmarks that dstack publishes: rows of serving clients, and of offline throughput runs.

One is the record of SGLang's `bench_serving` with a column for the GPU and the server's engine, latencies in ms, as
`sglang` reads it. Another has the words that vLLM's and SGLang's clients print as its columns, and states no load. The
third states the tokens of all prompts and outputs and the seconds that they took, all sent at once. None states the
number of GPUs or the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from paretoken.points.importers import sglang
from paretoken.points.importers.figures import without_nothing
from paretoken.points.importers.reading import LevelReading, ratio
from paretoken.points.importers.text_tables import has_table, rows_of

NAME = "dstack benchmarks"
ORIGIN = "published"
_ONLINE = {"GPU", "backend", "total_output_tokens_retokenized", "median_ttft_ms"}
_OFFLINE = {"GPU", "backend", "input_len", "output_len", "elapsed_time", "total_output_tokens"}
_PRINTED = {
    "Successful requests": "completed",
    "Benchmark duration (s)": "duration",
    "Total input tokens": "total_input_tokens",
    "Total generated tokens": "total_output_tokens",
    "Output token throughput (tok/s)": "output_throughput",
    "Total Token throughput (tok/s)": "total_throughput",
    **{f"{s} {m} (ms)": f"{s}_{m}_ms".lower() for s in ("Mean", "Median", "P99") for m in ("TTFT", "TPOT", "ITL")},
}
_PRINTED_KEYS = {"Successful requests", "Total generated tokens", "Mean TTFT (ms)"}
_ENGINES = {"trt-llm": "trtllm"}
_COUNTS = {"input": "total_input_tokens", "output": "total_output_tokens", "total": "total_num_tokens"}


def detects_text(text: str) -> bool:
    """Any of the tables."""
    return any(has_table(text, columns) for columns in (_ONLINE, _PRINTED_KEYS, _OFFLINE))


def text_rows(text: str, file: str) -> list[LevelReading]:
    """One reading for each row."""
    if has_table(text, _OFFLINE):
        return [_offline(at, row) for at, row in enumerate(rows_of(text, _OFFLINE, file), start=1)]
    columns = _ONLINE if has_table(text, _ONLINE) else _PRINTED_KEYS
    table = [{_PRINTED.get(k, k): v for k, v in row.items() if k and v} for row in rows_of(text, columns, file)]
    readings = sglang.rows([dict(row) for row in table], file)
    return [
        replace(r, stated={**r.stated, **_machine(row)}, otherwise=_without_engine(r.otherwise))
        for r, row in zip(readings, table, strict=True)
    ]


def _machine(row: Mapping[str, str]) -> dict[str, object]:
    backend = row.get("backend", "")
    return without_nothing({"accelerator": row.get("GPU"), "engine": _ENGINES.get(backend, backend)})


def _without_engine(otherwise: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in otherwise.items() if name != "engine"}


def _offline(at: int, row: Mapping[str, str]) -> LevelReading:
    lengths = {"isl": row.get("input_len"), "osl": row.get("output_len")}
    totals = {side: ratio(row.get(count), row.get("elapsed_time")) for side, count in _COUNTS.items()}
    return LevelReading(at, {**lengths, "load_kind": "offline", **_machine(row)}, without_nothing(totals))
