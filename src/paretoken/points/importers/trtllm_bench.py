"""`trtllm-bench throughput` and `latency` with `--report_json`: one report for each run.

Times are in milliseconds. TPOT is (E2E − TTFT) / (tokens − 1) of each request, as in this project; without streaming
neither TTFT nor TPOT is measured. `output_throughput_per_user_tok_s` and what follows from other figures is not read.
The limit of requests in flight is not in a report. Where all requests were sent before a mean one ended, the run is
offline; else the mean number in flight stands in for the users, until the user states them.
"""

from __future__ import annotations

from paretoken.catalog.names import PRECISIONS, precision_id
from paretoken.plural import quantity
from paretoken.points.importers.drafting import accepted, drafted_at
from paretoken.points.importers.figures import figure, lengths, merged, statistics
from paretoken.points.importers.reading import LevelReading, Parsed, dig, entries, first
from paretoken.points.server_config import kv_cache_dtype
from paretoken.points.values import number

NAME = "trtllm-bench"
ORIGIN = "measured"
_MS = 1e-3
_MEAN_LATENCY = "avg_request_latency_ms"
_QUANTISATIONS = {"w4a16_awq": "int4", "w4a8_awq": "int4", "w4a16_gptq": "int4", "w4a16": "int4"}
_MODES = {"mtp": "mtp", "eagle": "eagle", "medusa": "medusa", "ngram": "ngram", "lookahead": "lookahead"}


def detects(parsed: Parsed) -> bool:
    """The engine, its world of GPUs and the performance of the system."""
    report = first(parsed)
    return all(isinstance(report.get(key), dict) for key in ("engine", "world_info", "performance"))


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each report."""
    return [_reading(at, report) for at, report in enumerate(entries(parsed), start=1)]


def _reading(at: int, report: dict[str, object]) -> LevelReading:
    requests = report.get("request_info")
    means = lengths({side: dig(requests, f"avg_{word}_length") for side, word in (("isl", "input"), ("osl", "output"))})
    performance = report["performance"]
    totals = {side: figure(dig(performance, f"system_{side}_throughput_tok_s")) for side in ("total", "output")}
    load = _load(report)
    length, rate = (
        figure(dig(report, "decoding_stats", f"{name}_percentiles", "average"))
        for name in ("acceptance_length", "draft_acceptance_rate")
    )
    stated = merged(
        _configuration(report),
        means,
        _latencies(report),
        accepted(length),
        {"notes": _pipeline(report)},
        load if load.get("load_kind") == "offline" else {"notes": load.get("notes")},
    )
    otherwise: dict[str, object] = {
        "engine": "trtllm",
        "speculative": "none" if report.get("decoding_stats") is None else None,
        **{key: load[key] for key in ("load_kind", "concurrency") if key in load},
        **drafted_at(length, rate),
    }
    return LevelReading(at, stated, totals, {key: value for key, value in otherwise.items() if value is not None})


def _configuration(report: dict[str, object]) -> dict[str, object]:
    engine, world, mode = report["engine"], report["world_info"], dig(report, "decoding_stats", "mode")
    speculative = next((ours for word, ours in _MODES.items() if word in str(mode).lower()), None)
    return {
        "model": next((n for n in (dig(engine, "model"), dig(engine, "model_path")) if _is_name(n)), None),
        "accelerator": dig(report, "machine", "name"),
        "engine_version": dig(engine, "version"),
        "precision": _precision(dig(engine, "quantization"), dig(engine, "dtype")),
        "kv_cache_dtype": kv_cache_dtype(dtype) if _is_name(dtype := dig(engine, "kv_cache_dtype")) else None,
        "n_gpus": figure(dig(world, "world_size")),
        "tp": figure(dig(world, "tp_size")),
        "ep": figure(dig(world, "ep_size")),
        "speculative": speculative if mode else None,
    }


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value not in ("", "None")


def _precision(quantisation: object, dtype: object) -> str | None:
    """Of the weights: that of the quantisation, or the data type where there is none."""
    word = str(quantisation).lower() if quantisation and str(quantisation) != "None" else str(dtype or "")
    known = _QUANTISATIONS.get(word) or precision_id(word.split("_")[0])
    return known if known in PRECISIONS else None


def _latencies(report: dict[str, object]) -> dict[str, object]:
    """Statistics of the requests; old reports call TPOT `itl` and hold means alone."""
    performance, streaming = report["performance"], report.get("streaming_metrics")
    e2e = {"mean": dig(performance, _MEAN_LATENCY)}
    ttft, tpot = {"mean": dig(streaming, "avg_ttft_ms")}, {"mean": dig(streaming, "avg_tpot_ms")}
    return {
        **statistics(e2e, "e2e", _MS),
        **statistics(dig(performance, "request_latency_percentiles_ms"), "e2e", _MS),
        **statistics(ttft, "ttft", _MS),
        **statistics(dig(streaming, "ttft_percentiles"), "ttft", _MS),
        **statistics(tpot, "tpot", _MS),
        **statistics(dig(streaming, "tpot_percentiles") or dig(streaming, "itl_percentiles"), "tpot", _MS),
    }


def _load(report: dict[str, object]) -> dict[str, object]:
    """Offline where all were sent at once, else the mean number of requests in flight as users.

    The report's `issue_rate` is 1e9 times the nanoseconds between two requests, whatever its name.
    """
    info, performance = report.get("request_info"), report["performance"]
    in_flight, requests = (figure(dig(info, key)) for key in ("avg_num_concurrent_requests", "num_requests"))
    rate, latency_ms = number(dig(report, "world_info", "issue_rate")), figure(dig(performance, _MEAN_LATENCY))
    if rate is not None and requests and latency_ms and rate * 1e-9 * requests * 1e-6 < latency_ms:
        return {"load_kind": "offline"}
    if in_flight is None:
        return {}
    notes = f"{quantity(in_flight, 'request')} in flight on average; the report does not state their limit"
    return {"load_kind": "closed", "concurrency": in_flight, "notes": notes}


def _pipeline(report: dict[str, object]) -> str | None:
    size = number(dig(report, "world_info", "pp_size"))
    return f"pipeline parallel size {size:.0f}" if size and size > 1 else None
