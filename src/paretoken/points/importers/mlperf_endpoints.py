"""MLPerf Endpoints' `result_summary.json`: one run, latencies in ns.

Its `tpot` is (end - first chunk) / (tokens after the first chunk) of each request: the TPOT of this project where the
first chunk holds one token. Only tokens of the output are counted.
"""

from __future__ import annotations

from paretoken.points.importers.figures import error_rate, is_nothing, statistics, without_nothing
from paretoken.points.importers.reading import LevelReading, Parsed, dig, entries, failures, first, joined, nominal

NAME = "MLPerf Endpoints"
ORIGIN = "measured"
_NS = 1e-9
_LATENCIES = {"ttft": "ttft", "tpot": "tpot", "latency": "e2e"}
_PERCENTILES = {"90": "p90", "95": "p95", "99": "p99", "99.9": "p999"}


def detects(parsed: Parsed) -> bool:
    """Counts of samples beside the latencies."""
    return {"n_samples_issued", "n_samples_completed", "ttft", "latency"} <= first(parsed).keys()


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each run."""
    return [_reading(at, run) for at, run in enumerate(entries(parsed), start=1)]


def _reading(at: int, run: dict[str, object]) -> LevelReading:
    means = without_nothing(
        {
            f"mean_{side}": dig(run, f"{word}_sequence_lengths", "avg")
            for side, word in (("isl", "input"), ("osl", "output"))
        }
    )
    failed, sent = run.get("n_samples_failed"), run.get("n_samples_issued")
    stated = {
        **means,
        **_load(dig(run, "run_config", "load_pattern")),
        **{k: v for theirs, ours in _LATENCIES.items() for k, v in _latency(run.get(theirs), ours).items()},
        **error_rate(failed, sent),
        "notes": joined(failures(failed, sent), None if run.get("complete", True) else "the run is incomplete"),
    }
    return LevelReading(at, stated, without_nothing({"output": run.get("tps")}), nominal(means))


def _latency(distribution: object, ours: str) -> dict[str, object]:
    percentiles = dig(distribution, "percentiles")
    words = {word: dig(distribution, word) for word in ("avg", "median")}
    for key, word in _PERCENTILES.items():
        value = dig(percentiles, key)
        words[word] = dig(percentiles, f"{key}.0") if is_nothing(value) else value
    return statistics(words, ours, _NS)


def _load(pattern: object) -> dict[str, object]:
    kind = dig(pattern, "type")
    if kind == "max_throughput":
        return {"load_kind": "offline"}
    if kind in ("concurrency", "agentic_inference"):
        return {"load_kind": "closed", "concurrency": dig(pattern, "target_concurrency")}
    return {"load_kind": "open", "request_rate": dig(pattern, "target_qps")} if kind == "poisson" else {}
