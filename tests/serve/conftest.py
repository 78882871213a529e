"""One server for the tests that need no folder of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.serving import serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of `paretoken serve`, and its folder, which is empty at first."""
    folder = tmp_path_factory.mktemp("served")
    with serving("serve", folder=folder) as (url, _):
        yield url, folder
