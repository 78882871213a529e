"""MLPerf LoadGen's `mlperf_log_summary.txt`: one run of one scenario, latencies in ns.

Its time to (or per) output token is (latency - first token) / (tokens - 1) of each sample: the TPOT of this project.
The server scenario sends an open loop at `target_qps`, offline sends all at once, single stream is a closed loop of
one. Only tokens of the output are counted, and the summary names neither the model nor the length of the prompts.
"""

from __future__ import annotations

import re

from paretoken.points.importers.figures import without_nothing
from paretoken.points.importers.reading import LevelReading, nominal, ratio, scaled

NAME = "MLPerf LoadGen"
ORIGIN = "measured"
_HEADING = "MLPerf Results Summary"
_HEAD = 2_000
_SEPARATOR = re.compile(r"\s*:\s*")
_LATENCY = re.compile(r"(mean|[\d.]+ percentile) (.+) \(ns\)")
_METRICS = {
    "latency": "e2e",
    "first token latency": "ttft",
    "time to output token": "tpot",
    "time per output token": "tpot",
}
_STATISTICS = {
    "mean": "mean",
    "50.00 percentile": "median",
    "90.00 percentile": "p90",
    "95.00 percentile": "p95",
    "99.00 percentile": "p99",
    "99.90 percentile": "p999",
}
_OUTPUT_RATES = ("completed tokens per second", "tokens per second", "tps w/ loadgen overhead")
_SAMPLE_RATES = ("completed samples per second", "samples per second", "qps w/ loadgen overhead")
_MET = " satisfied"
_OPEN = ("server", "interactive")


def detects_text(text: str) -> bool:
    """The heading of a summary."""
    return _HEADING in text[:_HEAD]


def text_rows(text: str, file: str) -> list[LevelReading]:
    """One reading: a summary is one run."""
    lines = _lines(text)
    if lines.get("mode") == "AccuracyOnly":
        return [LevelReading(1, refused="is an accuracy run, which LoadGen does not time; give a performance run")]
    output, samples = (_first(lines, names) for names in (_OUTPUT_RATES, _SAMPLE_RATES))
    osl = ratio(output, samples)
    load = _load(lines)
    stated = {
        **load,
        **without_nothing(_latencies(lines)),
        # The rate of samples leaves out the last one, except offline, where it counts them all.
        **({"mean_osl": osl} if load.get("load_kind") == "offline" else {}),
        "source_ref": " ".join(lines[key] for key in ("sut name", "scenario") if key in lines),
        "notes": _invalid(lines),
    }
    return [LevelReading(1, stated, without_nothing({"output": output}), nominal({"mean_osl": osl}))]


def _lines(text: str) -> dict[str, str]:
    """The values of the summary by their names in small letters; the first of a name counts."""
    lines: dict[str, str] = {}
    for line in text.splitlines():
        name, *value = _SEPARATOR.split(line.strip(), maxsplit=1)
        if value and value[0]:
            lines.setdefault(name.casefold(), value[0])
    return lines


def _first(lines: dict[str, str], names: tuple[str, ...]) -> str | None:
    return next((lines[name] for name in names if name in lines), None)


def _latencies(lines: dict[str, str]) -> dict[str, object]:
    columns: dict[str, object] = {}
    for name, value in lines.items():
        match = _LATENCY.fullmatch(name)
        metric, statistic = (_METRICS.get(match[2]), _STATISTICS.get(match[1])) if match else (None, None)
        if metric and statistic:
            columns[f"{statistic}_{metric}_s"] = scaled(value, 1e-9)
    return columns


def _load(lines: dict[str, str]) -> dict[str, object]:
    scenario = lines.get("scenario", "").casefold()
    if scenario == "offline":
        return {"load_kind": "offline"}
    if scenario == "singlestream":
        return {"load_kind": "closed", "concurrency": 1}
    return {"load_kind": "open", "request_rate": lines.get("target_qps")} if scenario in _OPEN else {}


def _invalid(lines: dict[str, str]) -> str | None:
    """A note on a run that breaks MLPerf's own rules."""
    if lines.get("result is") != "INVALID":
        return None
    broken = [name.removesuffix(_MET) for name, met in lines.items() if name.endswith(_MET) and met.casefold() == "no"]
    return "MLPerf counts the run as INVALID" + (f"; not met: {', '.join(broken)}" if broken else "")
