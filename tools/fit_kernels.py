"""Fit the kernel tables of aiconfigurator-core: launch, share of bandwidth and share of peak of each kind of kernel.

    pip download aiconfigurator-core==0.12.0 --no-deps && unzip aiconfigurator_core-*.whl -d tables
    python tools/fit_kernels.py tables/aiconfigurator_core/systems/data

`[kernels]` of an engine's file (`catalog/engines`) and `predict/kernels.py` hold the rounded results. A kernel takes

    launch + per-part·parts + ((bytes/(bandwidth·e))^q + (FLOPs/(peak·f))^q)^(1/q)

fitted to ln(latency) with a soft L1 loss; parts are active experts or sequences. All-reduces are printed as they are.
Tables: aiconfigurator-core 0.12.0, PyPI, Apache-2.0.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy.optimize import least_squares

TERA, MOST_ROWS, TRIED = 1e12, 6000, (0.5, 2.0)
CHIPS = {
    "h100_sxm": (3.35, 989, 1979, 0),
    "h200_sxm": (4.8, 989, 1979, 0),
    "b200_sxm": (8, 2250, 4500, 9000),
    "b300_sxm": (8, 2500, 5000, 15000),
    "gb200": (8, 2500, 5000, 10000),
}
"""TB/s, and dense TFLOP/s in BF16, FP8, FP4."""
ENGINES = ("vllm", "sglang", "trtllm")
BYTES = {"bfloat16": 2.0, "fp8": 1.0, "fp8_block": 1.0, "nvfp4": 0.5625, "w4a16_mxfp4": 0.53, "int4_wo": 0.53}


@dataclass(frozen=True, slots=True)
class Work:
    """What each row of a table does: bytes, FLOPs, parts, and the seconds that it took, all of shape (n,)."""

    moved: np.ndarray
    flops: np.ndarray
    parts: np.ndarray
    seconds: np.ndarray


def gemms(t: pl.DataFrame, width: float) -> Work:
    t = t.filter(pl.col("n") * pl.col("k") >= 2**20, pl.col("n") >= 256, pl.col("k") >= 256, pl.col("m") <= 16384)
    m, n, k, latency = _columns(_thin(t, ["m", "n", "k"]), "m", "n", "k", "latency")
    return Work(n * k * width + m * (2 * n + k * width), 2 * m * n * k, np.zeros_like(m), latency / 1e3)


def experts(t: pl.DataFrame, width: float) -> Work:
    names = ["num_tokens", "hidden_size", "inter_size", "topk", "num_experts", "moe_tp_size", "moe_ep_size"]
    t = _thin(t.filter(pl.col("distribution") == "balanced", pl.col("num_tokens") <= 16384), names)
    tokens, hidden, inter, k, count, tp, ep, latency = _columns(t, *names, "latency")
    inter, rows = inter / tp, tokens * k / ep
    active = np.clip(rows, 1, count / ep)
    moved = 3 * hidden * inter * width * active + rows * 6 * (hidden + inter)
    return Work(moved, 6 * hidden * inter * rows, active, latency / 1e3)


def attention(t: pl.DataFrame, width: float) -> Work:
    names = ["batch_size", "isl", "step", "num_heads", "num_key_value_heads"]
    t = _thin(t.filter(pl.col("window_size") == 0, pl.col("head_dim") == 128), names)
    batch, isl, step, heads, cached, latency = _columns(t, *names, "latency")
    context = batch * (isl + step)
    return Work(context * 256 * cached * width, context * 512 * heads, batch, latency / 1e3)


def _thin(t: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    t = t.group_by(names).agg(pl.col("latency").min()).sort(names)
    return t.sample(min(len(t), MOST_ROWS), seed=1)


def _columns(t: pl.DataFrame, *names: str) -> Iterator[np.ndarray]:
    return (t[n].to_numpy().astype(float) for n in names)


def fitted(w: Work, bandwidth: float, peak: float) -> str:
    """The fit in words, with the median error over all rows."""

    def logs(p: np.ndarray) -> np.ndarray:
        share, of_peak, q = 1 / (1 + np.exp(-p[1])), 1 / (1 + np.exp(-p[2])), 1 + np.exp(p[3])
        roofline = np.logaddexp(
            q * np.log(w.moved / bandwidth / share), q * np.log(np.maximum(w.flops, 1) / peak / of_peak)
        )
        return np.log(np.exp(p[0]) + np.exp(p[4]) * w.parts + np.exp(roofline / q))

    seen = np.log(w.seconds)
    tries = [
        least_squares(lambda p: logs(p) - seen, [np.log(1e-5), 1.0, s, 0.5, np.log(1e-8)], loss="soft_l1", f_scale=0.1)
        for s in TRIED
    ]
    p = min(tries, key=lambda r: r.cost).x
    error = np.median(np.abs(logs(p) - seen))
    return (
        f"launch {np.exp(p[0]) * 1e6:6.1f} us, share of bandwidth {1 / (1 + np.exp(-p[1])):.2f}, of peak "
        f"{1 / (1 + np.exp(-p[2])):.2f}, norm {1 + np.exp(p[3]):5.1f}, per part {np.exp(p[4]) * 1e6:.3f} us, "
        f"median error {error:.2f}"
    )


KINDS: dict[str, tuple[str, str, Callable[[pl.DataFrame, float], Work]]] = {
    "gemm": ("gemm/{}/*/gemm_perf.parquet", "gemm_dtype", gemms),
    "experts": ("moe/{}/*/moe_perf.parquet", "moe_dtype", experts),
    "attention": ("attention/{}/*/generation_attention_perf.parquet", "kv_cache_dtype", attention),
}


def print_fits(root: Path) -> None:
    for chip, (bandwidth, *peaks) in CHIPS.items():
        for kind, (pattern, dtype, work) in KINDS.items():
            for engine in ENGINES:
                files = sorted((root / chip).glob(pattern.format(engine)))
                table = pl.concat([pl.read_parquet(f) for f in files], how="diagonal_relaxed") if files else None
                for (name,), rows in table.group_by(dtype, maintain_order=True) if files else ():
                    wanted = {"fp8": 1, "fp8_block": 1, "nvfp4": 2}.get(name, 0) if kind != "attention" else 0
                    if name not in BYTES or not peaks[wanted] or len(rows) < 500:
                        continue
                    shares = fitted(work(rows, BYTES[name]), bandwidth * TERA, peaks[wanted] * TERA)
                    print(f"{chip:9} {kind:9} {engine:7} {name:12} {shares}", flush=True)


def print_reductions(root: Path) -> None:
    """Microseconds of an all-reduce by BF16 values and GPUs."""
    for chip in CHIPS:
        for engine in ENGINES:
            for file in sorted((root / chip / "comm" / engine).glob("*/custom_allreduce_perf.parquet"))[-1:]:
                t = pl.read_parquet(file).filter(~pl.col("kernel_source").str.contains("eager"))
                t = t.group_by("message_size", "num_gpus").agg((pl.col("latency").min() * 1e3).round(1))
                print(chip, engine, t.sort("num_gpus").pivot("num_gpus", index="message_size").sort("message_size"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, help="the folder of aiconfigurator-core that holds h200_sxm and others")
    tables = parser.parse_args().tables
    with pl.Config(tbl_rows=-1):
        print_fits(tables)
        print_reductions(tables)


if __name__ == "__main__":
    main()
