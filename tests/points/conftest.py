"""An empty folder for bundles, and the installation of one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from paretoken.points import install
from paretoken.points.bundles import Bundle


@pytest.fixture
def data_folder(monkeypatch, tmp_path) -> Path:
    """The folder of a user who has installed no bundle."""
    monkeypatch.setenv("PARETOKEN_DATA", str(tmp_path / "user"))
    return tmp_path / "user" / "bundles"


@pytest.fixture
def add(catalog, data_folder) -> Callable[..., Bundle]:
    """Install what is at a location."""

    def install_it(location, **options) -> Bundle:
        return install.install(str(location), catalog, **options).bundle

    return install_it
