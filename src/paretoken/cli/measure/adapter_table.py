"""The levels of a run by adapter, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from paretoken.cli.output import print_table

if TYPE_CHECKING:
    from paretoken.bench.run_folder import LevelOnDisk


def show_adapters(levels: Sequence[LevelOnDisk], adapters: str) -> None:
    """Print what each adapter got at each level; `adapters` is the option's text."""
    from paretoken.bench.adapters import parse_adapters
    from paretoken.bench.stats.by_adapter import figures_by_adapter

    names = [adapter.name for adapter in parse_adapters(adapters)]
    rows = [
        (
            level.summary.load.name,
            one.name,
            f"{one.requests:,}",
            f"{one.failed:,}",
            f"{one.output_tokens:,}",
            _number(one.ttft_p50_s, 1e3),
            _number(one.tpot_p50_s, 1e3),
            _number(one.e2e_p50_s, 1.0),
        )
        for level in levels
        for one in figures_by_adapter(level.requests(), names)
    ]
    head = ("load", "adapter", "requests", "failed", "output tokens", "TTFT p50, ms", "TPOT p50, ms", "E2E p50, s")
    print_table("By adapter, all requests of a level", head, rows)


def _number(seconds: float | None, scale: float) -> str:
    return "–" if seconds is None else f"{seconds * scale:.4g}"
