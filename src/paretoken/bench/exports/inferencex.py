"""InferenceX `agg_*.json`: throughput per GPU, latencies in seconds, interactivity in tok/s/user."""

from __future__ import annotations

from collections.abc import Mapping

from paretoken.bench.exports.shared import STATISTICS, Span, amounts, latencies, without_none
from paretoken.bench.stats.level_summary import LevelSummary, PointRow
from paretoken.errors import BadConfig


def inferencex(summary: LevelSummary, over: Span = "window") -> dict[str, object]:
    """One load level of a closed loop; BadConfig for an open one, which the form cannot hold."""
    point, load = summary.point, summary.load
    if load.kind != "closed":
        raise BadConfig("InferenceX results are closed loops; this level is an open loop: export it as vllm")
    span = amounts(summary, over)
    times = latencies(summary, over, "", 1.0)
    return {
        "hw": point["accelerator"],
        "conc": load.users,
        "image": point["engine_version"] or "",
        "model": point["model_variant"] or point["model"],
        "infmax_model_prefix": point["model"],
        "framework": point["engine"],
        "precision": point["precision"] or "",
        **without_none({"spec_decoding": point["speculative"]}),
        "disagg": bool(point["disaggregated"]),
        "is_multinode": bool(point["multinode"]),
        "isl": point["isl"],
        "osl": point["osl"],
        "date": point["date"],
        **_parallelism(point),
        "tput_per_gpu": span.total_tok_s_per_gpu,
        "output_tput_per_gpu": span.output_tok_s_per_gpu,
        "input_tput_per_gpu": span.input_tok_s_per_gpu,
        **times,
        **_interactivity(times),
        "measured_over": over,
    }


def _parallelism(point: PointRow) -> dict[str, object]:
    """TP as measured, else all GPUs; the number of GPUs beside it, since a reader divides by it."""
    tp = point["tp"] or point["n_gpus"]
    return without_none(
        {"tp": tp, "ep": point["ep"] or 1, "dp_attention": bool(point["dp_attention"]), "num_gpus": point["n_gpus"]}
    )


def _interactivity(times: Mapping[str, float]) -> dict[str, float]:
    """1 / TPOT of each statistic but the deviation: `p99_intvty` is the slow tail."""
    return {
        f"{name}_intvty": 1 / times[f"{name}_tpot"]
        for name in STATISTICS.values()
        if name != "std" and times.get(f"{name}_tpot")
    }
