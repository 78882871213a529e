"""A launch is never below the load to come, and its notes say where its values are from."""

from __future__ import annotations

import shlex

import pytest

from paretoken.catalog.engine_files import newest_max_num_seqs
from paretoken.engines.request import LaunchRequest, launch_command
from paretoken.errors import BadConfig

LIMITS = {"vllm": "--max-num-seqs", "sglang": "--max-running-requests", "trtllm": "--max_batch_size"}


def made(engine: str = "vllm", **request):
    request = {"model": "llama-3-70b", "accelerator": "H200", "gpus": 4, **request}
    return launch_command(LaunchRequest(engine=engine, **request))


def notes(**request) -> str:
    return "\n".join(made(**request).notes)


@pytest.mark.parametrize("engine", LIMITS)
class TestLimits:
    def test_the_engines_own_unless_more_come(self, engine):
        own = newest_max_num_seqs(engine, "H200", 141)
        assert own >= 256
        for users in (None, 1, 32, own):
            assert LIMITS[engine] not in made(engine, users=users).arguments
        words = made(engine, users=own + 1).arguments
        assert words[words.index(LIMITS[engine]) + 1] == str(own + 1)

    def test_a_stated_limit_below_the_stated_load(self, engine):
        assert "8" in made(engine, sets=("max_num_seqs=8",)).arguments
        with pytest.raises(BadConfig, match="max_num_seqs = 8 is below the 9 that --concurrency states"):
            made(engine, sets=("max_num_seqs=8",), users=9)

    def test_the_context_holds_a_request_and_its_template(self, engine):
        assert "2304" in made(engine, workload="1024/1024").arguments
        with pytest.raises(BadConfig, match="max_model_len = 2,000 is below the 2,048 that --workload states"):
            made(engine, workload="1024/1024", sets=("max_model_len=2000",))

    def test_the_context_is_at_most_that_of_the_model(self, engine):
        assert "131072" in made(engine, workload="130000/1000").arguments
        with pytest.raises(BadConfig, match=r"130,000 input and 2,000 output tokens is longer than the context"):
            made(engine, workload="130000/2000")


def test_an_engine_without_a_limit_of_its_own_gets_one_for_the_load():
    words = made("llamacpp", model="m", path="/m.gguf", accelerator="CPU", gpus=1, users=3).arguments
    assert '"slots": 3' in words[-1]


class TestContextOfAnAlias:
    """Names of one entry have the same shapes; Llama 3 70B has another context than Llama 3.1 and 3.3."""

    LONG = "130000/2000"

    @pytest.mark.parametrize(
        "request_",
        [
            {"model": "meta-llama/Meta-Llama-3-70B-Instruct"},
            {"model": "llama-3.1-70b", "path": "/models/llama"},
            {"model": "mine", "path": "meta-llama/Meta-Llama-3-70B-Instruct"},
        ],
    )
    def test_is_neither_said_nor_checked(self, request_):
        assert "Context" not in notes(**request_)
        assert "--max-model-len 132256" in shlex.join(made(workload=self.LONG, **request_).arguments)

    @pytest.mark.parametrize(
        "request_", [{"model": "llama-3.3-70b"}, {"model": "llama-3-70b-fp8"}, {"model": "llama-3-70b", "path": "/own"}]
    )
    def test_that_of_listed_weights_and_of_the_id_is(self, request_):
        assert "Context: that of the model, 131,072 tokens" in notes(**request_)
        with pytest.raises(BadConfig, match="longer than the context"):
            made(workload=self.LONG, **request_)


@pytest.mark.parametrize(
    ("sets", "dp_attention", "match"),
    [
        ("pp=0", False, "pp = 0 is not a whole number of at least 1"),
        ("dp=-2", False, "dp = -2 is not a whole number"),
        ("pp=true", False, "pp = True is not a whole number"),
        ("max_num_seqs=abc", False, "max_num_seqs = 'abc' is not a whole number"),
        ("max_model_len=1.5", False, "max_model_len = 1.5 is not a whole number"),
        ("dp=1", True, "dp and dp_attention both set the replicas of vLLM"),
        ("tp=8", False, "give --tp in place of --set tp"),
    ],
)
@pytest.mark.parametrize("accelerator", ["H200", "CPU"])
def test_sizes_that_are_none(accelerator, sets, dp_attention, match):
    with pytest.raises(BadConfig, match=match):
        made(model="deepseek-r1", gpus=8, sets=(sets,), dp_attention=dp_attention, accelerator=accelerator)


def test_newest_limits_by_gpu():
    assert newest_max_num_seqs("vllm", "H200", 141) == 1024
    assert newest_max_num_seqs("vllm", "A100", 80) == 256
    assert newest_max_num_seqs("llamacpp", "H200", 141) == newest_max_num_seqs("none", "H200", 141) == 0


class TestNotes:
    def test_version_image_weights_context_and_limit(self):
        text = notes(precision="fp8", workload="1024/1024", users=64)
        for part in (
            "Flags of vLLM 0.32.0, read on ",
            "Image: vllm/vllm-openai:v0.32.0.",
            "Weights: nvidia/Llama-3.3-70B-Instruct-FP8 (fp8) of the Hugging Face hub; HF_TOKEN is passed on",
            "Context 2,304: 1,024 input and 1,024 output tokens, and 256 for a chat template.",
            "Serves 1,024 requests at once, the engine's own limit, which covers --concurrency 64.",
            "Prefix caching is off, as for measurements",
            "It answers on 127.0.0.1 alone",
        ):
            assert part in text, part

    def test_gated_weights(self):
        assert "gated: accept its licence, set HF_TOKEN" in notes()

    def test_what_is_not_the_default(self):
        text = notes(users=2000, host="0.0.0.0", sets=("prefix_cache=true",), image="mine:1")
        assert "Serves 2,000 requests at once, for --concurrency, above the engine's own 1,024." in text
        assert "whoever reaches that address" in text and "Prefix caching" not in text
        assert "Image: mine:1, of your choice." in text

    def test_unknown_shapes_are_said_not_to_be_checked(self):
        assert "whether it divides by TP 3 is not checked" in notes(model="org/unknown", gpus=3)

    def test_shapes_of_a_folder_are_read(self, tmp_path):
        (tmp_path / "config.json").write_text(
            '{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 512, "num_hidden_layers": 4,'
            ' "num_attention_heads": 8, "num_key_value_heads": 8, "intermediate_size": 1024, "vocab_size": 1000,'
            ' "torch_dtype": "bfloat16"}'
        )
        with pytest.raises(BadConfig, match="TP 3 does not divide the 8 attention heads"):
            made(model="own", path=str(tmp_path), gpus=3)
        made(model="own", path=str(tmp_path), gpus=4)


class TestRefusals:
    @pytest.mark.parametrize(
        ("engine", "request_", "match"),
        [
            ("transformers", {"model": "m", "path": "/m", "gpus": 2}, "transformers serve has no --tp"),
            ("vllm", {"gpus": 3}, "use TP 1, 2, 4 or 8"),
            ("vllm", {"gpus": 16}, "span 2 nodes of 8 GPUs of H200"),
            ("vllm", {"model": "deepseek-r1", "gpus": 8, "ep": 4}, "use EP 8"),
            ("vllm", {"model": "minimax-m2.5", "gpus": 8}, "or add EP 8"),
            ("sglang", {"model": "minimax-m2.5", "gpus": 8}, "or add EP 8"),
            ("llamacpp", {"model": "m", "accelerator": "CPU", "gpus": 1}, "reads a GGUF file; add --path"),
            ("llamacpp", {"model": "m", "path": "a/b", "accelerator": "CPU", "gpus": 1}, "a/b is a hub name"),
            ("llamacpp", {"model": "m", "path": "/m", "accelerator": "CPU", "gpus": 1, "host": "::"}, "has no --host"),
        ],
    )
    def test_they_name_what_works(self, engine, request_, match):
        with pytest.raises(BadConfig, match=match):
            made(engine, **request_)

    def test_weights_of_another_precision(self):
        path = "meta-llama/Llama-3.3-70B-Instruct"
        with pytest.raises(BadConfig, match=f"{path} are bf16, not fp8; give --precision bf16 to serve"):
            made(path=path, precision="fp8")
        with pytest.raises(BadConfig, match=f"{path} are bf16, not fp8"):
            made(model="llama-3.3-70b-instruct-fp8", path=path)
        assert "--quantization" in made(path=path, precision="fp8", sets=("quantization=fp8",)).arguments

    def test_weights_of_another_scale_are_not_refused(self):
        assert "--tensor-parallel-size 8" in shlex.join(made(model="minimax-m2.5", path="/own", gpus=8).arguments)
