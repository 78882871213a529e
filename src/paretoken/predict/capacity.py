"""Whether a deployment has the memory for its weights and its requests."""

from __future__ import annotations

from dataclasses import replace

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import BadConfig
from paretoken.predict.columns import deployment_numbers
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.memory import LEAST_CACHE
from paretoken.predict.numbers import DeploymentNumbers


def kv_tokens(numbers: DeploymentNumbers[float]) -> int:
    """Tokens that the KV caches of the whole deployment hold, windowed layers counted in full below their window."""
    return int(
        max(numbers.memory.cache_bytes, numbers.memory.least_cache_bytes)
        / (numbers.memory.kv_bytes_per_token * (1 - numbers.shape.windowed))
        * numbers.layout.attention_groups
        * numbers.layout.stages
    )


def require_fit(deployment: Deployment, catalog: Catalog | None = None) -> None:
    """BadConfig if weights leave no memory for a cache: by how many GB, and how many GPUs would do."""
    d, catalog = deployment, catalog or load_catalog()
    missing = -_spare_bytes(d, catalog)
    if missing < 0:
        return
    enough = _tp_that_fits(d, catalog)
    advice = f"tp {enough} is enough" if enough else "no tp in one node is enough; use a lower precision or higher pp"
    raise BadConfig(
        f"{d.model} in {d.precision} does not fit {d.hardware}: {missing / 1e9:.1f} GB per GPU are missing; {advice}"
    )


def require_room(deployment: Deployment, lengths: Lengths, catalog: Catalog) -> None:
    """BadConfig if the longest request is larger than the KV cache; the last token made needs no room."""
    numbers = deployment_numbers(deployment, catalog)
    capacity = int(kv_tokens(numbers) / numbers.layout.attention_groups)
    needed = lengths.isl + lengths.osl - 1
    if needed > capacity:
        raise BadConfig(
            f"a request of isl {lengths.isl} and osl {lengths.osl} needs {needed:,} tokens of KV cache, "
            f"{deployment.hardware} holds {capacity:,}: use a higher tp or pp, or shorter requests"
        )


def _spare_bytes(deployment: Deployment, catalog: Catalog) -> float:
    """Bytes per GPU that the least cache leaves; negative by what is missing.

    Engines squeeze in where published points show that a model just fits, so the reserve may be eaten into by as much
    as the least cache.
    """
    cache = deployment_numbers(deployment, catalog).memory.cache_bytes
    return cache + LEAST_CACHE * catalog.accelerators[deployment.accelerator].memory_bytes


def _tp_that_fits(d: Deployment, catalog: Catalog) -> int | None:
    """The least TP of one node, a power of two, at which the model fits; None if there is none."""
    most = max(catalog.accelerators[d.accelerator].max_scaleup_gpus, 8)
    for tp in (2, 4, 8, 16, 32, 64, 128, 256, 512):
        if d.stage_gpus < tp <= most and catalog.models[d.model].heads % tp == 0:
            larger = replace(d, gpus=tp * d.pp, tp=tp, ep=min(d.ep, tp))
            if _spare_bytes(larger, catalog) > 0:
                return tp
    return None
