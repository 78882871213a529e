"""What cannot run is known before anything starts."""

from __future__ import annotations

import pytest

from paretoken.campaign.estimate import kv_gb
from paretoken.campaign.feasible import check_here, nvidia_or_amd
from paretoken.campaign.matrix import cells
from paretoken.campaign.plan import MB_PER_POINT, check_room
from paretoken.campaign.serve import served
from paretoken.engines.container import docker
from paretoken.errors import BadConfig, CannotWrite
from tests.support.campaign_files import BASE, campaign, plan


def test_weights_of_the_hub_come_with_its_cache_and_token(tmp_path, catalog):
    one = campaign(tmp_path)
    made = served(one, catalog, cells(one, catalog)[:1], 8, 8000)
    words = docker(made, folder=tmp_path)
    assert made.hub and "HF_TOKEN" in words and any(w.endswith(":/model-cache") for w in words)
    local = campaign(tmp_path, BASE.replace("meta/llama-fp8", "/models/llama-fp8"))
    words = docker(served(local, catalog, cells(local, catalog)[:1], 8, 8000), folder=tmp_path)
    assert "HF_TOKEN" not in words and "/models/llama-fp8:/models/llama-fp8:ro" in words


class TestFeasible:
    """Facts of the published report: DeepSeek in FP8 does not fit eight H100, it does fit eight H200 or MI300X."""

    DEEPSEEK = (
        BASE.replace('["H200", "MI300X"]', '["H100", "H200", "MI300X"]')
        .replace("[2, 4]", "[8]")
        .replace("llama-3-70b", "deepseek-r1")
        .replace("meta/llama-fp8", "deepseek-ai/DeepSeek-R1")
    )

    def test_memory(self, tmp_path):
        made = plan(tmp_path, self.DEEPSEEK)
        assert {cell.serving.accelerator for cell, _ in made.infeasible} == {"H100"}
        assert all("needs at least 67" in why and "8 × H100 have 646 GB" in why for _, why in made.infeasible)
        assert {job.serving.accelerator for job in made.jobs} == {"H200", "MI300X"}

    def test_a_70b_in_bf16_needs_two_h100(self, tmp_path, catalog):
        text = BASE.replace('"fp8"', '"bf16"').replace('["H200", "MI300X"]', '["H100"]').replace("[2, 4]", "[1, 2]")
        made = plan(tmp_path, text)
        assert {(cell.serving.tp) for cell, _ in made.infeasible} == {1}

    @pytest.mark.parametrize(
        ("old", "new", "why"),
        [
            ("[2, 4]", "[16]", "exceeds the 8 GPUs of one"),
            ("[2, 4]", "[3]", "does not divide the 64 attention heads"),
            ('["chat", "4k/1k"]', '["130000/4096"]', "do not fit the 131,072 tokens"),
            ('["vllm", "sglang"]', '["trtllm"]', "does not run on MI300X"),
            ("path =", "tokenizer =", "no path to the weights"),
        ],
    )
    def test_other_reasons(self, tmp_path, old, new, why):
        text = BASE.replace(old, new, 1).replace('["H200", "MI300X"]', '["MI300X"]')
        with pytest.raises(BadConfig, match=why) as e:
            plan(tmp_path, text)
        assert "no cell of campaign 'base' can run" in str(e.value)

    MINIMAX = (
        BASE.replace("[models.llama-3-70b]", '[models."minimax-m2.5"]')
        .replace("llama-3-70b", "minimax-m2.5")
        .replace("meta/llama-fp8", "MiniMaxAI/MiniMax-M2.5")
        .replace("[2, 4]", "[4, 8]")
        .replace('["vllm", "sglang"]', '["vllm"]')
    )

    def test_blocks_of_weights_that_launch_would_refuse_to_cut(self, tmp_path):
        made = plan(tmp_path, self.MINIMAX)
        assert {cell.serving.tp for cell, _ in made.infeasible} == {8}
        assert all("FP8 scales are of 128" in why and "or add EP 8" in why for _, why in made.infeasible)
        assert not plan(tmp_path, self.MINIMAX.replace("MiniMaxAI/MiniMax-M2.5", "/own/weights")).infeasible

    def test_experts_of_an_engine_that_spreads_them_over_all_gpus(self, tmp_path):
        made = plan(tmp_path, self.MINIMAX.replace("tp = [4, 8]", "tp = [8]\nep = [4, 8]"))
        assert {(cell.serving.ep, "use EP 8" in why) for cell, why in made.infeasible} == {(4, True)}

    @pytest.mark.parametrize(
        ("value", "why"), [("pp = 0", "pp = 0 is not a whole number"), ('max_num_seqs = "x"', "'x' is not a whole")]
    )
    def test_sizes_that_are_none(self, tmp_path, value, why):
        text = f"{BASE}[engines.vllm]\nset = {{ {value} }}\n"
        made = plan(tmp_path, text)
        assert {(cell.serving.engine, why in reason) for cell, reason in made.infeasible} == {("vllm", True)}

    def test_what_a_cache_of_keys_and_values_takes(self, catalog):
        """Llama 3 70B: 80 layers × 2 × 8 heads × 128 elements a token; one byte each."""
        assert kv_gb(catalog.models["llama-3-70b"], 1000) == pytest.approx(80 * 2 * 8 * 128 * 1000 / 1e9)
        deepseek = catalog.models["deepseek-r1"]
        assert kv_gb(deepseek, 1) == pytest.approx(61 * (512 + 64) / 1e9)

    def test_no_gpu_here(self, tmp_path, catalog, monkeypatch):
        made = campaign(tmp_path, BASE + '[engines.vllm]\nprogram = ["true"]\n[engines.sglang]\nprogram = ["true"]')
        all_cells = cells(made, catalog)
        with pytest.raises(BadConfig, match="has no NVIDIA GPU"):
            check_here(made, catalog, all_cells, lambda vendor: 0)
        with pytest.raises(BadConfig, match="needs 4 GPUs and this machine has 2"):
            check_here(made, catalog, all_cells, lambda vendor: 2)
        check_here(made, catalog, all_cells, lambda vendor: 8)
        assert nvidia_or_amd("Intel") is None

    def test_engine_not_here(self, tmp_path, catalog):
        made = campaign(tmp_path, BASE + '[engines.vllm]\nprogram = ["no-such-program"]')
        with pytest.raises(BadConfig, match=r"vLLM is not installed.*pip install vllm"):
            check_here(made, catalog, cells(made, catalog), lambda vendor: 8)

    def test_a_full_disk(self, tmp_path, monkeypatch):
        import shutil

        made = plan(tmp_path)
        free = MB_PER_POINT * made.points * 1_000_000
        usage = shutil.disk_usage(tmp_path)._replace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        check_room(made, tmp_path / "new" / "deep")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free - 1))
        with pytest.raises(CannotWrite, match=rf"{made.points} points may need"):
            check_room(made, tmp_path / "new" / "deep")
