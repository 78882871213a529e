"""Work shared by processes comes back in order, with its errors."""

from __future__ import annotations

import pytest

from paretoken.errors import BadConfig
from paretoken.plan.parallel import map_all


def square(n: int) -> int:
    if n < 0:
        raise BadConfig(f"{n} is negative")
    return n * n


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_work_is_shared_in_order(processes):
    calls = []
    assert map_all(square, range(7), processes=processes, progress=lambda *x: calls.append(x)) == [
        n * n for n in range(7)
    ]
    assert calls == [(i, 7) for i in range(1, 8)]
    with pytest.raises(BadConfig, match="-3 is negative"):
        map_all(square, [1, -3, 2], processes=processes)
    assert map_all(square, []) == []
