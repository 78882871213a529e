"""`paretoken launch --print`: text, JSON, and whether the model fits."""

from __future__ import annotations

import json

import pytest
import yaml

FP8 = "launch vllm llama-3-70b --accelerator H200 --precision fp8 --tp 4 --workload chat"


@pytest.mark.parametrize("form", ["shell", "docker", "sbatch", "kubernetes"])
def test_json_has_the_words_and_the_script(call, form):
    code, text, _ = call(f"{FP8} --print {form}")
    assert code == 0
    code, out, _ = call(f"{FP8} --print {form} --json")
    answer = json.loads(out)
    assert code == 0 and set(answer) == {"form", "command", "env", "files", "script", "notes"}
    assert answer["script"] == text and answer["form"] == form
    assert answer["command"][0] == ("docker" if form == "docker" else "vllm")
    assert "nvidia/Llama-3.3-70B-Instruct-FP8" in answer["command"]
    assert answer["notes"] and all(note in text for note in answer["notes"])
    if form == "kubernetes":
        assert [d["kind"] for d in yaml.safe_load_all(answer["script"])] == ["Deployment", "Service"]


def test_a_target_of_the_autoscaler_needs_no_users(call):
    code, out, _ = call(f"{FP8} --print kubernetes --max-replicas 4 --target-requests 90")
    (scaler,) = (d for d in yaml.safe_load_all(out) if d["kind"] == "HorizontalPodAutoscaler")
    assert code == 0 and scaler["spec"]["metrics"][0]["pods"]["target"]["averageValue"] == "90"


def test_json_alone_is_the_whole_command(call):
    answer = json.loads(call(f"{FP8} --json")[1])
    assert answer["base_url"] == "http://127.0.0.1:8000/v1" and answer["notes"]


class TestMemory:
    def test_weights_larger_than_the_memory_are_refused_with_what_holds_them(self, call):
        code, _, err = call("launch vllm llama-3-70b --accelerator H100 --tp 1 --print docker")
        assert code == 2 and err.count("\n") == 1
        assert "bf16 does not fit on 1 GPU of H100: each would hold 131 GiB of weights" in err and "use --tp 4" in err

    def test_what_holds_them_is_not_refused(self, call):
        code, out, _ = call("launch vllm llama-3-70b --accelerator H100 --tp 4 --print docker")
        assert code == 0 and "Does not fit" not in out

    def test_no_room_for_a_request_is_a_note(self, call):
        code, out, _ = call("launch vllm llama-3-70b --accelerator H200 --tp 1 --print docker")
        assert code == 0 and out.startswith("# Does not fit: Llama") and "use --tp 2." in out

    def test_a_model_beyond_a_node(self, call):
        code, _, err = call("launch vllm llama-3.1-405b --precision bf16 --accelerator H100 --tp 8 --print docker")
        assert code == 2 and "it needs 2 nodes of TP 8: use weights of lower precision, or GPUs with more" in err

    def test_weights_of_unknown_precision_pass(self, call):
        code, out, _ = call("launch vllm llama-3-70b --path /models/llama --accelerator H100 --tp 1 --print docker")
        assert code == 0 and "Does not fit" not in out
