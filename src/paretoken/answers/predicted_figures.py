"""The columns that predictions of aggregated and of disaggregated serving share.

Figures have the ends of their 90 % interval as `_lo` and `_hi`; None is undefined. Medians and other quantiles cover
the steady part of a run. The mean TTFT covers a whole run of ten requests for each user, whose first requests all
arrive at once.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PredictedLoad:
    """The load of a row, the origin of its figures, and which of its kinds the calibration has no data for."""

    isl: int
    osl: int
    length_range_ratio: float
    concurrency: float
    origin: str
    new_to_calibration: list[str]


@dataclass(frozen=True, kw_only=True)
class ThroughputAndTtft:
    """Tokens per second and GPU, and the time to first token."""

    total_tput_per_gpu_tok_s: float | None
    total_tput_per_gpu_tok_s_lo: float | None
    total_tput_per_gpu_tok_s_hi: float | None
    output_tput_per_gpu_tok_s: float | None
    output_tput_per_gpu_tok_s_lo: float | None
    output_tput_per_gpu_tok_s_hi: float | None
    median_ttft_ms: float | None
    median_ttft_ms_lo: float | None
    median_ttft_ms_hi: float | None
    mean_ttft_ms: float | None
    mean_ttft_ms_lo: float | None
    mean_ttft_ms_hi: float | None


@dataclass(frozen=True, kw_only=True)
class TpotAndE2e:
    """Time per output token after the first, and the latency of a whole request."""

    median_tpot_ms: float | None
    median_tpot_ms_lo: float | None
    median_tpot_ms_hi: float | None
    median_e2el_ms: float | None
    median_e2el_ms_lo: float | None
    median_e2el_ms_hi: float | None
