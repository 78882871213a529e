"""What kernels reach: the base that calibration starts from.

A kernel takes a launch and then its bytes or its operations at a share of what the machine could do. The figures are
rounded fits to the kernel tables of aiconfigurator-core 0.12.0 (PyPI, Apache-2.0; H100, H200, B200, B300, GB200 under
vLLM 0.24, SGLang 0.5.14 and TensorRT-LLM 1.3.0rc20), as `tools/fit_kernels.py` prints them; those of one engine core
are in its file, in `catalog/engines`. No such tables are public for AMD: there the same base holds and calibration
finds the difference.

Some figures are not quite the tables' own, since a server does not run kernels one by one: activations are quantised
within the kernel before, or nearly so, unless their scales go by block (tables: 7 µs a launch in FP8 where 4 to 5 are
taken, 3 µs more in FP4), and the kinds of experts' kernels, which differ by factors, are taken as one. Estimates of
ours, not fits, are latent attention without its weights, small operators, scales by block, and half a tile of padding.
"""

from __future__ import annotations

from collections.abc import Mapping

from paretoken.catalog.engine_files import KernelFigures, engine_files
from paretoken.catalog.entries import Accelerator
from paretoken.errors import BadConfig

CORES: Mapping[str, KernelFigures] = {key: engine.kernels for key, engine in engine_files().items() if engine.kernels}
"""Engine cores that tables are of, by the engines' files; any other is taken as vLLM."""
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
"""Seconds that a dense GEMM takes however small it is."""
BLOCK_SCALES_S = 2.5e-6
"""What quantising activations by block adds to a GEMM: MoE models in FP8 are published with scales by block."""
ATTENTION_S, LATENT_ATTENTION_S, SMALL_S = 11e-6, 30e-6, 8e-6
"""Seconds for each layer: attention itself; latent attention with its projections; norms, rotation, residuals."""

EXPERT_BANDWIDTH, EXPERT_PEAK, PROMPT_EXPERT_PEAK = 0.9, 0.8, 0.7
"""Share of memory bandwidth of grouped GEMMs; and of what dense ones reach of peak, for decode and for prompts."""
ROUTING_S, VISIT_S = 30e-6, 0.1e-6
"""Seconds for each MoE layer (routing, permutation, launches), and for each expert that any token chooses."""
PADDED_ROWS = 64
"""Rows that a grouped GEMM of a prompt computes for each active expert beside its own: half of a tile of 128."""
DEQUANTISING_BANDWIDTH, DEQUANTISING_S = 0.65, 60e-6
"""Where the machine has no arithmetic for the weights' precision: the share that is left of either bandwidth, and what
routing takes then."""

CACHE_BANDWIDTH, CACHE_PEAK = 0.85, 0.6
"""Share of memory bandwidth, and of the BF16 peak, of decode attention over the KV cache."""

ONE_SHOT, TWO_SHOT, RING = 0.65, 0.55, 0.75
"""Share of a link's rate at which all-reduces move bytes: all to each other; scatter and gather; rings."""
TWO_SHOT_S: Mapping[str, float] = {core: figures.two_shot_s for core, figures in CORES.items()}
RING_S = 25e-6
"""Seconds that scatter and gather, and rings, take longer than sending all at once, whatever the size."""


def of_core(figures: Mapping[str, float], core: str) -> float:
    """The figure of an engine core, vLLM's for one without tables."""
    return figures.get(core, figures["vllm"])


def bf16_tflops(accelerator: Accelerator) -> float:
    """Dense BF16 peak, on which every estimate rests; BadConfig where no source states it."""
    if accelerator.bf16_tflops is None:
        raise BadConfig(
            f"{accelerator.name} cannot be predicted: no source states its dense BF16 rate; "
            "give bf16_tflops for it in a folder of your own with --catalog"
        )
    return accelerator.bf16_tflops


def own_tflops(accelerator: Accelerator, precision: str) -> float | None:
    """Dense peak of arithmetic in this precision; None where there is none and weights are expanded to BF16 first."""
    peaks = {
        "fp8": accelerator.fp8_tflops,
        "int8": accelerator.int8_tops or accelerator.fp8_tflops,
        "fp4": accelerator.fp4_tflops,
        "int4": None,
    }
    return peaks[precision] if precision in peaks else bf16_tflops(accelerator)


def bandwidth_left(accelerator: Accelerator, precision: str) -> float:
    """What expanding the weights leaves of the bandwidth: all of it where there is nothing to expand."""
    return 1.0 if own_tflops(accelerator, precision) else DEQUANTISING_BANDWIDTH
