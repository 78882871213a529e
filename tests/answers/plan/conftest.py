"""The market of the shipped data, read once for the tests of plans."""

from __future__ import annotations

import pytest

from paretoken.answers.market import Market
from paretoken.catalog.loader import load_catalog
from tests.support.plans import question


@pytest.fixture(scope="package")
def shipped() -> Market:
    return Market.of(question(), load_catalog())
