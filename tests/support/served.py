"""Runs at a load with an end-to-end latency and a throughput, for questions under latency limits."""

from __future__ import annotations

from tests.support.points import row

CHAT = {"model": "llama-3-70b", "precision": "fp8", "isl": 1024, "osl": 1024}


def run(accelerator: str, load: float, e2e_s: float, tput: float, **changes) -> dict:
    """A plain run of one node; a tenth of its latency is the time to first token."""
    plain = {"speculative": "none", "disaggregated": False}
    latency = {"median_e2e_s": e2e_s, "median_ttft_s": e2e_s / 10, "median_tpot_s": 0.9 * e2e_s / 1023}
    figures = {"concurrency": load, "total_tput_per_gpu_tok_s": tput}
    return row(accelerator=accelerator, **(plain | latency | figures | changes))


def curve(accelerator: str, *pairs: tuple[float, float], users: float = 64.0, **changes) -> list[dict]:
    """Runs of (E2E s, tok/s/GPU) at `users`, twice as many, …; equal latencies at one load are the same run."""
    return [run(accelerator, users * 2**i, e2e_s, tput, **changes) for i, (e2e_s, tput) in enumerate(pairs)]
