"""Fixtures that several tests share."""

from __future__ import annotations

import pytest

from paretoken.catalog import Catalog, load_catalog


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="session")
def default_result():
    """The default study, computed once."""
    from paretoken import load_study, run_study

    return run_study(load_study())
