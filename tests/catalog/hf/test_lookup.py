"""A model by its name, its folder, its file, the local cache, or the hub."""

from __future__ import annotations

import json
import socket
from dataclasses import replace

import pytest

from paretoken.catalog.hf import sources
from paretoken.catalog.hf.lookup import catalog_with_model, twin_of
from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig, BadFile, UnknownName
from paretoken.predict.capacity import kv_tokens
from paretoken.predict.columns import deployment_numbers
from paretoken.predict.deployment import Deployment, check, resolve
from tests.catalog.hf.test_configs import CONFIGS, read
from tests.support.web import served

CATALOG = load_catalog()
TWIN = CONFIGS["llama-3.1-8b"]
LLAMA = {**TWIN, "intermediate_size": 14592}
"""A model that the catalog lacks."""


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """An empty cache, and no hub."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ENDPOINT", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def folder(place, keys, **files):
    place.mkdir(parents=True, exist_ok=True)
    (place / "config.json").write_text(json.dumps(keys))
    for name, value in files.items():
        (place / f"{name.replace('__', '.')}.json").write_text(json.dumps(value))
    return place


def test_a_name_of_the_catalog_stays_what_it_is():
    assert catalog_with_model(CATALOG, "Qwen/Qwen3-8B-FP8") == (CATALOG, "qwen3-8b")
    assert catalog_with_model(CATALOG, "/nowhere/models/Qwen3-8B") == (CATALOG, "qwen3-8b")


def test_a_folder_and_its_file_give_the_same_model(tmp_path):
    place = folder(tmp_path / "my-llama", LLAMA)
    for text in (str(place), f"{place}/", str(place / "config.json")):
        catalog, key = catalog_with_model(CATALOG, text)
        assert key == "my-llama"
        assert catalog.models[key].params_total_b == pytest.approx(8.13, rel=0.001)
        assert catalog.models["MY-LLAMA"].layers == 32
        assert "my-llama" not in CATALOG.models


def test_a_file_of_another_name_names_the_model(tmp_path):
    (tmp_path / "big one.json").write_text(json.dumps(LLAMA))
    assert catalog_with_model(CATALOG, str(tmp_path / "big one.json"))[1] == "big one"


def test_a_folder_named_like_a_model_of_the_catalog_is_another(tmp_path):
    place = folder(tmp_path / "llama-3.1-8b", {**LLAMA, "num_hidden_layers": 16})
    catalog, key = catalog_with_model(CATALOG, str(place))
    assert key == "llama-3.1-8b (config.json)"
    assert (catalog.models[key].layers, catalog.models["llama-3.1-8b"].layers) == (16, 32)


def test_a_name_is_cleaned_of_what_a_terminal_would_obey(tmp_path):
    place = folder(tmp_path / "a\x1b[31mb", LLAMA)
    assert "\x1b" not in catalog_with_model(CATALOG, str(place))[1]


def test_what_lies_beside_the_config_counts(tmp_path):
    place = folder(
        tmp_path / "quantised",
        LLAMA,
        hf_quant_config={"quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8"}},
        model__safetensors__index={"metadata": {"total_size": 6_100_000_000}, "weight_map": {}},
    )
    catalog, key = catalog_with_model(CATALOG, str(place))
    model = catalog.models[key]
    assert (model.native_precision, model.checkpoint_kv_dtype) == ("fp4", "fp8")
    assert model.checkpoint.dense == pytest.approx(0.5625 * 6.1 / 6.09, rel=0.01)


def test_a_repository_in_the_local_cache_is_read_without_a_network(tmp_path):
    snapshots = tmp_path / "hf" / "hub" / "models--acme--Brand-New-9B" / "snapshots"
    folder(snapshots / "0123abcd", LLAMA)
    catalog, key = catalog_with_model(CATALOG, "acme/Brand-New-9B")
    assert key == "acme/Brand-New-9B"
    assert catalog.models[key].maker == "acme"
    assert catalog_with_model(CATALOG, str(snapshots / "0123abcd"))[1] == key


@pytest.fixture
def hub(monkeypatch):
    """The answers by path of a hub on this machine."""
    answers = {}
    with served(answers) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.delenv("HF_HUB_OFFLINE")
        yield answers


def test_a_repository_on_the_hub(hub):
    base = "/acme/Brand-New-9B/resolve/main"
    hub[f"{base}/config.json"] = {"body": json.dumps({**LLAMA, "time_step_limit": [0.0, float("inf")]}).encode()}
    index = b'{"metadata": {"total_size": 16400000000}, "weight_map": {'
    hub[f"{base}/model.safetensors.index.json"] = {"body": index}
    catalog, key = catalog_with_model(CATALOG, "acme/Brand-New-9B")
    assert catalog.models[key].layers == 32
    assert catalog.models[key].checkpoint.dense == pytest.approx(2.0 * 16.4 / 16.26, rel=0.001)


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "gated, private or does not exist"), (404, "does not exist on the hub"), (503, "the hub answered 503")],
)
def test_a_repository_that_the_hub_does_not_give(hub, status, words):
    hub["/acme/Brand-New-9B/resolve/main/config.json"] = {"status": status, "body": b"no"}
    with pytest.raises(BadFile, match=words):
        catalog_with_model(CATALOG, "acme/Brand-New-9B")


def test_without_a_network_it_says_what_to_do(monkeypatch):
    with pytest.raises(BadFile, match=r"HF_HUB_OFFLINE is set; download its config\.json and give the path"):
        catalog_with_model(CATALOG, "acme/Brand-New-9B")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
        monkeypatch.delenv("HF_HUB_OFFLINE")
        with pytest.raises(BadFile, match="the hub cannot be reached"):
            catalog_with_model(CATALOG, "acme/Brand-New-9B")


@pytest.mark.parametrize("text", ["./nowhere", "/nowhere/config.json", "../gone/", "missing.json"])
def test_a_path_that_does_not_exist(text):
    with pytest.raises(BadFile, match=r"does not exist; give a folder with a config\.json, or the file"):
        catalog_with_model(CATALOG, text)


def test_a_folder_without_a_config(tmp_path):
    with pytest.raises(BadFile, match=r"has no config\.json"):
        catalog_with_model(CATALOG, str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'"text"', b"\xff\xfe", b"[" * 100_000, b"\0" * 50])
def test_a_file_that_is_no_config(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises((BadFile, BadConfig)) as e:
        catalog_with_model(CATALOG, str(tmp_path))
    assert "\n" not in str(e.value)


def test_a_file_that_is_too_large_for_a_config(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MOST_BYTES", 100)
    with pytest.raises(BadFile, match=r"check that it is a config\.json"):
        catalog_with_model(CATALOG, str(folder(tmp_path / "m", LLAMA)))


@pytest.mark.parametrize("text", ["", "qwen3-8bb", "a b/c d", "x" * 9000, "a\0b"])
def test_a_name_that_is_none(text):
    with pytest.raises(UnknownName):
        catalog_with_model(CATALOG, text)


def test_everything_else_goes_by_the_id(tmp_path):
    catalog, key = catalog_with_model(CATALOG, str(folder(tmp_path / "my-llama", LLAMA)))
    d = Deployment(accelerator="H100", model=key, precision="bf16", engine="vllm", gpus=1, tp=1)
    deployment = resolve(d, catalog)
    check(deployment, catalog)
    theirs = deployment_numbers(replace(deployment, model="llama-3.1-8b"), catalog)
    assert 0.9 < kv_tokens(deployment_numbers(deployment, catalog), 1024.0) / kv_tokens(theirs, 1024.0) < 1


def test_a_checkpoint_with_shapes_of_the_catalog_keeps_its_id_and_has_its_own_bytes(tmp_path):
    keys = {**TWIN, "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}}
    place = folder(tmp_path / "tuned-and-packed", {**keys, "vocab_size": 128264, "max_position_embeddings": 8192})
    catalog, key = catalog_with_model(CATALOG, str(place))
    model = catalog.models[key]
    assert key == "llama-3.1-8b"
    assert (model.native_precision, model.max_context, model.vocab_size) == ("int4", 8192, 128256)
    assert model.checkpoint.dense == pytest.approx(0.5195, rel=0.001)
    assert model.assumed == ("tuned-and-packed has the shapes of llama-3.1-8b, so its measurements count",)
    assert CATALOG.models[key].checkpoint is None


@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_finds_its_entry_by_its_shapes(name):
    named = read(CONFIGS[name]).model_copy(update={"name": CATALOG.models[name].name})
    assert twin_of(named, CATALOG.models) == name
