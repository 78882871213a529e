"""The nightly benchmarks of ROCm/ATOM: `data.js` of its dashboard, in the form of github-action-benchmark.

Every night is one entry with a commit and a list of figures. A figure is named for its run and its metric:
`ATOM-vLLM::DeepSeek-R1-0528-MXFP4-tp4 1024/1024 c=16 TPOT (ms)`. TTFT and TPOT are means; throughputs are of
the whole deployment. Variants such as `MTP3`, `DPA` and `-tp4` are part of the model's name. Since 2026-07-24 a run
that drafts states its acceptance. `MTP acceptance (%)` and `avg toks/fwd` are of the accuracy test, whose prompts are
others, and no part of a run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from paretoken.errors import BadFile
from paretoken.plural import counted
from paretoken.points.importers.drafting import PERCENT, accepted, drafted_at
from paretoken.points.importers.reading import LevelReading, Parsed, dig, joined, scaled
from paretoken.points.values import number

NAME = "ROCm/ATOM dashboard"
ORIGIN = "published"
LICENCE = "MIT"
ENGINES = {"ATOM": "atom", "ATOM-vLLM": "atom-vllm", "OOT": "atom-vllm", "ATOM-SGLang": "atom-sglang"}
"""Backends by their name on the dashboard; early entries name none and are ATOM's own engine."""
NIGHTLY_ACCELERATOR = "MI355X"
"""The accelerator of the nightly runners, for entries that do not name theirs, or as `AMD Radeon Graphics`."""

_FIGURE = re.compile(
    r"(?:(?P<backend>[\w-]+)::)?(?P<model>\S.*?)\s+(?P<isl>\d+)/(?P<osl>\d+)\s+c=(?P<users>\d+)\s+(?P<metric>\S.*)"
)
_EXTRA = re.compile(r"(Run|GPU|Docker): *([^|]+?) *(?:\||$)")
_GPU = re.compile(r"\bMI\d+\w*")
_CHECKPOINT = re.compile(r"-MTP-MoEFP4", re.IGNORECASE)
_VARIANT = re.compile(r"[-\s](?:(mtp|eagle|dspark)(\d*)|(tp|dp|ep)(\d+)|(dpa|tbo|aw))(?=[-\s]|$)", re.IGNORECASE)
_POOLS = re.compile(r"-PD-\d", re.IGNORECASE)
_PRECISIONS = {"mxfp4": "fp4", "fp4": "fp4", "mxfp8": "fp8", "fp8": "fp8"}
_NATIVE = {"deepseek-v4": "fp4", "deepseek": "fp8", "minimax": "fp8", "gpt-oss": "fp4", "kimi": "int4"}
"""Precision of the released weights, where the name does not state one; else bf16."""

_YEAR_3000_MS = 32_503_680_000_000
_LONGEST = 500
"""Characters of a name or a remark that are read."""

Run = dict[str, object]


def detects(parsed: Parsed) -> bool:
    """Lists of entries with a commit and figures, under `entries`."""
    return isinstance(parsed, dict) and isinstance(parsed.get("entries"), dict) and "lastUpdate" in parsed


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each run of each night; figures of other kinds, such as accuracy scores, are no runs."""
    suites = dig(parsed, "entries")
    lists = suites.values() if isinstance(suites, dict) else ()
    runs = [(night, run) for suite in lists if isinstance(suite, list) for night in suite for run in _runs(night)]
    if not runs:
        raise BadFile(f"{file} is a benchmark dashboard, but none of its figures is named as ROCm/ATOM names them")
    return [_reading(at, night, run) for at, (night, run) in enumerate(runs, start=1)]


def _runs(night: object) -> Iterator[Run]:
    """The runs of one night, each with its figures by metric and what the name and the remark say."""
    runs: dict[tuple[str, ...], Run] = {}
    benches = dig(night, "benches")
    for bench in benches if isinstance(benches, list) else []:
        if match := _FIGURE.fullmatch(str(dig(bench, "name"))[:_LONGEST]):
            of = match.groupdict()
            metric = of.pop("metric").split(" (")[0]
            run = runs.setdefault(tuple(map(str, of.values())), dict(of))
            run[metric] = dig(bench, "value")
            run |= _EXTRA.findall(str(dig(bench, "extra") or "")[:_LONGEST])
    yield from runs.values()


def _reading(at: int, night: object, run: Run) -> LevelReading:
    refused = _refused(run)
    if refused:
        return LevelReading(at, refused=f"{refused} ({run['model']}, {counted(float(str(run['users'])), 'user')})")
    commit = str(dig(night, "commit", "id") or "")[:9]
    stated = {
        **_variant(str(run["model"])),
        "engine": ENGINES[str(run["backend"] or "ATOM")],
        "engine_version": run.get("Docker") or f"commit {commit}",
        "date": _day(dig(night, "date")),
        "n_gpus": run.get("_gpu_count"),
        "disaggregated": False,
        "multinode": False,
        "isl": run["isl"],
        "osl": run["osl"],
        "load_kind": "closed",
        "concurrency": run["users"],
        "mean_ttft_s": scaled(run["TTFT"], 1e-3),
        "mean_tpot_s": scaled(run["TPOT"], 1e-3),
        **accepted(run.get("Accept Length")),
        "source_ref": run.get("Run") or f"commit {commit}",
    }
    stated["tp"] = run.get("_tp") or stated.get("tp") or run.get("_gpu_count")
    stated["notes"] = joined(f"named {run['model']}", f"commit {commit}", stated["notes"])
    if gpu := _GPU.search(str(run.get("GPU"))):
        stated["accelerator"] = gpu[0]
    return LevelReading(
        at,
        {key: value for key, value in stated.items() if value is not None},
        totals={"output": run["throughput"], "total": run["Total Tput"]},
        otherwise={
            "licence": LICENCE,
            "accelerator": NIGHTLY_ACCELERATOR,
            **drafted_at(run.get("Accept Length"), scaled(run.get("Acceptance Rate"), PERCENT)),
        },
    )


def _refused(run: Run) -> str:
    """Why a run is not an operating point."""
    if run["backend"] and run["backend"] not in ENGINES:
        return f"is of {run['backend']}, which is none of {', '.join(ENGINES)}"
    if _POOLS.search(str(run["model"])):
        return "is disaggregated, and the GPUs of its pools are not stated"
    for metric in ("throughput", "Total Tput", "TTFT", "TPOT"):
        if not number(run.get(metric)):
            return f"is a failed run: its {metric} is {run.get(metric, 'missing')}"
    return ""


def _variant(name: str) -> dict[str, object]:
    """The model with its precision, speculation and parallelism, out of a name such as `GLM-5.2-FP8 MTP3`."""
    plain = _CHECKPOINT.sub("", name)
    columns: dict[str, object] = {"speculative": "none", "ep": 1, "dp_attention": False}
    overlap = False
    for method, depth, size, n, mark in _VARIANT.findall(plain):
        if method:
            # The digit of EAGLE3 is its version; that of MTP3 is the number of drafted tokens.
            of_version = method.lower() == "eagle"
            columns["speculative"] = (method + depth if of_version else method).lower()
            columns["speculative_tokens"] = int(depth) if depth and not of_version else None
        elif size.lower() in ("tp", "ep"):
            columns[size.lower()] = int(n)
        columns["dp_attention"] = columns["dp_attention"] or size.lower() == "dp" or mark.lower() == "dpa"
        overlap = overlap or mark.lower() == "tbo"
    model = _VARIANT.sub("", plain)
    notes = "two-batch overlap" if overlap else None
    return columns | {"model": model, "model_variant": name, "precision": _precision(model.lower()), "notes": notes}


def _precision(model: str) -> str:
    stated = next((_PRECISIONS[part] for part in model.split("-") if part in _PRECISIONS), None)
    return stated or next((p for start, p in _NATIVE.items() if model.startswith(start)), "bf16")


def _day(milliseconds: object) -> str | None:
    """The day of a time stamp in milliseconds, UTC."""
    stamp = number(milliseconds)
    if stamp is None or not 0 <= stamp < _YEAR_3000_MS:
        return None
    return datetime.fromtimestamp(stamp / 1000, UTC).date().isoformat()
