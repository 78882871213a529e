"""Whether a cell can run, checked before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from paretoken.campaign.config import Campaign
from paretoken.campaign.estimate import Estimate
from paretoken.campaign.matrix import MatrixCell
from paretoken.campaign.serve import concurrencies, overrides_of, recipe_of, repository_of, served
from paretoken.catalog.loader import Catalog
from paretoken.engines.launch import check_installed
from paretoken.engines.recipes import CPU
from paretoken.engines.request import longest_of
from paretoken.engines.sharding import check_sharding
from paretoken.engines.sizes import check_sizes, sharding
from paretoken.errors import BadConfig, ParetokenError
from paretoken.plural import counted

USABLE = 0.95
"""Share of the memory that an engine can be given; the driver keeps the rest."""


def obstacle(campaign: Campaign, catalog: Catalog, cell: MatrixCell, estimate: Estimate) -> str | None:
    """Why a cell cannot run; None if nothing is known to prevent it."""
    for why in (_gpus(campaign, catalog, cell), _context(catalog, cell), _memory(catalog, cell, estimate)):
        if why:
            return why
    try:
        served(campaign, catalog, [cell], most_users(campaign), 1)
    except ParetokenError as e:
        return str(e)
    return None


def most_users(campaign: Campaign) -> int:
    """The highest concurrency of the ladder; 0 where the loads are rates."""
    return 0 if campaign.matrix.rate else max(concurrencies(campaign))


def check_here(
    campaign: Campaign, catalog: Catalog, cells: list[MatrixCell], gpus: Callable[[str], int | None]
) -> None:
    """BadConfig if this machine lacks an engine or the GPUs; `gpus` counts the GPUs of a vendor."""
    for cell in cells:
        command = served(campaign, catalog, [cell], most_users(campaign), 1)
        check_installed(command)
        if command.vendor == CPU:
            continue
        installed = gpus(command.vendor)
        if not installed:
            raise BadConfig(
                f"the campaign needs {cell.serving.accelerator} and this machine has no {command.vendor} GPU; "
                "run it on a machine with one, or submit it with --slurm"
            )
        if command.gpus > installed:
            raise BadConfig(
                f"{cell.serving.slug} needs {counted(command.gpus, 'GPU')} and this machine has {installed}; "
                "lower tp, or submit it with --slurm"
            )


def nvidia_or_amd(vendor: str) -> int | None:
    """GPUs of a vendor that this machine's driver lists; None for a vendor without a known driver."""
    if vendor == "NVIDIA":
        return sum(1 for p in Path("/dev").glob("nvidia[0-9]*"))
    if vendor == "AMD":
        nodes = Path("/sys/class/kfd/kfd/topology/nodes").glob("*/simd_count")
        return sum(1 for p in nodes if p.read_text(encoding="ascii").strip() != "0")
    return None


def _gpus(campaign: Campaign, catalog: Catalog, cell: MatrixCell) -> str | None:
    s = cell.serving
    if s.accelerator == CPU:
        return None if s.tp == 1 else f"tp {s.tp} needs GPUs, and the accelerator is CPU"
    most = catalog.accelerators[s.accelerator].max_scaleup_gpus
    if s.tp > most:
        return f"tp {s.tp} exceeds the {counted(most, 'GPU')} of one {s.accelerator} domain"
    if s.ep > 1 and s.tp % s.ep:
        return f"ep {s.ep} does not divide {counted(s.tp, 'GPU')}"
    if s.model in catalog.models:
        values = overrides_of(campaign, catalog, [cell]).set
        try:
            of = recipe_of(campaign, s.engine)
            check_sizes(of, values, s.dp_attention)
            repository = repository_of(campaign, catalog, s, of)
            cut = sharding(of, values, s.tp, s.ep, s.dp_attention, repository)
            check_sharding(cut, catalog.models[s.model], most)
        except ParetokenError as e:
            return str(e)
    return None


def _context(catalog: Catalog, cell: MatrixCell) -> str | None:
    name = cell.serving.model
    most = catalog.models[name].max_context if name in catalog.models else None
    longest = longest_of(catalog, cell.workload)
    if most and longest > most:
        return f"requests of {longest:,} tokens do not fit the {most:,} tokens of context of {name}"
    return None


def _memory(catalog: Catalog, cell: MatrixCell, estimate: Estimate) -> str | None:
    s = cell.serving
    need = None if s.accelerator == CPU else estimate.memory_gb(cell)
    if need is None:
        return None
    have = s.tp * catalog.accelerators[s.accelerator].memory_bytes / 1e9 * USABLE
    if need > have:
        return (
            f"{s.model} in {s.precision} needs at least {need:,.0f} GB and {s.tp} × {s.accelerator} have "
            f"{have:,.0f} GB; raise tp, or use a smaller precision"
        )
    return None
