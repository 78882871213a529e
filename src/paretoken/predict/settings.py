"""What an engine is told when it is started."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.errors import BadConfig

KV_DTYPES = ("bf16", "fp8", "fp4")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Settings of a server; None is the engine's own default (see `engine_defaults`).

    `kv_dtype` is one of `KV_DTYPES`. `memory_utilization` is the share of a GPU's memory that the engine may take.
    `max_num_seqs`, `max_batched_tokens` (of one step) and `kv_tokens` (what its log prints as the size of the KV cache)
    are of one engine: with attention data parallelism, of one rank. `prefix_hits` is the share of each prompt that the
    prefix cache holds. `weights_gb` is the size of the whole checkpoint, 10^9 bytes. `redundant_experts` are further
    copies of experts, of all layers alike. `context_parallel` GPUs share the tokens of one prompt.
    """

    kv_dtype: str | None = None
    memory_utilization: float | None = None
    max_num_seqs: int | None = None
    max_batched_tokens: int | None = None
    max_model_len: int | None = None
    prefix_hits: float = 0.0
    kv_tokens: int | None = None
    weights_gb: float | None = None
    enforce_eager: bool = False
    redundant_experts: int = 0
    context_parallel: int = 1

    def check(self) -> None:
        """BadConfig names the first setting that no engine takes."""
        if self.kv_dtype is not None and self.kv_dtype not in KV_DTYPES:
            raise BadConfig(f"kv_dtype {self.kv_dtype!r} is unknown; use one of {', '.join(KV_DTYPES)}")
        if self.memory_utilization is not None and not 0 < self.memory_utilization <= 1:
            raise BadConfig(
                f"memory_utilization is {self.memory_utilization:g}; it is a share of the memory, above 0 and at most 1"
            )
        if not 0 <= self.prefix_hits <= 1:
            raise BadConfig(f"prefix_hits is {self.prefix_hits:g}; it is a share of each prompt, from 0 to 1")
        counts = ("max_num_seqs", "max_batched_tokens", "max_model_len", "kv_tokens", "weights_gb", "context_parallel")
        for name in counts:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise BadConfig(f"{name} is {value:g}; it must be above 0")
        if self.redundant_experts < 0:
            raise BadConfig(f"redundant_experts is {self.redundant_experts}; it must be 0 or more")


DEFAULT = EngineSettings()
