"""What the page needs to tell whether two curves drafted tokens at like acceptance: the twin of frontier/acceptance.py.

Points state their drafting in words, each text once, so texts are compared instead of points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

from paretoken.answers.study.result import Panel
from paretoken.points.acceptance import ALIKE, DRAFTING_COLUMNS, DraftAcceptance, acceptance_of, difference


def drafting_data(panels: Sequence[Panel], text: Callable[[str | None], int | None]) -> dict[str, object]:
    """`silent`: (text, method) of drafting without a stated acceptance length; `unlike`: pairs of texts whose
    acceptance differs by more than `ALIKE`."""
    by_text = {stated.text: stated for panel in panels for stated in _drafting(panel)}
    apart = (pair for pair in combinations(by_text.values(), 2) if (difference(*pair) or 0.0) > ALIKE)
    return {
        "silent": [[text(t), stated.method.upper()] for t, stated in by_text.items() if stated.length is None],
        "unlike": [[text(one.text), text(other.text)] for one, other in apart],
    }


def _drafting(panel: Panel) -> list[DraftAcceptance]:
    """Each kind of drafting of a panel's points once."""
    rows = panel.points.select(DRAFTING_COLUMNS).unique(maintain_order=True).iter_rows(named=True)
    return [stated for row in rows if (stated := acceptance_of(row))]
