"""Rows of a frontier of pools, thinned for tables and curves."""

from __future__ import annotations

from paretoken.answers.pool_thinned import thinned
from tests.support.pooled import pooled_row


def test_the_most_tokens_of_each_band_stay():
    rows = [pooled_row(100, 10), pooled_row(99, 20), pooled_row(50, 30)]
    assert [r.total_tput_per_gpu_tok_s for r in thinned(rows)] == [20, 30]
    assert thinned(rows, 1.001) == rows
