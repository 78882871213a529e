"""Weights of a launch: names on the hub that exist, by precision and vendor; paths of this and of other machines."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.catalog.names import precision_of
from paretoken.engines.weights import REPOSITORY, weights_of
from paretoken.errors import BadConfig

CATALOG = load_catalog()


def name(model: str, precision: str = "", vendor: str = "NVIDIA", path: str = "") -> str:
    return weights_of(CATALOG, model, path, precision, vendor).path


OTHER_RELEASES = ("Kimi-K2-Instruct", "kimi-k2", "hy3", "mixtral-8x7b-v0.1", "qwen3-0.6b-base")


class TestHub:
    @pytest.mark.parametrize(
        ("model", "precision", "vendor", "repository"),
        [
            ("llama-3-70b", "bf16", "NVIDIA", "meta-llama/Llama-3.3-70B-Instruct"),
            ("llama-3-70b", "", "AMD", "meta-llama/Llama-3.3-70B-Instruct"),
            ("llama-3-70b", "fp8", "NVIDIA", "nvidia/Llama-3.3-70B-Instruct-FP8"),
            ("llama-3-70b", "fp8", "AMD", "amd/Llama-3.3-70B-Instruct-FP8-KV"),
            ("llama-3-70b", "fp8", "", "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic"),
            ("deepseek-r1", "", "AMD", "deepseek-ai/DeepSeek-R1-0528"),
            ("deepseek-r1", "fp4", "NVIDIA", "nvidia/DeepSeek-R1-0528-NVFP4-v2"),
            ("deepseek-r1", "fp4", "AMD", "amd/DeepSeek-R1-0528-MXFP4"),
        ],
    )
    def test_by_precision_and_vendor(self, model, precision, vendor, repository):
        assert name(model, precision, vendor) == repository

    def test_a_precision_in_the_name_counts(self):
        assert name("llama-3.3-70b-instruct-fp8") == "nvidia/Llama-3.3-70B-Instruct-FP8"
        assert name("llama-3.3-70b-instruct-fp8", "FP8") == "nvidia/Llama-3.3-70B-Instruct-FP8"
        with pytest.raises(BadConfig, match="says fp8, but the precision is bf16"):
            name("llama-3.3-70b-instruct-fp8", "bf16")

    def test_a_precision_before_other_words_counts(self):
        assert name("Llama-3.3-70B-Instruct-FP8-KV", vendor="AMD") == "amd/Llama-3.3-70B-Instruct-FP8-KV"
        assert name("deepseek-r1-nvfp4") == "nvidia/DeepSeek-R1-0528-NVFP4-v2"

    @pytest.mark.parametrize("vendor", ["NVIDIA", "AMD"])
    def test_weights_have_the_precision_of_the_name(self, vendor):
        precisions = {}
        for alias in CATALOG.models.index:
            with suppress(BadConfig):
                if "/" not in alias and (stated := precision_of(alias)):
                    entry = weights_of(CATALOG, alias, "", "", vendor).entry
                    precisions[alias] = (stated, entry and entry.precision)
        assert len(precisions) > 40
        assert {a: both for a, both in precisions.items() if both[0] != both[1]} == {}

    @pytest.mark.parametrize(
        ("model", "repository"),
        [
            ("mixtral-8x7b-instruct", "mistralai/Mixtral-8x7B-Instruct-v0.1"),
            ("llama-4-scout-instruct", "meta-llama/Llama-4-Scout-17B-16E-Instruct"),
            ("mistral-small-3.2", "mistralai/Mistral-Small-3.2-24B-Instruct-2506"),
            ("llama-2-7b-chat", "meta-llama/Llama-2-7b-chat-hf"),
            ("qwen3.5-397b", "Qwen/Qwen3.5-397B-A17B"),
        ],
    )
    def test_a_name_may_leave_out_its_end_and_its_sizes(self, model, repository):
        assert name(model) == repository

    @pytest.mark.parametrize(
        "model", ["llama-3.1-70b", "deepseek-r1-distill-llama-70b", "deepseek-v3.1", *OTHER_RELEASES]
    )
    def test_another_model_of_the_same_shapes_is_not_served_instead(self, model):
        assert model in CATALOG.models
        with pytest.raises(BadConfig, match=r"no hub repository of .* is known.*add --path"):
            name(model)

    def test_a_hub_name_is_itself(self):
        assert name("meta-llama/Llama-3.1-70B-Instruct") == "meta-llama/Llama-3.1-70B-Instruct"
        assert name("m", path="org/of.mine") == "org/of.mine"

    def test_what_the_catalog_knows_of_a_stated_name(self):
        weights = weights_of(CATALOG, "minimax-m2.5", "MiniMaxAI/MiniMax-M2.5", "", "NVIDIA")
        assert weights.hub and weights.entry and weights.entry.block == 128

    def test_unknown(self):
        with pytest.raises(BadConfig, match="no weights are known for the model 'm'; add --path"):
            name("m")
        with pytest.raises(BadConfig, match=r"no hub repository of llama-3-70b in int8.*known for .*meta-llama/"):
            name("llama-3-70b", "int8")


def test_every_repository_has_its_source_and_serves_one_precision_once():
    for key, model in CATALOG.models.items():
        served = [(r.precision, r.vendor) for r in model.repositories]
        assert len(served) == len(set(served)), key
        for entry in model.repositories:
            assert REPOSITORY.fullmatch(entry.name)
            assert re.match(r"github:\w[\w.-]*/\w[\w.-]* \S+|huggingface\.co/\S+", entry.source), entry.name
            assert entry.vendor in ("", "NVIDIA", "AMD")
            assert ("NVFP4" in entry.name) <= (entry.vendor == "NVIDIA"), entry.name
            assert ("MXFP4" in entry.name) <= (entry.vendor == "AMD"), entry.name


class TestPaths:
    def test_of_this_machine(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "here").mkdir()
        for path in ("here", "./here", str(tmp_path / "here")):
            weights = weights_of(CATALOG, "m", path, "", "")
            assert (weights.path, weights.hub, weights.checked) == (str(tmp_path / "here"), False, True)

    def test_a_link_keeps_its_name(self, tmp_path):
        (tmp_path / "blob").write_text("")
        (tmp_path / "model.gguf").symlink_to(tmp_path / "blob")
        assert name("m", path=str(tmp_path / "model.gguf")).endswith("/model.gguf")

    def test_of_another_machine(self):
        weights = weights_of(CATALOG, "llama-3-70b", "/models/llama", "", "")
        assert (weights.path, weights.hub, weights.checked) == ("/models/llama", False, False)

    def test_neither_path_nor_name(self):
        with pytest.raises(BadConfig, match=r"no hub name.*write it in full, as in /models/llama"):
            name("llama-3-70b", path="llama")
