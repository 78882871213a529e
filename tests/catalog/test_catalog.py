"""The catalog: complete, sourced, and open to a user's folder."""

from __future__ import annotations

import pytest

from paretoken.catalog.entries import KINDS
from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig, BadFile, UnknownName
from paretoken.points.published import published_points

ACCELERATORS = [
    "H100",
    "H200",
    "B200",
    "B300",
    "GB200",
    "GB300",
    "MI300X",
    "MI325X",
    "MI350X",
    "MI355X",
    "A100",
    "L40S",
]
MODELS = ["Llama 3.1/3.3 70B", "llama-3.3-70b", "llama-3.1-405b", "deepseek-v3", "deepseek-r1", "gpt-oss-120b"]
LENGTHS = {(1024, 1024), (4096, 1024), (8192, 1024), (1024, 4096), (1024, 8192)}


def test_holds_what_the_field_asks_for(catalog):
    assert set(ACCELERATORS) <= set(catalog.accelerators)
    for name in MODELS:
        assert name in catalog.models
    assert {"vllm", "sglang", "trtllm"} <= set(catalog.engines)
    assert {(w.isl, w.osl) for _, w in catalog.workloads.items()} == LENGTHS


@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_has_source_and_date(catalog, kind):
    for key, entry in getattr(catalog, kind).items():
        assert entry.source.strip(), key
        assert entry.date[:2] == "20", key


def test_every_published_point_has_its_entries(catalog):
    points = published_points()
    for column, shelf in (("accelerator", "accelerators"), ("model", "models"), ("engine", "engines")):
        assert set(points[column].unique()) <= set(getattr(catalog, shelf))


@pytest.mark.parametrize(
    ("set_id", "tier", "prices"),
    [
        ("2025-08", "hyperscaler", {"H100": 1.30, "B200": 1.95, "MI300X": 1.12, "MI355X": 1.48}),
        ("2025-08", "rent-3yr", {"H100": 1.30, "GB200": 3.30, "MI325X": 1.80}),
        ("2026-07", "neocloud", {"H200": 1.59, "B300": 2.52, "GB300": 2.79, "MI355X": 2.09}),
        ("2026-07", "rent-3yr", {"H100": 1.78, "H200": 2.05, "B200": 2.60, "MI300X": 1.30}),
        ("2026-09", "rent-retail", {"H200": 2.90, "MI355X": 2.90}),
    ],
)
def test_tco_sets_hold_the_published_prices(catalog, set_id, tier, prices):
    held = catalog.tco[set_id].tiers[tier].usd_per_gpu_h
    assert {k: held[k] for k in prices} == prices


def test_power_basis_changed_with_the_set(catalog):
    assert "PUE included" in catalog.tco["2025-08"].kw_basis
    assert catalog.tco["2025-08"].kw_per_gpu["H100"] == 1.73
    assert "PUE not included" in catalog.tco["2026-07"].kw_basis
    assert catalog.tco["2026-07"].kw_per_gpu["H100"] == 1.37


def test_newest_set_is_by_date(catalog):
    assert catalog.newest_tco() == max(catalog.tco)


def test_parameters_follow_from_the_architecture(catalog):
    """The stated size is that of the layers: dense models to 1 %, counted here independently."""
    for name in ("llama-3-70b", "llama-3.1-405b", "llama-3.1-8b", "qwen3-32b"):
        m = catalog.models[name]
        attention = m.hidden_size * m.head_dim * (2 * m.heads + 2 * m.kv_heads)
        embedding = m.vocab_size * m.hidden_size * (1 if m.tied_embeddings else 2)
        total = m.layers * (attention + 3 * m.hidden_size * m.intermediate_size) + embedding
        assert total / 1e9 == pytest.approx(m.params_total_b, rel=0.01), name


@pytest.mark.parametrize(
    ("wrong", "right"), [("H20O", "H200"), ("mi300", "MI300X"), ("B20O", "B200"), ("lama-3-70b", "llama-3-70b")]
)
def test_unknown_name_is_answered_with_the_nearest(catalog, wrong, right):
    shelf = catalog.models if "lama" in wrong else catalog.accelerators
    with pytest.raises(UnknownName, match=right):
        shelf[wrong]


def test_user_folder_overrides_and_adds(tmp_path):
    (tmp_path / "accelerators.toml").write_text(
        '[H200]\nhbm_gib = 140\n\n[X1]\nname = "X1"\nvendor = "Acme"\nhbm_gib = 64\nhbm_tb_per_s = 2.0\n'
        'bf16_tflops = 500\nsource = "data sheet"\ndate = "2026-01"\n'
    )
    mine = load_catalog(tmp_path)
    assert (mine.accelerators["h200"].hbm_gib, mine.accelerators["H200"].vendor) == (140, "NVIDIA")
    assert mine.accelerators["x1"].vendor == "Acme"
    assert load_catalog().accelerators["H200"].hbm_gib == 141


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("accelerators.toml", "[H200]\nhbm_gig = 3\n", "hbm_gib"),
        ("accelerators.toml", "[H200]\nhbm_gib = -3\n", "hbm_gib = -3"),
        ("accelerators.toml", '[X1]\nname = "X1"\n', "is missing"),
        ("accelerators.toml", "H200 = 3\n", "outside a table"),
        ("accelerator.toml", "[H200]\nhbm_gib = 3\n", "accelerators.toml"),
        ("models.toml", "[[", "not valid TOML"),
        ("models.toml", '[llama-3-70b]\naliases = ["deepseek-r1"]\n', "already belongs to"),
    ],
)
def test_bad_user_file_is_one_sentence(tmp_path, file, text, says):
    (tmp_path / file).write_text(text)
    with pytest.raises((BadConfig, BadFile), match=says):
        load_catalog(tmp_path)


def test_folder_without_files_or_missing(tmp_path):
    with pytest.raises(BadFile, match="has no TOML"):
        load_catalog(tmp_path)
    with pytest.raises(BadFile, match="not a folder"):
        load_catalog(tmp_path / "none")
