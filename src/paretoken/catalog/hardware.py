"""Which accelerator is at least the equal of another in everything that serving uses."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

from paretoken.catalog.entries import Accelerator

FIGURES = (
    "hbm_gib",
    "hbm_tb_per_s",
    "bf16_tflops",
    "fp8_tflops",
    "fp4_tflops",
    "scaleup_gb_per_s",
    "max_scaleup_gpus",
)


def better_hardware(accelerators: Mapping[str, Accelerator]) -> frozenset[tuple[str, str]]:
    """The pairs (better, worse) of one vendor and architecture: at least equal in each of FIGURES, better in one.

    A figure that the data sheet leaves out counts as 0: the accelerator has no such unit.
    """
    figures = {name: [getattr(a, figure) or 0 for figure in FIGURES] for name, a in accelerators.items()}
    family = {name: (a.vendor, a.architecture) for name, a in accelerators.items() if a.architecture}
    return frozenset(
        (one, other)
        for one, other in permutations(family, 2)
        if family[one] == family[other] and figures[one] != figures[other]
        if all(a >= b for a, b in zip(figures[one], figures[other], strict=True))
    )
