"""SGLang `bench_serving` JSON lines: one object for each run, appended to the same file."""

from __future__ import annotations

from paretoken.points.importers.reading import (
    LevelReading,
    Parsed,
    dig,
    entries,
    failures,
    first,
    joined,
    latencies,
    load_of,
    mean_lengths,
    nominal,
    ratio,
)
from paretoken.points.server_config import sglang_config
from paretoken.points.values import number

NAME = "SGLang bench_serving"
ORIGIN = "measured"
_LATENCIES = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2e_latency": "e2e"}
_ENGINES = {"sglang": "sglang", "vllm": "vllm", "trt": "trtllm"}


def detects(parsed: Parsed) -> bool:
    """The only client that counts output tokens a second time, re-tokenised."""
    return "total_output_tokens_retokenized" in first(parsed)


def rows(parsed: Parsed, file: str) -> list[LevelReading]:
    """One reading for each run."""
    return [_reading(at, run) for at, run in enumerate(entries(parsed), start=1)]


def _reading(at: int, run: dict[str, object]) -> LevelReading:
    means = mean_lengths(run)
    load = load_of(run.get("request_rate"), run.get("max_concurrency"))
    stated = {
        **_nominal_lengths(run),
        **means,
        **load,
        **latencies(run, _LATENCIES),
        **_server(run.get("server_info")),
        "source_ref": run.get("tag"),
        "notes": joined(_failed(run), load.get("notes")),
    }
    totals = {
        "total": run.get("total_throughput"),
        "output": run.get("output_throughput"),
        "input": run.get("input_throughput", ratio(run.get("total_input_tokens"), run.get("duration"))),
    }
    engine = _ENGINES.get(str(run.get("backend") or "").split("-")[0])
    return LevelReading(at, stated, totals, {**nominal(means), **({"engine": engine} if engine else {})})


def _nominal_lengths(run: dict[str, object]) -> dict[str, object]:
    """The random data set's lengths; the file holds their defaults for every other data set too."""
    if not str(run.get("dataset_name", "")).startswith("random"):
        return {}
    return {side: run.get(f"random_{word}_len") for side, word in (("isl", "input"), ("osl", "output"))}


def _server(info: object) -> dict[str, object]:
    """Model, version and configuration as the server reports them; GPUs only for a single server."""
    if not isinstance(info, dict) or not info.get("model_path"):
        return {}
    tp, pp, dp = (number(info.get(key)) for key in ("tp_size", "pp_size", "dp_size"))
    stated = {"model": info["model_path"], "engine_version": info.get("version"), "tp": info.get("tp_size")}
    stated["ep"], attention = info.get("ep_size"), info.get("enable_dp_attention")
    if isinstance(attention, bool):
        stated["dp_attention"] = attention
    pools = info.get("disaggregation_mode") not in (None, "null")
    if tp and pp and dp and not pools:
        # Data-parallel attention reuses the GPUs of tensor parallelism; plain data parallelism adds its own.
        stated["n_gpus"] = tp * pp * (1 if attention else dp)
    return {key: value for key, value in stated.items() if value is not None} | sglang_config(info)


def _failed(run: dict[str, object]) -> str | None:
    """Failures, which only `--output-details` records, as error texts that are not empty."""
    errors = dig(run, "errors")
    return failures(sum(1 for e in errors if e), len(errors)) if isinstance(errors, list) else None
