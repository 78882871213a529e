"""Commands on planted points."""

from __future__ import annotations

import pytest

from paretoken.points.files import write_points
from tests.support.points import table

WHAT = "--model llama-3-70b --precision fp8 --isl 1024 --osl 1024 --no-published --points points.parquet"


@pytest.fixture
def shown(call, tmp_path):
    """The output of a command on planted points."""

    def show(command: str, *rows: dict) -> str:
        write_points(table(*rows), tmp_path / "points.parquet")
        code, out, err = call(f"{command} {WHAT}")
        assert (code, err) == (0, "")
        return " ".join(out.split())

    return show
