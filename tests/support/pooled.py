"""Made-up frontiers of disaggregated serving: two predicted curves, and points that were run."""

from __future__ import annotations

from dataclasses import fields, replace

from paretoken.answers.pool_frontiers import PoolFrontiers
from paretoken.answers.pool_rivals import AggregatedRow, MeasuredRow
from paretoken.answers.pools import PooledRow


def pooled_row(interactivity: float, tput: float, layout: str = "4xDEP4+1xDEP32", gpus: int = 48) -> PooledRow:
    """A prediction with an interval of a factor of 1.5 to either side; what no figure shows is None."""
    figures = {
        "layout": layout,
        "accelerator": "GB200",
        "n_gpus": gpus,
        "model": "deepseek-r1",
        "precision": "fp4",
        "engine": "dynamo-trtllm",
        "isl": 8192,
        "osl": 1024,
        "concurrency": 256,
        "origin": "predicted",
        "new_to_calibration": ["cell"],
        "total_tput_per_gpu_tok_s": tput,
        "total_tput_per_gpu_tok_s_lo": tput / 1.5,
        "total_tput_per_gpu_tok_s_hi": tput * 1.5,
        "median_ttft_ms": 800,
        "median_tpot_ms": 1e3 / interactivity,
        "interactivity_tok_s": interactivity,
    }
    return PooledRow(**dict.fromkeys(f.name for f in fields(PooledRow)) | figures)


def aggregated_row(interactivity: float, tput: float, factor: float = 2.0) -> AggregatedRow:
    """A prediction with an interval of `factor` to either side."""
    return AggregatedRow(
        layout="9xTP8",
        engine="trtllm",
        n_gpus=72,
        idle_gpus=0,
        concurrency=128,
        origin="predicted",
        new_to_calibration=[],
        total_tput_per_gpu_tok_s=tput,
        total_tput_per_gpu_tok_s_lo=tput / factor,
        total_tput_per_gpu_tok_s_hi=tput * factor,
        median_ttft_ms=900,
        median_tpot_ms=1e3 / interactivity,
        interactivity_tok_s=interactivity,
    )


def run_row(interactivity: float, tput: float, **changes: object) -> MeasuredRow:
    row = MeasuredRow(
        serving="disaggregated",
        layout="2xDEP8+1xDEP16",
        engine="dynamo-trtllm",
        n_gpus=32,
        concurrency=200,
        origin="published",
        source="somebody",
        date="2026-07-01",
        total_tput_per_gpu_tok_s=tput,
        central_ttft_ms=None,
        central_tpot_ms=1e3 / interactivity,
        interactivity_tok_s=interactivity,
    )
    return replace(row, **changes)


def planted_frontiers(**changes: object) -> PoolFrontiers:
    """Curves over 10 to 100 tokens/s and user on GB200, and three points that were run."""
    frontiers = PoolFrontiers(
        model="deepseek-r1",
        precision="fp4",
        accelerator="GB200",
        engine="dynamo-trtllm",
        isl=8192,
        osl=1024,
        gpus=72,
        predicted=(pooled_row(100, 1000), pooled_row(50, 4000), pooled_row(10, 9000, "8xTEP4+1xDEP32", 64)),
        aggregated=(aggregated_row(100, 1500), aggregated_row(10, 6000)),
        no_aggregated=None,
        measured=(
            run_row(60, 3000),
            run_row(20, 8000, origin="measured"),
            run_row(40, 2500, serving="aggregated", layout="TP8", n_gpus=8),
        ),
        crossings_tok_s=(81.25,),
    )
    return replace(frontiers, **changes)
