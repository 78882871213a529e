"""What a reader hands back."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.parity.rows import Row


@dataclass(frozen=True, slots=True)
class Found:
    """`layout` names the form of CI that was read; `notes` say what a reader of the figures must know."""

    layout: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
