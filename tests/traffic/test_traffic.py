"""Requests picked out of a traffic."""

from __future__ import annotations

import numpy as np
import pytest

from paretoken.errors import BadConfig
from paretoken.traffic.traffic import PrefixBlocks, Traffic

FOUR = Traffic(
    time_s=np.array([0.0, 1.0, 2.0, 3.0]),
    input_tokens=np.array([10, 20, 30, 40]),
    output_tokens=np.array([1, 2, 3, 4]),
    session=np.array([0, 1, 0, -1]),
    span_s=4.0,
    source="made up",
    prefixes=PrefixBlocks(((7,), (), (7, 8), (9,)), 16),
    notes=("one row left out",),
)


@pytest.mark.parametrize("rows", [np.array([0, 2]), np.array([True, False, True, False])])
def test_rows_keep_their_blocks_and_the_period(rows):
    two = FOUR.take(rows, "every other request")
    assert two.time_s.tolist() == [0.0, 2.0] and two.input_tokens.tolist() == [10, 30]
    assert two.output_tokens.tolist() == [1, 3] and two.session.tolist() == [0, 0]
    assert two.prefixes == PrefixBlocks(((7,), (7, 8)), 16)
    assert two.span_s == 4.0 and two.notes == ("one row left out", "every other request")


def test_blocks_can_stay_behind():
    assert FOUR.take(np.array([1]), with_prefixes=False).prefixes is None
    assert FOUR.take(np.array([1])).notes == FOUR.notes


def test_no_row_is_no_traffic():
    with pytest.raises(BadConfig, match="needs a request"):
        FOUR.take(np.zeros(4, dtype=bool))
