"""inference-perf's lifecycle reports: `summary_lifecycle_metrics.json` and one for each stage or adapter.

All times are in seconds. TPOT is (last − first token) / (tokens − 1) of each request, as in this project. Its ITL is
the gap between tokens, and all tokens of a chunk come at once: where chunks hold several, most gaps are next to 0, and
the ITL is left out. The time per token with the wait for the first (`normalized_…`) is not read. The `config.yaml`
that the tool writes beside its reports states the model, the engine and the lengths; without it they are asked for.
"""

from __future__ import annotations

from pathlib import Path

from paretoken.errors import BadFile
from paretoken.plain_files import load_yaml
from paretoken.points.importers.figures import figure, lengths, merged, statistics
from paretoken.points.importers.reading import LevelCounts, LevelReading, Parsed, dig, entries, first
from paretoken.points.values import number

NAME = "inference-perf"
ORIGIN = "measured"
LATENCIES = {
    "time_to_first_token": "ttft",
    "time_per_output_token": "tpot",
    "inter_token_latency": "itl",
    "request_latency": "e2e",
}
_ENGINES = ("vllm", "sglang", "tgi")
_LONGEST = 100_000
_WITHIN_CHUNK = 0.1
"""A median gap below this share of the TPOT is within a chunk."""


def detects(parsed: Parsed) -> bool:
    """Requests that succeeded and that failed, apart, with latencies of the former."""
    document = first(parsed)
    successes = document.get("successes")
    return {"load_summary", "failures"} <= document.keys() and isinstance(successes, dict) and "latency" in successes


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading: a file is one stage, or all of them."""
    config = _config_beside(file)
    return [_reading(at, report, config) for at, report in enumerate(entries(parsed), start=1)]


def _reading(at: int, report: dict[str, object], config: object) -> LevelReading:
    good = dig(report, "successes")
    means = lengths(
        {
            "isl": dig(good, "prompt_len", "mean") or dig(good, "prompt_tokens", "mean"),
            "osl": dig(good, "output_len", "mean") or dig(good, "output_tokens", "mean"),
        }
    )
    latencies: dict[str, object] = {}
    for name, ours in LATENCIES.items():
        latencies |= statistics(dig(good, "latency", name), ours, 1.0)
    stated = merged(
        {"model": dig(config, "server", "model_name")},
        means,
        without_gaps_in_chunks(latencies),
        load_of_stage(dig(report, "load_summary")),
    )
    totals = {side: figure(dig(good, "throughput", f"{side}_tokens_per_sec")) for side in ("total", "input", "output")}
    counts = LevelCounts(completed=dig(good, "count"), failed=dig(report, "failures", "count"))
    return LevelReading(at, stated, totals, _from(config), counts=counts)


def without_gaps_in_chunks(columns: dict[str, object]) -> dict[str, object]:
    """The latencies, without the ITL where its median shows that most gaps are between tokens of the same chunk."""
    gap, pace = number(columns.get("median_itl_s")), number(columns.get("mean_tpot_s"))
    if gap is None or pace is None or gap > pace * _WITHIN_CHUNK:
        return columns
    kept = {key: value for key, value in columns.items() if not key.endswith("_itl_s")}
    return kept | {"notes": "ITL left out: most of its gaps are between tokens of the same chunk"}


def load_of_stage(summary: object) -> dict[str, object]:
    """Users where the stage holds a number of requests in flight, else its rate; nothing for all stages at once."""
    users, rate = number(dig(summary, "concurrency")), number(dig(summary, "requested_rate"))
    if users:
        return {"load_kind": "closed", "concurrency": users}
    return {"load_kind": "open", "request_rate": rate} if rate and rate > 0 else {}


def _config_beside(file: str) -> object:
    """The configuration in the same folder, None if there is none or it cannot be read."""
    path = Path(file).with_name("config.yaml")
    try:
        text = path.read_text(encoding="utf-8")
        return load_yaml(text, str(path)) if len(text) <= _LONGEST else None
    except (OSError, UnicodeDecodeError, BadFile):
        return None


def _from(config: object) -> dict[str, object]:
    """The engine and the nominal lengths of a configuration."""
    engine = dig(config, "server", "type")
    columns: dict[str, object] = {"engine": engine} if engine in _ENGINES else {}
    if dig(config, "data", "type") == "random":
        for side, name in (("isl", "input"), ("osl", "output")):
            mean = figure(dig(config, "data", f"{name}_distribution", "mean"))
            columns |= {} if mean is None else {side: round(mean)}
    return columns
