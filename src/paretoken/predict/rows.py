"""Predictions as operating points and as rows for people and programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.points.schema import conform
from paretoken.predict.arrays import Floats
from paretoken.predict.deployment import Case
from paretoken.predict.predictor import NOTHING_NEW, Predictions
from paretoken.significant import significant
from paretoken.version import __version__

SOURCE = f"paretoken {__version__} prediction"


def predicted_points(predictions: Predictions, catalog: Catalog | None = None) -> pl.DataFrame:
    """One operating point for each case, `origin` predicted; medians, in seconds.

    `notes` holds the interval and the stages of a pipeline.
    """
    catalog = catalog or load_catalog()
    low, high = predictions.band("tput")
    return conform(
        pl.DataFrame(
            [
                {
                    **configuration_columns(case, catalog),
                    "origin": "predicted",
                    "source": SOURCE,
                    "licence": "Apache-2.0; calibrated on published points, see ATTRIBUTION",
                    "notes": f"90 % interval of throughput {significant(low[i])} to {significant(high[i])} tok/s/GPU; "
                    f"new to the calibration: {', '.join(new_kinds(predictions.novelty[i])) or 'nothing'}"
                    + (f"; pipeline of {case.deployment.pp} stages" if case.deployment.pp > 1 else ""),
                    "mean_isl": case.lengths.mean_isl,
                    "mean_osl": case.lengths.mean_osl,
                    "load_kind": "closed",
                    "total_tput_per_gpu_tok_s": predictions.total_tput_per_gpu[i],
                    "total_tput_per_gpu_tok_s_lo": low[i],
                    "total_tput_per_gpu_tok_s_hi": high[i],
                    "input_tput_per_gpu_tok_s": predictions.total_tput_per_gpu[i] - predictions.output_tput_per_gpu[i],
                    "output_tput_per_gpu_tok_s": predictions.output_tput_per_gpu[i],
                    "median_ttft_s": predictions.ttft_s[i],
                    "mean_ttft_s": predictions.mean_ttft_s[i],
                    "p90_ttft_s": predictions.p90_ttft_s[i],
                    "p99_ttft_s": predictions.p99_ttft_s[i],
                    "median_tpot_s": None if np.isnan(predictions.tpot_s[i]) else predictions.tpot_s[i],
                    "median_e2e_s": predictions.e2e_s[i],
                }
                for i, case in enumerate(predictions.cases)
            ],
            infer_schema_length=None,
        )
    )


def configuration_columns(case: Case, catalog: Catalog) -> dict[str, object]:
    """The columns of an operating point that say what served which load."""
    d = case.deployment
    return {
        "date": d.date,
        "accelerator": d.accelerator,
        "n_gpus": case.gpus,
        "model": d.model,
        "precision": d.precision,
        "engine": d.engine,
        "tp": d.tp,
        "ep": d.ep,
        "dp_attention": d.dp_attention,
        "speculative": d.speculative,
        "speculative_tokens": d.speculative_tokens,
        "acceptance_length": d.acceptance_length,
        "draft_model": d.draft_model or None,
        "disaggregated": False,
        "multinode": d.gpus > catalog.accelerators[d.accelerator].max_scaleup_gpus,
        "isl": case.lengths.isl,
        "osl": case.lengths.osl,
        "concurrency": case.concurrency,
    }


RESULTS = {
    "total_tput_per_gpu_tok_s": ("tput", 1.0),
    "output_tput_per_gpu_tok_s": ("output", 1.0),
    "median_ttft_ms": ("ttft", 1e3),
    "mean_ttft_ms": ("mean_ttft", 1e3),
    "p90_ttft_ms": ("p90_ttft", 1e3),
    "p99_ttft_ms": ("p99_ttft", 1e3),
    "median_tpot_ms": ("tpot", 1e3),
    "median_e2el_ms": ("e2e", 1e3),
}
"""Columns of a prediction: the figure that each holds, and the factor to its unit (seconds to ms)."""


KNOWN_LAYOUT = "load"
"""What a load of a known layout of pools is called, where nothing else is new."""
_CELL = "this accelerator, engine, model and precision together"


def new_kinds(kinds: Sequence[str]) -> list[str]:
    """The kinds in which a case is new to the calibration, without those that mean none."""
    return [kind for kind in kinds if kind not in (*NOTHING_NEW, KNOWN_LAYOUT)]


def kinds_text(kinds: Sequence[str]) -> str:
    """The kinds for a sentence, with a cell spelled out."""
    return ", ".join(_CELL if kind == "cell" else kind for kind in kinds)


def result_rows(predictions: Predictions) -> list[dict[str, float | None]]:
    """The figures of every case with the ends of their 90 % interval as `_lo` and `_hi`; None for what is undefined."""
    tput = predictions.band("tput")
    share = predictions.output_tput_per_gpu / predictions.total_tput_per_gpu
    middle = {
        "tput": predictions.total_tput_per_gpu,
        "output": predictions.output_tput_per_gpu,
        "ttft": predictions.ttft_s,
        "mean_ttft": predictions.mean_ttft_s,
        "p90_ttft": predictions.p90_ttft_s,
        "p99_ttft": predictions.p99_ttft_s,
        "tpot": predictions.tpot_s,
        "e2e": predictions.e2e_s,
    }
    band = {
        "tput": tput,
        "output": (tput[0] * share, tput[1] * share),
        **{k: predictions.band(k) for k in ("ttft", "mean_ttft", "p90_ttft", "p99_ttft", "tpot", "e2e")},
    }
    return figure_rows({key: (values, *band[key]) for key, values in middle.items()})


def figure_rows(figures: Mapping[str, Sequence[Floats]]) -> list[dict[str, float | None]]:
    """The columns `RESULTS` of some figures: of each its middle, lower and upper values, shape (n,); None for NaN."""
    return [
        {
            f"{name}{suffix}": None if np.isnan(values[i]) else float(values[i] * factor)
            for name, (key, factor) in RESULTS.items()
            if key in figures
            for suffix, values in zip(("", "_lo", "_hi"), figures[key], strict=True)
        }
        for i in range(len(figures["tput"][0]))
    ]
