"""The server's own counters, under vLLM's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paretoken.exposition import Histogram, labels_of
from paretoken.predict.simulation.scheduler import Scheduler

_FAST_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
_ITL_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
_REQUEST_S = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0)
_TOKENS = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """Requests in one engine, the share of its KV blocks in use, and its preemptions so far."""

    running: int
    waiting: int
    kv_used: float
    preemptions: int

    @classmethod
    def of(cls, scheduler: Scheduler[Any]) -> WorkerLoad:
        used = scheduler.used / scheduler.limits.kv_blocks
        return cls(len(scheduler.running), len(scheduler.waiting), used, scheduler.preemptions)


class EmulatorMetrics:
    """What the server did since it started; `cache_config` are the labels of `vllm:cache_config_info`."""

    def __init__(self, cache_config: Mapping[str, object] | None = None) -> None:
        self.cache_config = dict(cache_config or {})
        self.prompt_tokens = self.generation_tokens = self.cache_queries = self.cache_hits = 0
        self.tier_queries: int | None = None  # prompt tokens that GPU memory lacked; None without tiers below it
        self.tier_hits = 0
        self.success = {"stop": 0, "length": 0, "abort": 0}
        self.ttft_s, self.itl_s, self.tpot_s = Histogram(_FAST_S), Histogram(_ITL_S), Histogram(_ITL_S)
        self.e2e_s, self.step_tokens = Histogram(_REQUEST_S), Histogram(_TOKENS)
        self.late_s, self.slipped_s = 0.0, 0.0
        self.drafts = self.draft_tokens = 0
        self.accepted: list[int] = []  # drafted tokens accepted, by their position

    def count_drafts(self, gained: Sequence[int], drafted: int) -> None:
        """Count a step: `gained` are the tokens that each sequence made of `drafted` drafted ones and its own."""
        self.drafts += len(gained)
        self.draft_tokens += len(gained) * drafted
        self.accepted = self.accepted or [0] * drafted
        for tokens in gained:
            for position in range(min(tokens - 1, drafted)):
                self.accepted[position] += 1

    def text(self, model: str, loads: list[WorkerLoad]) -> str:
        """The page at /metrics: loads by engine, all else as totals under engine 0."""
        labels = _labels(model, 0)
        by_engine: dict[tuple[str, str], list[float]] = {
            ("vllm:num_requests_running", "gauge"): [load.running for load in loads],
            ("vllm:num_requests_waiting", "gauge"): [load.waiting for load in loads],
            ("vllm:kv_cache_usage_perc", "gauge"): [load.kv_used for load in loads],
            ("vllm:num_preemptions_total", "counter"): [load.preemptions for load in loads],
        }
        totals = {
            ("vllm:prefix_cache_queries_total", "counter"): self.cache_queries,
            ("vllm:prefix_cache_hits_total", "counter"): self.cache_hits,
            ("vllm:prompt_tokens_total", "counter"): self.prompt_tokens,
            ("vllm:generation_tokens_total", "counter"): self.generation_tokens,
            ("paretoken:emulate_lateness_seconds_max", "gauge"): self.late_s,
            ("paretoken:emulate_slipped_seconds_total", "counter"): self.slipped_s,
        }
        if self.tier_queries is not None:
            totals["vllm:external_prefix_cache_queries_total", "counter"] = self.tier_queries
            totals["vllm:external_prefix_cache_hits_total", "counter"] = self.tier_hits
        lines = ["# TYPE paretoken:emulated_info gauge", f"paretoken:emulated_info{{{labels}}} 1.0"]
        if self.cache_config:
            config = ",".join(f'{name}="{value}"' for name, value in self.cache_config.items())
            lines += ["# TYPE vllm:cache_config_info gauge", f"vllm:cache_config_info{{{config},{labels}}} 1.0"]
        for (name, kind), values in by_engine.items():
            lines.append(f"# TYPE {name.removesuffix('_total')} {kind}")
            lines += [f"{name}{{{_labels(model, i)}}} {float(v)}" for i, v in enumerate(values)]
        for (name, kind), value in totals.items():
            lines += [f"# TYPE {name.removesuffix('_total')} {kind}", f"{name}{{{labels}}} {float(value)}"]
        lines += self._speculation(labels)
        lines.append("# TYPE vllm:request_success counter")
        for reason, n in self.success.items():
            lines.append(f'vllm:request_success_total{{{labels},finished_reason="{reason}"}} {float(n)}')
        for name, histogram in {
            "vllm:time_to_first_token_seconds": self.ttft_s,
            "vllm:inter_token_latency_seconds": self.itl_s,
            "vllm:request_time_per_output_token_seconds": self.tpot_s,
            "vllm:e2e_request_latency_seconds": self.e2e_s,
            "vllm:iteration_tokens_total": self.step_tokens,
        }.items():
            lines += [f"# TYPE {name} histogram", *histogram.lines(name, labels)]
        return "\n".join(lines) + "\n"

    def _speculation(self, labels: str) -> list[str]:
        """Counters of speculative decoding, which vLLM has with a speculative configuration only."""
        if not self.accepted:
            return []
        totals = {"drafts": self.drafts, "draft_tokens": self.draft_tokens, "accepted_tokens": sum(self.accepted)}
        lines = []
        for name, value in totals.items():
            full = f"vllm:spec_decode_num_{name}"
            lines += [f"# TYPE {full} counter", f"{full}_total{{{labels}}} {float(value)}"]
        per_position = "vllm:spec_decode_num_accepted_tokens_per_pos"
        lines.append(f"# TYPE {per_position} counter")
        lines += [f'{per_position}_total{{{labels},position="{i}"}} {float(n)}' for i, n in enumerate(self.accepted)]
        return lines


def _labels(model: str, engine: int) -> str:
    return labels_of(engine=engine, model_name=model)
