"""What kernels reach: the base that calibration starts from.

A kernel takes a launch, and then its bytes or its operations at a share of the machine's rates. The figures are rounded
fits to the kernel tables of aiconfigurator-core 0.12.0 (PyPI, Apache-2.0; H100, H200, B200, B300, GB200 under vLLM
0.24, SGLang 0.5.14 and TensorRT-LLM 1.3.0rc20), as `tools/fit_kernels.py` prints them. Figures of one engine core are
in its file in `catalog/engines`. No such tables are public for AMD: the same base is used there, and calibration finds
the difference.

Some figures differ from the tables, because a server does not run kernels one by one. Activations are quantised
within the preceding kernel, or nearly so, unless their scales are by block: in FP8 the tables have 7 µs a launch, these
figures 4 to 5; in FP4 the tables have 3 µs more. Kernels of experts differ by factors; one figure covers all kinds.
Latent attention without its weights, small operators, scales by block, and half a tile of padding are our estimates,
not fits.
"""

from __future__ import annotations

from collections.abc import Mapping

from paretoken.catalog.engine_files import KernelFigures, engine_files
from paretoken.catalog.entries import Accelerator
from paretoken.errors import BadConfig

CORES: Mapping[str, KernelFigures] = {key: engine.kernels for key, engine in engine_files().items() if engine.kernels}
"""Figures by engine core, from the engines' files; a core without any uses vLLM's."""
PRECISIONS = tuple(CORES["vllm"].dense_bandwidth)

DENSE_BANDWIDTH: Mapping[str, Mapping[str, float]] = {
    precision: {core: figures.dense_bandwidth[precision] for core, figures in CORES.items()} for precision in PRECISIONS
}
"""Share of memory bandwidth at which dense weights are read, by precision and engine core."""
DENSE_PEAK: Mapping[str, float] = {"fp32": 0.75, "bf16": 0.75, "fp8": 0.5, "int8": 0.5, "fp4": 0.4, "int4": 0.5}
"""Share of peak that dense GEMMs reach."""
GEMM_S: Mapping[str, Mapping[str, float]] = {
    precision: {core: figures.gemm_s[precision] for core, figures in CORES.items()} for precision in PRECISIONS
}
"""Seconds of a dense GEMM of any size, by precision and engine core."""
BLOCK_SCALES_S = 2.5e-6
"""Seconds that quantising activations by block adds to a GEMM: published MoE models in FP8 have scales by block."""
ATTENTION_S, LATENT_ATTENTION_S, SMALL_S = 11e-6, 30e-6, 8e-6
"""Seconds for each layer: attention; latent attention with its projections; norms, rotation and residuals."""

EXPERT_BANDWIDTH, EXPERT_PEAK, PROMPT_EXPERT_PEAK = 0.9, 0.8, 0.7
"""Grouped GEMMs: share of memory bandwidth; and peak relative to dense GEMMs, in decode and in prompts."""
ROUTING_S, VISIT_S = 30e-6, 0.1e-6
"""Seconds for each MoE layer (routing, permutation, launches), and for each active expert."""
PADDED_ROWS = 64
"""Padding rows of each active expert in a grouped GEMM of a prompt: half a tile of 128."""
DEQUANTISING_BANDWIDTH, DEQUANTISING_S = 0.65, 60e-6
"""For weights in a precision that the machine does not compute in: the remaining share of bandwidth, for dense weights
and for experts, and the seconds of routing."""

CACHE_BANDWIDTH, CACHE_PEAK = 0.85, 0.6
"""Share of memory bandwidth, and of the BF16 peak, of decode attention over the KV cache."""

ONE_SHOT, TWO_SHOT, RING = 0.65, 0.55, 0.75
"""Share of a link's rate that an all-reduce reaches: all to all at once; scatter and gather; ring."""
TWO_SHOT_S: Mapping[str, float] = {core: figures.two_shot_s for core, figures in CORES.items()}
RING_S = 25e-6
"""Additional seconds of scatter and gather, by engine core, and of rings, at any size."""
EXCHANGE, DISPATCH_S, NETWORK_S = 0.75, 10e-6, 20e-6
"""Share of a link's rate, or of the network's, that dispatch and combine reach, and all-reduces over the network; and
seconds of latency of dispatch or combine within a domain, and of each trip over the network. `docs/predict.md` compares
them with DeepEP's published figures."""
OVERLAP = 0.5
"""Share of a decode step's exchanges that two-batch overlap can hide: while data is sent and received, kernels of both
halves share the GPU. In prompts all of it can be hidden."""


def of_core(figures: Mapping[str, float], core: str) -> float:
    """The figure of an engine core; vLLM's for a core without any."""
    return figures.get(core, figures["vllm"])


def bf16_tflops(accelerator: Accelerator) -> float:
    """Dense BF16 peak, TFLOP/s, which every estimate needs; BadConfig if no source states it."""
    if accelerator.bf16_tflops is None:
        raise BadConfig(
            f"{accelerator.name} cannot be predicted: no source states its dense BF16 rate; "
            "give bf16_tflops for it in a folder of your own with --catalog"
        )
    return accelerator.bf16_tflops


def own_tflops(accelerator: Accelerator, precision: str) -> float | None:
    """Dense peak in this precision, TFLOP/s; None if the chip lacks it, and weights are first expanded to BF16."""
    peaks = {
        "fp8": accelerator.fp8_tflops,
        "int8": accelerator.int8_tops or accelerator.fp8_tflops,
        "fp4": accelerator.fp4_tflops,
        "int4": None,
    }
    return peaks[precision] if precision in peaks else bf16_tflops(accelerator)


def bandwidth_left(accelerator: Accelerator, precision: str) -> float:
    """Share of the bandwidth that remains where weights are expanded to BF16; 1 where they are not."""
    return 1.0 if own_tflops(accelerator, precision) else DEQUANTISING_BANDWIDTH
