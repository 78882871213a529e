"""Break-even rents between accelerators that draft: withheld at unlike acceptance, named where it is unstated."""

from __future__ import annotations

import pytest

from paretoken.answers.rent_curve import rent_curve
from paretoken.frontier.verdict import curve_grid
from tests.frontier.test_acceptance import PLAIN, drafts
from tests.frontier.test_verdict import curves_of, scaled


@pytest.mark.parametrize(
    ("one", "other", "withheld", "unstated"),
    [
        (PLAIN, PLAIN, None, None),
        (drafts(2.9), drafts(2.8), None, None),
        (drafts(2.9), drafts(2.4), "unlike acceptance", None),
        (drafts(2.9), drafts(), None, "acceptance length not stated for MI355X (MTP)"),
    ],
)
def test_rents_rest_on_like_acceptance(one, other, withheld, unstated):
    grid = curve_grid(curves_of(*scaled("B200", 1.3, **one), *scaled("MI355X", 1.0, **other)))
    points = rent_curve(grid, "e2e", "B200", "MI355X", 2.0)
    assert points
    for point in points:
        assert (point.withheld or "").startswith(withheld or "") and bool(point.withheld) is bool(withheld)
        assert (point.acceptance or "").startswith(unstated or "") and bool(point.acceptance) is bool(unstated)
