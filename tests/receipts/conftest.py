"""One run with receipts, copied for each test that changes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from paretoken.receipts.verify import RunVerification, verify_run
from tests.support.sealed_runs import sealed_run


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three levels that nobody changes."""
    return sealed_run(tmp_path_factory.mktemp("sealed") / "run")


@pytest.fixture(scope="session")
def verified(sound: Path) -> RunVerification:
    """The result for that run, and for a copy of it."""
    return verify_run(sound)


@pytest.fixture
def run(sound: Path, tmp_path: Path) -> Path:
    """A run of three levels to change."""
    return Path(shutil.copytree(sound, tmp_path / "run"))
