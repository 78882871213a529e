"""A TCO set of the user's own, in the form that docs/catalog.md shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.errors import UnknownName
from paretoken.prices.tariff import tariff

PAGE = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text(encoding="utf-8")


def test_the_file_that_the_page_shows_is_read(tmp_path):
    shown = re.findall(r"```toml\n# mine/tco.toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "tco.toml").write_text(shown[0], encoding="utf-8")
    own = tariff(load_catalog(tmp_path), "ours", "reserved")
    assert own.usd_per_gpu_h == {"H200": 1.95, "MI355X": 2.10}


def test_an_unknown_set_or_tier_says_where_to_look():
    catalog = load_catalog()
    with pytest.raises(UnknownName, match=r"unknown TCO set 'mine'.*tco\.toml \(docs/catalog\.md\).*--catalog"):
        catalog.tco.id_of("mine")
    with pytest.raises(UnknownName, match="known: hyperscaler, rent-retail; --tco 2026-07 has it"):
        tariff(catalog, "2026-09", "neocloud")
