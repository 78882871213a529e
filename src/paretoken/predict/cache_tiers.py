"""Host memory and SSDs below the KV cache of a deployment: the tokens that they hold, and how fast these come back.

Each GPU moves its part of the KV cache over its own link, as the offloading of vLLM and SGLang does. With B bytes of
cache for a token on one GPU of each stage, and t GPUs that share a request's attention:

    tokens               GB · 10⁹ / (B · t)
    seconds for a token  B / stages / (link · REACHED) / ranks

All ranks of attention data parallelism are one engine, and their links work side by side: hence the ranks.
"""

from __future__ import annotations

from math import inf

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig
from paretoken.predict.deployment import Deployment
from paretoken.predict.memory import memory_parts
from paretoken.predict.simulation.cache.options import CacheTier

REACHED = 0.87
"""Share of a link's peak that copies to the GPU reach. Azure/AI-benchmarking-guide measured 55 GB/s of 63 on H200 and
201 of 225 on GB200."""
SSD_GB_PER_S = 7.88
"""One NVMe drive a GPU with four lanes of PCIe 4.0, as in a DGX H100, which has 8 of 3.84 TB for 8 GPUs."""
SSD_LATENCY_S = 1e-4
"""Seconds until an NVMe drive answers a read; assumed."""
HOST, SSD = "host", "ssd"


def cache_tiers(
    deployment: Deployment, catalog: Catalog, *, host_gb: float = 0.0, ssd_gb: float = 0.0
) -> tuple[CacheTier, ...]:
    """The tiers of a deployment whose names are catalog ids; 0 GB is no tier. Sizes are those of all its GPUs together.

    The SSD's bytes pass the link to the host, too, whose rate is higher. BadConfig for a negative or infinite size, and
    for a model whose cache does not grow with its context.
    """
    for name, size in (("host", host_gb), ("SSD", ssd_gb)):
        if not 0 <= size < inf:
            raise BadConfig(f"{name} cache is {size:g} GB: it must be 0 or more, and finite")
    token_bytes = cached_token_bytes(deployment, catalog)
    if not token_bytes:
        raise BadConfig(f"the KV cache of {deployment.model} does not grow with its context; leave out its tiers")
    if not host_gb and not ssd_gb:
        return ()
    host_rate = _host_gb_per_s(deployment, catalog)
    links = ((HOST, host_gb, host_rate, 0.0), (SSD, ssd_gb, SSD_GB_PER_S, SSD_LATENCY_S))
    ranks = deployment.stage_gpus // deployment.attention_tp
    return tuple(
        CacheTier(
            name=name,
            tokens=int(size_gb * 1e9 / (token_bytes * deployment.attention_tp)),
            s_per_token=token_bytes / deployment.pp / (rate * 1e9 * REACHED) / ranks,
            latency_s=latency_s,
        )
        for name, size_gb, rate, latency_s in links
        if size_gb
    )


def cached_token_bytes(deployment: Deployment, catalog: Catalog) -> float:
    """Bytes of KV cache for a token of a long context, summed over one GPU of each stage.

    What layers with a window keep is left out, since a tier needs it once for a context.
    """
    layout = memory_parts(deployment, catalog).layout
    return layout.growing_bytes + (layout.windowed_bytes if layout.window_tokens == inf else 0.0)


def _host_gb_per_s(deployment: Deployment, catalog: Catalog) -> float:
    """Peak GB/s between one GPU and the memory of its host; BadConfig where the catalog does not state it."""
    rate = catalog.accelerators[deployment.accelerator].host_gb_per_s
    if rate is None:
        raise BadConfig(
            f"the catalog does not state the host link of {deployment.accelerator}, which tiers need; leave them out, "
            "or add host_gb_per_s and host_tech to an accelerators.toml of yours"
        )
    return rate
