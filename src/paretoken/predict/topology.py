"""Where the GPUs of a deployment are: in scale-up domains, and on the network between them.

A stage of n GPUs fills ⌈n/d⌉ domains of d GPUs evenly, so that l = n/⌈n/d⌉ of them are in each. What the GPUs of one
domain exchange goes over its links, the rest over the network, on which each GPU has a card of its own.

    all-reduce            scatter and gather within each domain; between, each GPU all-reduces its l-th part: a token
                          crosses the network 2·(m − 1)/m·1/l times a GPU, with m domains
    gather and scatter    half as often, each
    dispatch and combine  a rank sends its own tokens once to each other rank that holds one of their k experts: with R
                          ranks to R·(1 − (1 − 1/R)^k), of which l/R are in its domain. In prompts a token crosses the
                          network once to each other domain, whose links take it on
"""

from __future__ import annotations

from math import ceil, log2

from paretoken.catalog.entries import Accelerator
from paretoken.predict.deployment import Deployment
from paretoken.predict.memory import ACTIVATION_BYTES
from paretoken.predict.numbers import LinkNumbers
from paretoken.predict.operations import BYTES
from paretoken.predict.parts import DeploymentParts

HOST_LINK_GB_PER_S = 32.0
"""PCIe, for accelerators without scale-up links."""
NETWORK_GB_PER_S = 50.0
"""400 Gb/s a GPU, for accelerators whose network the catalog does not state; `network_notes` says so."""
NARROW = 8
"""Ranks up to which attention data parallelism gathers and scatters, as single nodes were calibrated; more dispatch."""
FORWARDING_VENDORS = ("AMD",)
"""Vendors on which decode steps forward within a node as prompts do: engines run MoRI's kernels in normal mode there
(`--moe-a2a-backend mori --deepep-mode normal`), where NVIDIA's have low-latency ones."""
DISPATCH_BYTES = {"fp8": 1 + 4 / 128, "fp4": 1 + 4 / 128}
"""Bytes of an activation that is dispatched: FP8 with a scale of 4 bytes per 128 values; BF16 for other weights."""


def network_gb_per_s(accelerator: Accelerator) -> float:
    """GB/s that one GPU sends over the network, beyond its scale-up domain."""
    return accelerator.scaleout_gb_per_s or NETWORK_GB_PER_S


def domains_of(gpus: int, accelerator: Accelerator) -> int:
    """Scale-up domains that a number of GPUs spans."""
    return ceil(gpus / accelerator.domain_gpus)


def between_pools_bytes_per_s(one: Accelerator, other: Accelerator, gpus: int) -> float:
    """Bytes per second from a GPU to one of another pool: over scale-up links if one domain holds all `gpus`."""
    if one == other and gpus <= one.max_scaleup_gpus:
        return link_bytes_per_s(one, 2)
    return min(network_gb_per_s(one), network_gb_per_s(other)) * 1e9


def link_bytes_per_s(accelerator: Accelerator, gpus: int) -> float:
    """Bytes per second that one GPU sends within a domain; in a mesh each pair uses only its own links."""
    total = (accelerator.scaleup_gb_per_s or HOST_LINK_GB_PER_S) * 1e9
    return total * min((gpus - 1) / 7, 1.0) if accelerator.scaleup_mesh and gpus > 1 else total


def dispatches(d: Deployment, parts: DeploymentParts) -> bool:
    """Whether ranks send tokens to their experts alone, in place of gathering all."""
    return bool(d.dp_attention and d.ep > NARROW and parts.operations.moe_layers)


def link_numbers(d: Deployment, parts: DeploymentParts) -> LinkNumbers[float]:
    """What the GPUs of a stage exchange, and the hops between stages.

    All-reduces of all positions follow attention and the FFN. With attention data parallelism each rank gathers the
    others' activations before the experts, in the precision of the weights, and scatters the sums of the outputs after
    them: as many latencies per layer, but fewer bytes. Wide expert parallelism dispatches and combines.
    """
    accelerator, n = parts.accelerator, d.stage_gpus
    domains = domains_of(n, accelerator)
    local = n / domains
    numbers = _dispatched(d, parts, domains) if dispatches(d, parts) else _reduced(d, parts, domains)
    return LinkNumbers(
        link=link_bytes_per_s(accelerator, ceil(local)),
        hop_link=link_bytes_per_s(accelerator, 2),
        hop_bytes=parts.operations.hidden * 2,
        network=network_gb_per_s(accelerator) * 1e9,
        local_gpus=local,
        crossings=min(domains_of(d.gpus, accelerator), d.pp) - 1,
        **numbers,
    )


def _reduced(d: Deployment, parts: DeploymentParts, domains: int) -> dict[str, float]:
    o, n = parts.operations, d.stage_gpus
    none = dict.fromkeys(("reductions", "reduced_bytes", "one_shot_copies"), 0.0)
    network = dict.fromkeys(("dispatched", "network_trips", "network_bytes", "prompt_network_bytes"), 0.0)
    if n == 1:
        return none | network
    local, doublings = n / domains, float(ceil(log2(domains)))
    reductions, value_bytes, copies, trips = 2.0 * o.layers, 2 * ACTIVATION_BYTES, local / 2, 2 * doublings
    if d.dp_attention:
        reductions, value_bytes = 2.0 * (o.moe_layers or o.layers), (BYTES[d.precision] + ACTIVATION_BYTES) / 2
        copies, trips = 1.0, doublings
    share, crossing = (local - 1) / local, (domains - 1) / domains / local
    return {
        "dispatched": 0.0,
        "reductions": reductions,
        "reduced_bytes": share * o.hidden * value_bytes,
        "one_shot_copies": copies,
        "network_trips": trips,
        "network_bytes": crossing * o.hidden * value_bytes,
        "prompt_network_bytes": crossing * o.hidden * value_bytes,
    }


def _dispatched(d: Deployment, parts: DeploymentParts, domains: int) -> dict[str, float]:
    """Each GPU sends its share of the positions; mean of dispatch and combine."""
    o, n = parts.operations, d.stage_gpus
    own = o.hidden * (DISPATCH_BYTES.get(d.precision, ACTIVATION_BYTES) + ACTIVATION_BYTES) / 2 / n
    copies = n / d.ep * distinct(d.ep, o.active_experts)
    local, once = n / domains, own * distinct(domains, o.active_experts) * (domains - 1) / domains
    forwards = parts.accelerator.vendor in FORWARDING_VENDORS
    return {
        "dispatched": 1.0,
        "reductions": 2.0 * o.moe_layers,
        "reduced_bytes": own * copies * (local - 1) / (local if forwards else n),
        "one_shot_copies": 0.0,
        "network_trips": float(domains > 1),
        "network_bytes": once if forwards else own * copies * (n - local) / n,
        "prompt_network_bytes": once,
    }


def distinct(places: int, draws: int) -> float:
    """Expected number of places that hold at least one of `draws` experts, each equally likely in any."""
    return places * (1 - (1 - 1 / places) ** draws)


def network_notes(d: Deployment, accelerator: Accelerator) -> list[str]:
    """Sentences on a deployment that spans domains: what crosses the network, and what is assumed of it."""
    if d.gpus <= accelerator.domain_gpus:
        return []
    notes = []
    if d.attention_tp > accelerator.domain_gpus:
        notes.append(
            f"TP {d.attention_tp} of {d.accelerator} spans {domains_of(d.stage_gpus, accelerator)} nodes: each layer "
            f"waits for the network; use PP or attention data parallelism between nodes"
        )
    if accelerator.scaleout_gb_per_s is None:
        notes.append(
            f"the catalog does not state the network of {d.accelerator}; {NETWORK_GB_PER_S:g} GB/s a GPU is assumed"
        )
    return notes
