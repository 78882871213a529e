"""Tables of separate pools in engine files: their order, their keys, and what an orchestrator takes from its core."""

from __future__ import annotations

import pytest

from paretoken.catalog.disaggregation import Disaggregation, KvExchange, worker_nodes
from paretoken.catalog.engine_files import disaggregation_of, engine_files, read_engine_file
from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig
from tests.support.published_pools import published_pairs

ENTRY = """name = "E"
core = "e"
source = "s"
date = "2026-11-30"
"""


def exchange(since: str, **keys: str) -> KvExchange:
    return KvExchange(since=since, source="s", **keys)


def test_a_later_table_changes_only_its_own_keys():
    tables = Disaggregation(
        exchange=(exchange("2025-01-01", latent="same", heads="same"), exchange("2026-01-01", latent="any"))
    )
    assert [getattr(tables.exchange_on("2025-06-01"), k) for k in ("latent", "heads")] == ["same", "same"]
    assert [getattr(tables.exchange_on("2026-06-01"), k) for k in ("latent", "heads")] == ["any", "same"]
    assert tables.exchange_on(None) == tables.exchange_on("2026-06-01")
    assert tables.exchange_on("2024-01-01") == tables.exchange[0], "the first also covers earlier days"
    assert Disaggregation().exchange_on(None) is None


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        (("2026-01-01", "2025-01-01"), "in order"),
        (("2026-01-01", "2026-01-01"), "in order"),
        (("January",), "since"),
    ],
)
def test_days_are_in_order(tmp_path, tables, words):
    file = tmp_path / "e.toml"
    text = "".join(f'[[disaggregation.exchange]]\nsince = "{day}"\nsource = "s"\n' for day in tables)
    file.write_text(ENTRY + text, encoding="utf-8")
    with pytest.raises(BadConfig, match=words):
        read_engine_file(file)


@pytest.mark.parametrize("line", ['heads = "twice"', 'haeds = "same"'])
def test_unknown_keys_and_rules_are_refused(tmp_path, line):
    file = tmp_path / "e.toml"
    table = '[[disaggregation.exchange]]\nsince = "2026-01-01"\nsource = "s"\n'
    file.write_text(f"{ENTRY}{table}{line}\n", encoding="utf-8")
    with pytest.raises(BadConfig, match=r"heads|haeds"):
        read_engine_file(file)


def test_an_orchestrator_takes_from_its_core_what_it_lacks():
    core, own = disaggregation_of("vllm"), disaggregation_of("dynamo-vllm")
    assert own.exchange == core.exchange
    assert own.launch != core.launch
    assert disaggregation_of("mori-sglang") == disaggregation_of("sglang")
    assert disaggregation_of("transformers") is None
    assert disaggregation_of("no such engine") is None


@pytest.mark.parametrize("key", [key for key, engine in engine_files().items() if engine.disaggregated])
def test_every_disaggregated_engine_has_both_tables(key):
    tables = disaggregation_of(key)
    assert tables.exchange
    assert tables.launch


@pytest.mark.parametrize(("gpus", "nodes"), [(1, 1), (4, 1), (8, 1), (16, 2), (72, 9)])
def test_a_worker_is_part_of_a_node_or_whole_nodes(gpus, nodes):
    assert worker_nodes("decode", gpus, "H200", load_catalog().accelerators["H200"]) == nodes


def test_every_published_worker_is_part_of_a_node_or_whole_nodes():
    catalog = load_catalog()
    pairs = published_pairs(catalog)
    assert len(pairs) > 100
    for _, prefill, decode in pairs:
        for pool, d in (("prefill", prefill), ("decode", decode)):
            assert worker_nodes(pool, d.gpus, d.accelerator, catalog.accelerators[d.accelerator]) >= 1
