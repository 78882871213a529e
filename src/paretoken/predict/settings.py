"""The settings that an engine is started with."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Annotated, ClassVar, get_args, get_type_hints

from paretoken.catalog.description import Description
from paretoken.errors import BadConfig, shown

KV_DTYPES = ("bf16", "fp8", "fp4")
PREFILL_COUNTS = 1000
"""Steps of its receive interval that SGLang counts for one with a prefill; for a decode step it counts 1
(SGLANG_SCHEDULER_RECV_SKIPPER_WEIGHT_DEFAULT and _DECODE in sglang/srt/environ.py)."""
_KV_NAMES = {
    **dict.fromkeys(("fp16", "float16", "half", "bfloat16"), "bf16"),
    **dict.fromkeys(("fp8_e4m3", "fp8_e5m2", "fp8_inc", "fp8_ds_mla", "float8", "float8_e4m3fn", "int8"), "fp8"),
    **dict.fromkeys(("nvfp4", "mxfp4", "fp4_e2m1"), "fp4"),
}
"""Names that engines use for the formats; int8 takes as much memory as fp8."""
MAX_COUNT = 1_000_000_000
"""Upper bound of every count, far above what engines accept."""
_KV_LINES = re.compile(
    r"GPU KV cache size:\s*([\d,]+)|max_total_num_tokens\s*[=:]\s*([\d,]+)|#tokens:\s*([\d,]+)"
    r"|max tokens in paged KV cache \(([\d,]+)\)"
)
"""Lines that vLLM, SGLang (two forms) and TensorRT-LLM print when they have allocated the cache."""
OTHER_NAMES = {
    "kv_dtype": ("kv_cache_dtype",),
    "memory_utilization": ("gpu_memory_utilization", "mem_fraction_static"),
    "max_batched_tokens": ("max_num_batched_tokens",),
    "context_parallel": ("cp",),
    "receive_interval": ("scheduler_recv_interval",),
    "batch_wait": ("batch_wait_timeout_iters",),
}
"""Names of settings in options and CSV columns, as engines write them; the first is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Settings of a server; by default the engine's own (see `engine_defaults`).

    With attention data parallelism, the limits of one engine are those of one rank.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    kv_dtype: Annotated[
        str | None, Description("Format of the KV cache: auto, bf16, fp16, fp8, nvfp4, …; auto is the engine's default")
    ] = None
    memory_utilization: Annotated[
        float | None, Description("Share of a GPU's memory that the engine may take, above 0 and at most 1")
    ] = None
    max_num_seqs: Annotated[int | None, Description("Maximum number of running sequences of one engine")] = None
    max_batched_tokens: Annotated[int | None, Description("Maximum number of tokens in one step of one engine")] = None
    max_model_len: Annotated[int | None, Description("Maximum tokens of a request, input and output")] = None
    prefix_hits: Annotated[float, Description("Share of each prompt that the prefix cache holds, 0 to 1")] = 0.0
    kv_tokens: Annotated[
        int | None, Description("Capacity of the KV cache of one engine, tokens, as its log prints it")
    ] = None
    weights_gb: Annotated[
        float | None,
        Description("Size of the whole checkpoint, GB (10^9 bytes); changes the memory, not the time of a step"),
    ] = None
    enforce_eager: Annotated[
        bool, Description("Run without CUDA or HIP graphs; changes the memory, not the time of a step")
    ] = False
    redundant_experts: Annotated[int, Description("Extra copies of experts in each MoE layer")] = 0
    two_batch_overlap: Annotated[
        bool, Description("Run two halves of a batch in turns, one exchanging activations while the other computes")
    ] = False
    context_parallel: Annotated[int, Description("GPUs that share the tokens of one prompt (context parallelism)")] = 1
    receive_interval: Annotated[int, Description("Interval, in steps, at which SGLang polls for new requests")] = 1
    batch_wait: Annotated[
        int, Description("Maximum number of steps that TensorRT-LLM waits to batch new requests together")
    ] = 0

    @property
    def receive_steps(self) -> int:
        """Decode steps between two looks for requests, where the prefill of some follows each look."""
        interval = self.receive_interval
        return interval - PREFILL_COUNTS if interval > PREFILL_COUNTS else interval

    def resolved(self) -> EngineSettings:
        """The settings with our own name for the format of the KV cache."""
        return self if self.kv_dtype is None else replace(self, kv_dtype=kv_dtype_id(self.kv_dtype))

    def check(self) -> None:
        """BadConfig names the first setting that no engine accepts."""
        if self.kv_dtype is not None and self.kv_dtype not in KV_DTYPES:
            raise BadConfig(
                f"kv_cache_dtype {shown(self.kv_dtype)!r} is unknown; use one of auto, {', '.join(KV_DTYPES)}"
            )
        if self.memory_utilization is not None and not 0 < self.memory_utilization <= 1:
            raise BadConfig(
                f"{shown_name('memory_utilization')} is {self.memory_utilization:g}; it is a share of the memory, "
                "above 0 and at most 1"
            )
        if not 0 <= self.prefix_hits <= 1:
            raise BadConfig(f"prefix_hits is {self.prefix_hits:g}; it is a share of each prompt, from 0 to 1")
        sizes = ("max_num_seqs", "max_batched_tokens", "max_model_len", "kv_tokens", "weights_gb")
        for name in (*sizes, "context_parallel", "receive_interval"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise BadConfig(f"{shown_name(name)} is {value:g}; it must be above 0")
            if value is not None and value > MAX_COUNT:
                raise BadConfig(f"{shown_name(name)} is {value:,.15g}; it must not be above {MAX_COUNT:,}")
        for name in ("redundant_experts", "batch_wait"):
            if getattr(self, name) < 0:
                raise BadConfig(f"{shown_name(name)} is {getattr(self, name)}; it must be 0 or more")


DEFAULT = EngineSettings()


def recipe_kv_dtype(precision: str) -> str:
    """The KV cache format of the recipes of published points: FP8 where weights have eight or four bits."""
    return "fp8" if precision in ("fp8", "fp4") else "bf16"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingField:
    """One setting: its name, what it holds (`kind` is bool, int, float or str), and what it means."""

    name: str
    kind: type
    default: bool | int | float | str | None
    text: str


def setting_fields() -> tuple[SettingField, ...]:
    """Every setting, in order."""
    hints = get_type_hints(EngineSettings, include_extras=True)
    described = []
    for field in fields(EngineSettings):
        kind, description = get_args(hints[field.name])
        described.append(
            SettingField(
                name=field.name,
                kind=next((k for k in get_args(kind) if k is not type(None)), kind),
                default=getattr(DEFAULT, field.name),
                text=description.text,
            )
        )
    return tuple(described)


def shown_name(name: str) -> str:
    """The name of a setting as options and columns write it."""
    return OTHER_NAMES.get(name, (name,))[0]


def kv_dtype_id(text: str) -> str | None:
    """Our name for a format of the KV cache; None for auto. An unknown name is returned in lower case."""
    word = text.strip().lower()
    return None if word == "auto" else _KV_NAMES.get(word, word)


def kv_tokens_in(text: str) -> int:
    """The capacity of a KV cache in tokens, from a number or from a line of a server's log; BadConfig otherwise."""
    line = _KV_LINES.search(text)
    figure = next(filter(None, line.groups())) if line else text
    digits = figure.strip().replace(",", "").replace("_", "")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 16):
        raise BadConfig(
            f"kv_tokens is {shown(text)!r}; give the number of tokens, or the line of the server's log, such as "
            "'GPU KV cache size: 178,880 tokens' or 'max_total_num_tokens=178880'"
        )
    return int(digits)
