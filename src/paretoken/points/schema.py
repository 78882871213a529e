"""The operating point: one row is one load level of one configuration.

Every column has a type, a unit and a rule. Columns marked `derived` are computed by
`points.derived` from the others and never read from a file.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal

import polars as pl

SCHEMA_VERSION = 2
ORIGINS = ("measured", "published", "predicted", "emulated")
LOAD_KINDS = ("closed", "open", "offline")
STATISTICS = ("mean", "median", "p90", "p95", "p99", "p999")
SESSION_STATISTICS = STATISTICS[:-1]
LATENCIES = {
    "ttft": "time to first token",
    "tpot": "time per output token after the first",
    "itl": "gap between token-carrying chunks",
    "e2e": "end-to-end latency",
}

Kind = Literal["str", "int", "float", "bool"]
DTYPES: dict[str, pl.DataType] = {"str": pl.String(), "int": pl.Int64(), "float": pl.Float64(), "bool": pl.Boolean()}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `rule` is "positive", "nonnegative" or a tuple of allowed values."""

    name: str
    kind: Kind
    doc: str
    unit: str = ""
    _: KW_ONLY
    required: bool = False
    rule: str | tuple[str, ...] | None = None
    derived: bool = False

    @property
    def dtype(self) -> pl.DataType:
        return DTYPES[self.kind]


def _identity() -> tuple[Column, ...]:
    return (
        Column("origin", "str", "where the figures come from", required=True, rule=ORIGINS),
        Column("source", "str", "collection or tool the row was taken from", required=True),
        Column("source_ref", "str", "the row's name inside its source"),
        Column("licence", "str", "what the row may be used for"),
        Column("date", "str", "ISO date or start..end of the runs"),
        Column("notes", "str", "free text"),
        Column(
            "receipt",
            "str",
            "SHA-256 of the run's receipt, where 'paretoken verify --mark' recomputed these figures on this machine",
        ),
    )


def _configuration() -> tuple[Column, ...]:
    return (
        Column("accelerator", "str", "catalog id", required=True),
        Column("n_gpus", "int", "GPUs that every per-GPU figure is divided by", "GPU", rule="positive"),
        Column("model", "str", "catalog id of the architecture", required=True),
        Column("model_variant", "str", "the model's name in the source"),
        Column("precision", "str", "precision of the weights: fp32, bf16, fp8, fp4, int4"),
        Column("engine", "str", "catalog id", required=True),
        Column("engine_version", "str", "version, image or 'median over runs'"),
        Column("tp", "int", "tensor parallel size; of the decode pool if disaggregated", rule="positive"),
        Column("ep", "int", "expert parallel size; of the decode pool if disaggregated", rule="nonnegative"),
        Column("dp_attention", "bool", "attention is data parallel; of the decode pool if disaggregated"),
        Column("prefill_tp", "int", "tensor parallel size of the prefill pool", rule="positive"),
        Column("prefill_ep", "int", "expert parallel size of the prefill pool", rule="nonnegative"),
        Column("prefill_dp_attention", "bool", "attention of the prefill pool is data parallel"),
        Column("speculative", "str", "speculative decoding: none, mtp, eagle3, ngram, …; null if not stated"),
        Column("speculative_tokens", "int", "tokens drafted a step, K; of a tree its depth", "tokens", rule="positive"),
        Column("draft_model", "str", "model that drafts the tokens, if it is one of its own"),
        Column("kv_cache_dtype", "str", "data type of the KV cache: bf16, fp8, …; null if not stated"),
        Column("chunked_prefill", "bool", "long prompts are prefilled in chunks beside the decoding"),
        Column("disaggregated", "bool", "prefill and decode run in separate pools"),
        Column("multinode", "bool", "more than one node"),
        Column("prefill_workers", "int", "instances of the prefill pool, if disaggregated", rule="positive"),
        Column("decode_workers", "int", "instances of the decode pool, if disaggregated", rule="positive"),
        Column("prefill_gpus", "int", "GPUs of the prefill pool, if disaggregated", "GPU", rule="positive"),
        Column("decode_gpus", "int", "GPUs of the decode pool, if disaggregated", "GPU", rule="positive"),
    )


def _workload() -> tuple[Column, ...]:
    return (
        Column(
            "workload",
            "str",
            "load of whole sessions that was played, its name and a hash; null for requests of the nominal lengths",
        ),
        Column("isl", "int", "nominal input length", "tokens", required=True, rule="positive"),
        Column("osl", "int", "nominal output length", "tokens", required=True, rule="positive"),
        Column("mean_isl", "float", "mean input length", "tokens", rule="positive"),
        Column("mean_osl", "float", "mean output length", "tokens", rule="positive"),
        Column(
            "load_kind", "str", "closed: N users; open: a rate; offline: all at once", required=True, rule=LOAD_KINDS
        ),
        Column(
            "concurrency",
            "float",
            "concurrent requests of a closed loop; for sessions, the mean in flight",
            "requests",
            rule="positive",
        ),
        Column("sessions", "float", "concurrent sessions of a closed loop", "sessions", rule="positive"),
        Column("request_rate", "float", "arrivals of an open loop", "req/s", rule="positive"),
    )


def _metrics() -> tuple[Column, ...]:
    throughput = tuple(
        Column(f"{side}_tput_per_gpu_tok_s", "float", f"{side} tokens per second per GPU", "tok/s/GPU", rule="positive")
        for side in ("total", "input", "output")
    )
    interval = tuple(
        Column(
            f"total_tput_per_gpu_tok_s_{end}",
            "float",
            f"{name} end of the 90 % interval of a prediction's throughput",
            "tok/s/GPU",
            rule="positive",
        )
        for end, name in (("lo", "lower"), ("hi", "upper"))
    )
    latency = tuple(
        Column(f"{stat}_{key}_s", "float", f"{stat} {doc}", "s", rule="positive")
        for key, doc in LATENCIES.items()
        for stat in STATISTICS
    )
    unstated = tuple(
        Column(f"{key}_s", "float", f"{LATENCIES[key]}, statistic not stated by the source", "s", rule="positive")
        for key in ("ttft", "tpot")
    )
    energy = (
        Column("avg_power_w", "float", "mean power per GPU while serving", "W", rule="positive"),
        Column("joules_per_output_token", "float", "GPU energy per output token", "J", rule="positive"),
    )
    roles = (
        Column(
            "input_tput_per_prefill_gpu_tok_s",
            "float",
            "input tokens per second per GPU of the prefill pool",
            "tok/s/GPU",
            rule="positive",
        ),
        Column(
            "output_tput_per_decode_gpu_tok_s",
            "float",
            "output tokens per second per GPU of the decode pool",
            "tok/s/GPU",
            rule="positive",
        ),
    )
    drafting = (
        Column(
            "acceptance_length",
            "float",
            "mean tokens that a verification step emits: 1 + accepted drafted tokens / steps, from 1 to K + 1",
            "tokens",
            rule="positive",
        ),
        Column(
            "acceptance_by_position",
            "str",
            "share of the steps that accept the token at each place of the draft, first to last, such as 0.8 0.6 0.4",
        ),
    )
    session_times = tuple(
        Column(f"{stat}_session_s", "float", f"{stat} time of a session that was done", "s", rule="positive")
        for stat in SESSION_STATISTICS
    )
    sessions = (
        *session_times,
        Column("sessions_per_gpu_hour", "float", "sessions done per hour per GPU", "sessions/h/GPU", rule="positive"),
        Column("cached_share", "float", "share of the prompt tokens found in the prefix cache", rule="nonnegative"),
        Column(
            "possible_share", "float", "share of the prompt tokens that an endless cache would hold", rule="nonnegative"
        ),
    )
    failed = Column("error_rate", "float", "share of the requests that failed; null if not stated", rule="nonnegative")
    return throughput + interval + roles + latency + unstated + energy + drafting + sessions + (failed,)


def _derived() -> tuple[Column, ...]:
    return (
        Column("tput_per_gpu", "float", "total tokens per second per GPU", "tok/s/GPU", derived=True),
        Column("input_tput_per_gpu", "float", "input tokens per second per GPU", "tok/s/GPU", derived=True),
        Column("output_tput_per_gpu", "float", "output tokens per second per GPU", "tok/s/GPU", derived=True),
        Column("tput_basis", "str", "stated, closed-loop (concurrency·tokens/E2E) or predicted", derived=True),
        Column("central_ttft_s", "float", "median, else unstated, else mean TTFT", "s", derived=True),
        Column("central_tpot_s", "float", "median, else unstated, else mean TPOT", "s", derived=True),
        Column("e2e_s", "float", "end-to-end latency of one request", "s", derived=True),
        Column("e2e_basis", "str", "measured, ttft+tpot, little or predicted", derived=True),
        Column("interactivity_tok_s", "float", "1 / central TPOT", "tok/s/user", derived=True),
        Column("speculation", "str", "speculative, or of a stated row that agrees, or unknown", derived=True),
        Column("software", "str", "engine release, else month or period of the run", derived=True),
        Column("suspicious", "str", "the rule that flags the row, null if none does", derived=True),
        Column("run", "int", "rows that are the same run share it", derived=True),
    )


COLUMNS: tuple[Column, ...] = _identity() + _configuration() + _workload() + _metrics() + _derived()
BY_NAME: dict[str, Column] = {c.name: c for c in COLUMNS}
STORED: tuple[Column, ...] = tuple(c for c in COLUMNS if not c.derived)

SESSION_FIGURES = (
    *(f"{stat}_session_s" for stat in SESSION_STATISTICS),
    "sessions_per_gpu_hour",
    "cached_share",
    "possible_share",
)
"""What is measured of a load of sessions."""

CONFIGURATION = tuple(c.name for c in _configuration() if c.name not in ("engine_version", "model_variant"))
"""What makes two rows the same configuration: everything set before the load is chosen."""

CONFIGURATION_AT_LENGTHS = (*CONFIGURATION, "workload", "isl", "osl")


def conform(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with every stored column, in order and of its type; absent ones are null.

    Other columns are dropped. Values are cast, not checked: see `points.check`.
    """
    have = set(frame.columns)
    return frame.select(
        (pl.col(c.name) if c.name in have else pl.lit(None)).cast(c.dtype).alias(c.name) for c in STORED
    )


def of_single_requests() -> pl.Expr:
    """Rows whose load was requests of the nominal lengths, not sessions: only these compare with each other by them."""
    return pl.col("workload").is_null()
