"""The cheapest mix of committed and hourly GPUs for a load that changes by the hour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paretoken.errors import BadConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractMix:
    """GPUs committed for every hour, and those rented by the hour when needed.

    Money is for the hours of the curve. `turns_at_share` is the share of hours from which a GPU is committed.
    """

    committed_gpus: int
    committed_gpu_hours: float
    on_demand_gpu_hours: float
    idle_committed_gpu_hours: float
    usd: float
    usd_all_on_demand: float
    usd_all_committed: float
    turns_at_share: float


def contract_mix(
    needed_gpus_by_hour: npt.ArrayLike, on_demand_usd: float, committed_usd: float, gpus_per_step: int = 1
) -> ContractMix:
    """The mix that costs least: the k-th GPU is committed if needed in more than committed/on-demand of the hours.

    The k-th GPU costs `committed_usd` in every hour, or `on_demand_usd` in the hours that need k GPUs or more. That
    share falls with k, so the committed ones are the first. At equal cost a GPU is rented by the hour.

    `needed_gpus_by_hour`, shape (hours,), whole numbers of GPUs; prices in USD per GPU-hour. Whole replicas or nodes
    are committed in steps of `gpus_per_step`. BadConfig for an empty curve, negative or fractional GPUs, a price not
    above 0.
    """
    gpus = _whole_gpus(needed_gpus_by_hour)
    for name, usd in (("on-demand", on_demand_usd), ("committed", committed_usd)):
        if not 0 < usd < np.inf:
            raise BadConfig(f"the {name} price is {usd:g} USD per GPU-hour; it must be above 0")
    if gpus_per_step < 1:
        raise BadConfig(f"GPUs are committed in steps of {gpus_per_step}; a step has 1 or more")
    steps = -(-gpus // gpus_per_step)
    hours_needing = np.bincount(steps)[::-1].cumsum()[::-1][1:]
    committed_steps = int(np.count_nonzero(hours_needing * on_demand_usd > committed_usd * len(steps)))
    committed = committed_steps * gpus_per_step
    needed = steps * gpus_per_step
    peak = float(np.maximum(needed - committed, 0).sum())
    base = float(committed * len(needed))
    return ContractMix(
        committed_gpus=committed,
        committed_gpu_hours=base,
        on_demand_gpu_hours=peak,
        idle_committed_gpu_hours=float(np.maximum(committed - needed, 0).sum()),
        usd=base * committed_usd + peak * on_demand_usd,
        usd_all_on_demand=float(needed.sum()) * on_demand_usd,
        usd_all_committed=float(needed.max() * len(needed)) * committed_usd,
        turns_at_share=committed_usd / on_demand_usd,
    )


def _whole_gpus(needed_gpus_by_hour: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """The curve as whole numbers."""
    gpus = np.asarray(needed_gpus_by_hour, dtype=np.float64)
    if gpus.ndim != 1 or not len(gpus):
        raise BadConfig("a load curve needs one number of GPUs for each hour; it has none")
    whole = np.isfinite(gpus) & (gpus >= 0) & (gpus == np.floor(gpus))
    if not whole.all():
        hour = int(np.argmin(whole))
        raise BadConfig(f"hour {hour} of the load curve needs {gpus[hour]:g} GPUs; give whole numbers of 0 or more")
    return gpus.astype(np.int64)
