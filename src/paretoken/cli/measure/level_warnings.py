"""The warnings of measured levels on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from paretoken.cli.output import console

if TYPE_CHECKING:
    from paretoken.bench.stats.warning_kinds import KindOfWarning

STYLES = {"unreliable": "bold yellow", "caution": "yellow", "note": "dim"}


def show_warnings(kinds: Iterable[KindOfWarning]) -> None:
    """One line for each kind."""
    from paretoken.bench.stats.warnings import grade_of

    out = console()
    for kind in kinds:
        out.print(kind.line, style=STYLES[grade_of(kind.code)])
