"""Files that are no operating points, by what they look like, so that a refusal can name them.

A format that is read has no place here. To add one, write its name and patterns that its first 64 kB match.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LOOKED_AT = 65_536
"""Bytes at the start of a file that are looked at."""

_MAGIC = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook; unpack it first, or save it as CSV"),
    (b"\xfd7zXZ", "an xz archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive; unpack it first"),
    (b"BZh", "a bzip2 archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"SQLite format 3", "a SQLite database, as Nsight Systems exports"),
    (b"NVIDIA Nsight", "a report of Nsight"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"\x93NUMPY", "an array of NumPy"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x80\x04", "a Python pickle, which is never read"),
    (b"\x80\x05", "a Python pickle, which is never read"),
    (b"GGUF", "the weights of a model"),
    (b"ARROW1", "an Arrow file; save it as Parquet"),
    (b"\x7fELF", "a program"),
)
_TAR_AT, _TAR = 257, b"ustar"

_OWN = "; give the folder of the run instead"
_TRACE = "; replay it with 'paretoken bench --trace'"
SIGNATURES: tuple[tuple[str, ...], ...] = (
    ("a file of a run of paretoken" + _OWN, r'"schema"\s*:\s*"paretoken\.(?:run|sweep|summary|level)'),
    ("a verdict of the accuracy gate", r'"tiers"\s*:', r'"verdict"\s*:'),
    ("the output of an OpenAI batch", r'"custom_id"\s*:', r'"response"\s*:'),
    ("the input of an OpenAI batch" + _TRACE, r'"custom_id"\s*:', r'"body"\s*:'),
    ("a trace of requests" + _TRACE, r'"hash_ids"\s*:|\A\W*TIMESTAMP\W+Context|\A\W*arrived_at\W'),
    ("a Jupyter notebook", r'"nbformat"\s*:'),
    ("results of lm-eval, which measures accuracy", r'"lm_eval_version"|"higher_is_better"\s*:|"n-shot"\s*:'),
    ("results of lighteval, which measures accuracy", r'"config_general"\s*:'),
    ("a k6 summary", r'"http_req_duration"|"root_group"\s*:|\A\s*\{"type":\s*"Metric"'),
    ("a Locust stats CSV", r"\A\W*Type\W+Name\W+Request Count"),
    ("a Locust history CSV", r"\A\W*Timestamp\W+User Count\W"),
    ("a JMeter result table", r"\A\W*timeStamp\W+elapsed\W+label"),
    ("a vegeta report", r'"latencies"\s*:|^Latencies\s', r'"50th"|^Requests\s+\[total, rate'),
    ("the output of wrk", r"^Running \S+ test @ "),
    ("the output of ApacheBench", r"This is ApacheBench"),
    ("the output of hey or oha", r"^Summary:", r"^Response time (?:histogram|distribution)"),
    ("an Artillery report", r'"aggregate"\s*:', r'"vusers\.'),
    ("a detail log of MLPerf; give mlperf_log_summary.txt", r"^:::MLLOG"),
    ("a profiler trace", r'"traceEvents"\s*:'),
    ("metrics in the text format of Prometheus", r"^# (?:HELP|TYPE) \w"),
    ("the output of nvidia-smi", r"NVIDIA-SMI \d|utilization\.gpu"),
    ("the output of rocm-smi or amd-smi", r"ROCm System Management Interface|ROCM-SMI version|AMD-SMI"),
    ("a server's log", r"Avg (?:prompt|generation) throughput:|Decode batch[.,] #|llama_perf_context_print"),
    ("an answer of a server", r'"object"\s*:\s*"(?:chat\.completion|text_completion)'),
    ("a model's config.json", r'"architectures"\s*:', r'"model_type"\s*:'),
    ("a Kubernetes manifest", r"^apiVersion:\s", r"^kind:\s"),
    ("a JUnit report", r"<testsuites?[\s>]"),
    ("a page of HTML; save the result file that it links to", r"(?i)<!doctype html|<html[\s>]"),
    ("a document of XML", r"\A\s*<\?xml"),
    ("a TOML file", r"\A(?:\s*#.*\n)*\s*(?:\[+[\w.\"-]+\]+\s*$|[\w-]+\s*=\s*[\"\d\[{])"),
    ("a script", r"\A#!"),
)
"""What a file looks like, and the patterns of which each must match."""
_COMPILED = tuple((name, [re.compile(p, re.MULTILINE) for p in patterns]) for name, *patterns in SIGNATURES)


def binary_kind(data: bytes) -> str | None:
    """What bytes are that are no text, None where that is not known."""
    if data[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        return "a tar archive; unpack it first"
    return next((name for magic, name in _MAGIC if data.startswith(magic)), None)


def text_kind(text: str) -> str | None:
    """What a text is that is not of a format that is read, None where that is not known."""
    head = text[:LOOKED_AT]
    return next((name for name, patterns in _COMPILED if all(p.search(head) for p in patterns)), None)


def refusal(file: str, kind: str | None, formats: Iterable[str]) -> str:
    """The sentence on a file of no known format: what it looks like, and what is read."""
    if kind:
        what, _, instead = kind.partition("; ")
        return f"{file} looks like {what}, which holds no operating points" + (f"; {instead}" if instead else "")
    known = ", ".join(dict.fromkeys(formats))
    return f"{file} has an unknown format; known: {known}, and CSV or Parquet of this project's schema"
