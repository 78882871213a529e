"""Recipes: the exact command for each engine, and what it looks like elsewhere."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import replace

import pytest

from paretoken.catalog.loader import ENGINES
from paretoken.engines.command import ServerSpec, command
from paretoken.engines.recipes import Override, read_recipe, recipe, shipped
from paretoken.engines.render import render
from paretoken.engines.request import LaunchRequest, launch_command
from paretoken.errors import BadConfig, BadFile, UnknownName

H200 = ServerSpec(
    model="llama-3-70b",
    model_path="meta/llama",
    accelerator="H200",
    vendor="NVIDIA",
    precision="fp8",
    gpus=4,
    longest=2048,
    users=256,
    isl=1024,
)


def arguments(engine: str, spec: ServerSpec = H200, **laid) -> list[str]:
    return list(command(recipe(engine), spec, Override(**laid)).arguments)


class TestCommands:
    def test_vllm(self):
        assert arguments("vllm") == shlex.split(
            "vllm serve meta/llama --host 127.0.0.1 --port 8000 --served-model-name llama-3-70b "
            "--tensor-parallel-size 4 --max-num-seqs 256 --max-model-len 2304 --gpu-memory-utilization 0.9 "
            "--no-enable-prefix-caching --enable-chunked-prefill"
        )

    def test_sglang(self):
        assert arguments("sglang") == shlex.split(
            "sglang serve --model-path meta/llama --host 127.0.0.1 --port 8000 --served-model-name llama-3-70b "
            "--tp-size 4 --max-running-requests 256 --context-length 2304 --disable-radix-cache --enable-metrics"
        )

    def test_trtllm_has_a_file(self):
        made = command(recipe("trtllm"), H200, Override(set={"kv_dtype": "fp8"}))
        assert list(made.arguments) == shlex.split(
            "trtllm-serve meta/llama --backend pytorch --host 127.0.0.1 --port 8000 --tp_size 4 --max_batch_size 256 "
            "--max_seq_len 2304 --max_num_tokens 8192 --kv_cache_free_gpu_memory_fraction 0.9 "
            "--enable_chunked_prefill --config trtllm.yml"
        )
        assert json.loads(made.files["trtllm.yml"]) == {
            "kv_cache_config": {"enable_block_reuse": False, "dtype": "fp8"}
        }

    def test_prefix_cache_is_off_in_each(self):
        for engine, of in shipped().items():
            if "prefix_cache" in of.parameters():
                assert of.defaults["prefix_cache"] is False, engine

    def test_every_recipe_says_where_it_is_from(self):
        assert {"vllm", "sglang", "trtllm", "llamacpp", "transformers"} <= set(shipped())
        for of in shipped().values():
            assert of.version and of.date >= "2026-01-01" and of.source and of.install

    def test_data_parallel_attention(self):
        spec = ServerSpec(
            model="deepseek-r1",
            model_path="ds",
            accelerator="MI300X",
            vendor="AMD",
            kind="moe",
            precision="fp8",
            gpus=8,
            dp_attention=True,
        )
        made = command(recipe("vllm"), spec)
        assert shlex.join(made.arguments).count(
            "--tensor-parallel-size 1 --data-parallel-size 8 --enable-expert-parallel"
        )
        assert made.env["VLLM_ROCM_USE_AITER"] == "1"
        assert made.gpus == 8
        assert "--dp-size 8 --enable-dp-attention" in shlex.join(command(recipe("sglang"), spec).arguments)

    def test_images_by_accelerator(self):
        def image(engine, accelerator, vendor):
            return command(
                recipe(engine), ServerSpec(model="m", model_path="m", accelerator=accelerator, vendor=vendor)
            ).image

        assert image("sglang", "MI355X", "AMD") != image("sglang", "MI300X", "AMD")
        assert "rocm" in image("vllm", "MI300X", "AMD")
        assert "rocm" not in image("vllm", "B200", "NVIDIA")

    def test_the_user_overrides_anything(self):
        made = command(
            recipe("vllm"),
            H200,
            Override(
                set={"prefix_cache": True, "max_num_seqs": 7, "gpu_memory": ""},
                env={"A": "b"},
                extra=["--swap-space", "4"],
                program=["my-vllm", "{model}"],
                image="mine:1",
            ),
        )
        words = shlex.join(made.arguments)
        assert words.startswith("my-vllm meta/llama") and words.endswith("--swap-space 4")
        assert "--enable-prefix-caching" in words and "--max-num-seqs 7" in words and "--gpu-memory" not in words
        assert made.env["A"] == "b" and made.image == "mine:1"

    def test_later_words_win(self):
        over = Override(set={"tp": 2}, extra=["b"]).over(Override(set={"tp": 1, "ep": 4}, extra=["a"], image="i"))
        assert (over.set, over.extra, over.image) == ({"tp": 2, "ep": 4}, ["a", "b"], "i")


class TestMistakes:
    def test_a_parameter_that_the_engine_has_not(self):
        with pytest.raises(UnknownName, match="did you mean max_num_seqs"):
            arguments("vllm", set={"max_num_seq": 3})

    def test_a_value_that_it_has_not(self):
        with pytest.raises(BadConfig, match="SGLang takes kv_dtype = fp8, bf16, auto"):
            arguments("sglang", set={"kv_dtype": "int3"})

    def test_an_engine_for_another_vendor(self):
        with pytest.raises(BadConfig, match=r"TensorRT-LLM does not run on MI300X \(AMD\)"):
            command(recipe("trtllm"), ServerSpec(model="m", model_path="m", accelerator="MI300X", vendor="AMD"))

    def test_an_engine_without_a_recipe(self):
        with pytest.raises(UnknownName, match="vllm"):
            recipe("vlm")

    @pytest.mark.parametrize(
        ("text", "error", "match"),
        [
            ("name = ", BadFile, "is not valid TOML"),
            ('nam = "x"', BadConfig, "did you mean 'name'|is missing"),
        ],
    )
    def test_a_bad_file(self, tmp_path, text, error, match):
        (tmp_path / "r.toml").write_text(text)
        with pytest.raises(error, match=match):
            read_recipe(tmp_path / "r.toml")

    def test_rules_are_checked(self, tmp_path):
        text = (read_text := (shipped_file("vllm")).read_text()).replace('vendor = "AMD"', 'vendr = "AMD"')
        assert text != read_text
        (tmp_path / "r.toml").write_text(text)
        with pytest.raises(UnknownName, match="vendor"):
            read_recipe(tmp_path / "r.toml")


def shipped_file(engine: str):
    return ENGINES / f"{engine}.toml"


class TestPrinted:
    ECHO = (sys.executable, "-c", "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['SPACED']]))")

    @pytest.mark.parametrize("form", ["shell", "sbatch"])
    def test_the_shell_runs_what_we_would(self, form, tmp_path):
        """The text, run by bash, gives the program exactly our arguments and environment."""
        made = command(
            recipe("trtllm"),
            H200,
            Override(program=[*self.ECHO, "{model}"], env={"SPACED": "a b $HOME 'c'"}, extra=["--x", 'it\'s "so"']),
        )
        script = tmp_path / "run.sh"
        script.write_text(render(made, form))
        done = subprocess.run(["bash", str(script)], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout) == [list(made.arguments[3:]), "a b $HOME 'c'"]
        assert (tmp_path / "trtllm.yml").read_text() == made.files["trtllm.yml"]

    def test_docker_of_nvidia_and_amd(self):
        nvidia = shlex.split(render(command(recipe("vllm"), H200), "docker").replace("\\\n", ""))
        assert nvidia[:2] == ["docker", "run"] and nvidia[4:6] == ["--gpus", "4"]
        at = nvidia.index("--entrypoint")
        assert nvidia[at + 1] == "vllm" and nvidia[at + 2].startswith("vllm/vllm-openai:v")
        assert nvidia[at + 3 :] == list(command(recipe("vllm"), H200).arguments[1:])
        amd = render(
            command(recipe("vllm"), ServerSpec(model="m", model_path="m", accelerator="MI300X", vendor="AMD")), "docker"
        )
        assert "--device=/dev/kfd" in amd and "--gpus" not in amd

    def test_a_variable_without_a_value_is_passed_on(self):
        made = command(recipe("vllm"), H200, Override(env={"HF_TOKEN": ""}))
        assert "-e HF_TOKEN \\\n" in render(made, "docker") and "HF_TOKEN" not in render(made, "shell")

    def test_a_folder_that_docker_cannot_mount(self, tmp_path):
        (tmp_path / "a:b").mkdir()
        spec = replace(H200, model_path=str(tmp_path / "a:b"))
        with pytest.raises(BadConfig, match="a colon ends the path"):
            render(command(recipe("vllm"), spec), "docker")

    def test_sbatch_asks_for_the_gpus(self):
        text = render(command(recipe("vllm"), H200), "sbatch", job=["--partition=h200"])
        assert "#SBATCH --gres=gpu:4\n" in text and "#SBATCH --partition=h200\n" in text
        assert text.startswith("#!/bin/bash\n")

    def test_no_image_no_container(self):
        with pytest.raises(BadConfig, match="has no image for CPU"):
            render(command(recipe("llamacpp"), ServerSpec(model="m", model_path="m.gguf")), "docker")


class TestHostileValues:
    @pytest.mark.parametrize(
        ("laid", "match"),
        [
            ({"extra": ["--api-key", "abc"]}, r"holds a secret \(--api-key\)"),
            ({"extra": ["--api-key=abc"]}, r"\(--api-key\)"),
            ({"extra": ["-H", "Authorization: Bearer abc"]}, r"\(Authorization\)"),
            ({"program": ["sh", "-c", "HF_TOKEN=abc vllm serve"]}, r"\(HF_TOKEN\)"),
            ({"env": {"HF_TOKEN": "abc"}}, "HF_TOKEN, which looks like a secret"),
            ({"env": {"DB_PASS": "abc"}}, "give DB_PASS an empty value"),
            ({"extra": ["a\0b"]}, "null character"),
            ({"image": "--privileged"}, "image '--privileged' begins with '-'"),
            ({"volumes": ["--privileged"]}, "volume '--privileged' begins with '-'"),
            ({"set": {"served_name": "--help"}}, "served_name '--help' begins with '-'"),
        ],
    )
    @pytest.mark.parametrize("engine", ["vllm", "sglang"])
    def test_secrets_and_options_are_refused(self, engine, laid, match):
        with pytest.raises(BadConfig, match=match):
            arguments(engine, **laid)

    @pytest.mark.parametrize("path", ["-x", "--config", "-", "--"])
    @pytest.mark.parametrize("engine", shipped())
    def test_a_model_is_never_an_option(self, engine, path):
        spec = ServerSpec(model="m", model_path=path, accelerator="H200", vendor="NVIDIA")
        for names in (spec, replace(spec, model=path, model_path="m")):
            with pytest.raises(BadConfig, match=r"begins with '-'|does not run on"):
                command(recipe(engine), names)

    def test_a_folder_that_looks_like_an_option_is_served(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "-x").mkdir()
        made = launch_command(LaunchRequest(engine="vllm", model="m", path="-x", accelerator="H100"))
        assert str(tmp_path / "-x") in made.arguments

    def test_negative_numbers_are_values(self):
        assert "-1" in arguments("vllm", extra=["--max-log-len", "-1"])


class TestLaunchCommand:
    def test_names_of_the_catalog(self):
        made = launch_command(
            LaunchRequest(
                engine="vLLM", model="llama-3-70b", accelerator="h200_sxm", gpus=8, workload="4k/1k", users=64
            )
        )
        assert "--max-model-len 5376" in shlex.join(made.arguments)
        assert "--max-num-batched-tokens 8192" in shlex.join(made.arguments)

    def test_values_are_typed(self):
        made = launch_command(
            LaunchRequest(
                engine="vllm", model="m", path="org/m", accelerator="H100", sets=("prefix_cache=true", "gpu_memory=0.8")
            )
        )
        assert "--enable-prefix-caching" in made.arguments and "0.8" in made.arguments

    def test_printed_by_the_command(self, call):
        code, out, _ = call("launch vllm llama-3-70b --accelerator H200 --tp 4 --print docker")
        assert code == 0 and "--tensor-parallel-size 4" in out

    @pytest.mark.parametrize(
        ("line", "match"),
        [
            ("launch vllm m --accelerator H20O", "unknown accelerator"),
            ("launch vllm m --accelerator H200 --set prefix", "NAME=VALUE"),
            ("launch trtllm m --accelerator MI300X", "does not run on"),
            ("launch llamacpp m --path random:huge", "size of a random model"),
        ],
    )
    def test_mistakes_are_one_sentence(self, call, line, match):
        code, _, err = call(line)
        assert code == 2 and match in err and err.count("\n") == 1
