"""The CI of one source tree, as a reader returns it."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.parity.rows import StepRow


@dataclass(frozen=True, slots=True)
class CiDefinition:
    """`layout` names the form of CI; `notes` are warnings for whoever reads the figures."""

    layout: str
    rows: tuple[StepRow, ...]
    notes: tuple[str, ...] = ()
