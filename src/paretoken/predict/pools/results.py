"""Predictions for disaggregated deployments as rows of figures and as operating points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.points.schema import conform
from paretoken.predict.pools.layout import PooledCase, Pools
from paretoken.predict.pools.predictor import PoolPredictions
from paretoken.predict.rows import SOURCE, figure_rows, new_kinds
from paretoken.significant import significant


def pool_result_rows(predictions: PoolPredictions) -> list[dict[str, float | None]]:
    """The figures of every case with the ends of their 90 % interval as `_lo` and `_hi`."""
    tput = predictions.band("tput")
    share = predictions.output_tput_per_gpu / predictions.total_tput_per_gpu
    s = predictions.state
    figures = {
        "tput": (predictions.total_tput_per_gpu, *tput),
        "output": (predictions.output_tput_per_gpu, tput[0] * share, tput[1] * share),
        "ttft": (s.ttft_s, *(s.ttft_s / s.mean_ttft_s * x for x in predictions.band("mean_ttft"))),
        "mean_ttft": (s.mean_ttft_s, *predictions.band("mean_ttft")),
        "tpot": (s.tpot_s, *predictions.band("tpot")),
        "e2e": (s.e2e_s, *predictions.band("e2e")),
    }
    return figure_rows(figures)


@dataclass(frozen=True, kw_only=True)
class PoolConfiguration:
    """A disaggregated deployment: its layout as text, and in the columns of an operating point.

    `tp`, `ep` and `dp_attention` are those of the decode pool.
    """

    layout: str
    accelerator: str
    n_gpus: int
    model: str
    precision: str
    engine: str
    tp: int
    ep: int
    dp_attention: bool
    prefill_tp: int
    prefill_ep: int
    prefill_dp_attention: bool
    prefill_workers: int
    decode_workers: int
    prefill_gpus: int
    decode_gpus: int
    speculative: str
    speculative_tokens: int | None
    acceptance_length: float | None


def pool_configuration(pools: Pools) -> PoolConfiguration:
    """The configuration of two pools."""
    p, d = pools.prefill, pools.decode
    return PoolConfiguration(
        layout=pools.layout,
        accelerator=pools.accelerator,
        n_gpus=pools.gpus,
        model=pools.model,
        precision=d.precision,
        engine=pools.engine,
        tp=d.tp,
        ep=d.ep,
        dp_attention=d.dp_attention,
        prefill_tp=p.tp,
        prefill_ep=p.ep,
        prefill_dp_attention=p.dp_attention,
        prefill_workers=pools.prefill_workers,
        decode_workers=pools.decode_workers,
        prefill_gpus=pools.prefill_gpus,
        decode_gpus=pools.decode_gpus,
        speculative=d.speculative,
        speculative_tokens=d.speculative_tokens,
        acceptance_length=d.acceptance_length,
    )


def pool_points(predictions: PoolPredictions, catalog: Catalog) -> pl.DataFrame:
    """One operating point for each case, `origin` predicted; seconds. `notes` has the layout and the interval."""
    rows = pool_result_rows(predictions)
    return conform(
        pl.DataFrame(
            [
                _point(c, kinds, row, catalog)
                for c, kinds, row in zip(predictions.cases, predictions.novelty, rows, strict=True)
            ],
            infer_schema_length=None,
        )
    )


def _point(case: PooledCase, kinds: Sequence[str], row: dict[str, float | None], catalog: Catalog) -> dict[str, object]:
    total, output = row["total_tput_per_gpu_tok_s"] or 0.0, row["output_tput_per_gpu_tok_s"] or 0.0
    low, high = row["total_tput_per_gpu_tok_s_lo"], row["total_tput_per_gpu_tok_s_hi"]
    latencies = {f"median_{name}_s": _seconds(row[f"median_{word}_ms"]) for name, word in _LATENCIES.items()}
    node = catalog.accelerators[case.pools.decode.accelerator].gpus_per_node
    configuration = asdict(pool_configuration(case.pools))
    layout = configuration.pop("layout")
    return {
        **configuration,
        "disaggregated": True,
        "date": case.pools.decode.date,
        "multinode": case.pools.gpus > node,
        "isl": case.lengths.isl,
        "osl": case.lengths.osl,
        "mean_isl": case.lengths.mean_isl,
        "mean_osl": case.lengths.mean_osl,
        "load_kind": "closed",
        "concurrency": case.concurrency,
        "origin": "predicted",
        "source": SOURCE,
        "licence": "Apache-2.0; calibrated on published points, see ATTRIBUTION",
        "notes": f"{layout}; 90 % interval of throughput {significant(low)} to {significant(high)} tok/s/GPU; "
        f"new to the calibration: {', '.join(new_kinds(kinds)) or 'nothing'}",
        "total_tput_per_gpu_tok_s": total,
        "input_tput_per_gpu_tok_s": total - output,
        "output_tput_per_gpu_tok_s": output,
        **latencies,
        "mean_ttft_s": _seconds(row["mean_ttft_ms"]),
    }


_LATENCIES = {"ttft": "ttft", "tpot": "tpot", "e2e": "e2el"}


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1e3
