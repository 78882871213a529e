"""A workload of sessions as tables for people: its single values, and the quantiles of what is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from paretoken.cli.output import print_table

if TYPE_CHECKING:
    from pydantic import BaseModel

    from paretoken.catalog.session_workload import SessionWorkload

LEVELS = ("least", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "most")
SPARE = ("source", "p10", "p95", "p25", "p75", "p99", "mean", "what")


def print_workload(key: str, workload: SessionWorkload) -> None:
    """The tables of one workload; parts of sub-agents and of compaction are named after these."""
    from paretoken.catalog.session_workload import StatedQuantiles

    values = list(_parts(workload))
    single = [(name, _text(value)) for name, _, value in values if not isinstance(value, StatedQuantiles)]
    print_table(key, ("key", "value"), [("id", key), *single])
    print_table(
        "\nWhat is drawn",
        ("figure", *LEVELS, "mean", "what", "source"),
        [
            (name, *(getattr(value, level) for level in LEVELS), value.mean, what, value.source)
            for name, what, value in values
            if isinstance(value, StatedQuantiles)
        ],
        note="p50: half of the draws are at or below. Mean: as the source states it, for a check.",
        spare=SPARE,
    )


def _parts(part: BaseModel, prefix: str = "") -> Iterator[tuple[str, str, object]]:
    """Names, descriptions and values, those of nested parts after their names; what is empty is left out."""
    from paretoken.catalog.session_workload import Compaction, SubAgents

    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        if isinstance(value, (SubAgents, Compaction)):
            yield from _parts(value, f"{name}.")
        elif value not in (None, "", ()):
            yield prefix + name, (field.description or "").split(";")[0], value


def _text(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value
