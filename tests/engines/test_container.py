"""`docker run` as printed: what a docker on the PATH gets, with mounts, cache, token, devices and limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from paretoken.engines.container import docker
from paretoken.engines.render import render, words
from paretoken.engines.request import LaunchRequest, launch_command
from paretoken.errors import BadConfig

RECORD = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ.get('HF_TOKEN')]))"
NASTY = '/models/it\'s a "$HOME" `x`;\ntouch it # é'


def made(engine: str = "vllm", **request):
    request = {"model": "llama-3-70b", "accelerator": "H200", "gpus": 4, **request}
    return launch_command(LaunchRequest(engine=engine, **request))


@pytest.fixture
def run(tmp_path):
    """Run a printed script with programs on the PATH that print what they get: (words, HF_TOKEN)."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("docker", "vllm", "sglang", "trtllm-serve"):
        (programs / name).write_text(f"#!{sys.executable} -IS\n{RECORD}\n")
        (programs / name).chmod(0o755)

    def call(text: str, **env: str) -> tuple[list[str], str | None]:
        script, home = tmp_path / "run.sh", tmp_path / "home"
        script.write_text(text)
        subprocess.run(["bash", "-n", str(script)], check=True)
        env = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home), **env}
        done = subprocess.run(["bash", str(script)], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
        return tuple(json.loads(done.stdout))

    return call


def values(words: list[str], option: str) -> list[str]:
    return [value for word, value in pairwise(words) if word == option]


class TestHub:
    def test_the_cache_is_mounted_and_the_token_passed_by_name(self, run, tmp_path):
        got, token = run(render(made(), "docker"), HF_TOKEN="hf_secret")
        assert f"{tmp_path}/home/.cache/huggingface:/model-cache" in values(got, "-v")
        assert "HF_TOKEN" in values(got, "-e") and "HF_HOME=/model-cache" in values(got, "-e")
        assert token == "hf_secret" and not any("hf_secret" in word for word in got)

    def test_a_cache_elsewhere(self, run):
        got, _ = run(render(made(), "docker"), HF_HOME="/big disk/hf")
        assert "/big disk/hf:/model-cache" in values(got, "-v")

    def test_the_users_own_cache_folder(self, run):
        got, _ = run(render(made(envs=("HF_HOME=/data/hf",), volumes=("/data:/data",)), "docker"))
        assert values(got, "-v") == ["/data:/data"] and "HF_HOME=/data/hf" in values(got, "-e")

    def test_no_secret_of_this_machine_is_printed(self, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        for form in ("shell", "docker", "sbatch", "kubernetes"):
            assert "hf_secret" not in render(made(), form)

    def test_gated_weights_need_the_token(self):
        gated, free = (render(made(precision=p), "kubernetes") for p in ("bf16", "fp8"))
        assert "name: hf-token" in gated and "optional: true" not in gated
        assert "name: hf-token" in free and "optional: true" in free

    def test_transformers_may_fetch_them(self):
        env = made("transformers", model="org/m", gpus=1, accelerator="CPU").env
        assert "HF_HUB_OFFLINE" not in env
        assert made("transformers", model="m", path="/m", gpus=1, accelerator="CPU").env["HF_HUB_OFFLINE"] == "1"


class TestPaths:
    def test_weights_of_another_machine_are_mounted_and_said_not_to_be_checked(self, run):
        text = render(made(path="/models/llama"), "docker")
        got, _ = run(text)
        assert values(got, "-v") == ["/models/llama:/models/llama:ro"]
        assert "# Weights: /models/llama, which is not on this machine and was not checked.\n" in text
        assert "HF_TOKEN" not in got

    @pytest.mark.parametrize("form", ["shell", "docker", "sbatch"])
    @pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
    def test_any_path_arrives_as_it_is(self, run, tmp_path, engine, form):
        of = made(engine, path=NASTY)
        got, _ = run(render(of, form))
        assert NASTY in got and not (tmp_path / "it").exists()
        assert got[-len(of.arguments) + 1 :] == list(of.arguments[1:])

    def test_a_snapshot_is_mounted_with_what_it_links_to(self):
        folder = "/hf/hub/models--org--m"
        assert f"{folder}:{folder}:ro" in docker(made(path=f"{folder}/snapshots/abc"))

    def test_a_volume_of_the_user_has_them_already(self):
        line = docker(made(path="/models/llama", volumes=("/mnt/models:/models",)))
        assert values(line, "-v") == ["/mnt/models:/models"]

    def test_a_colon(self):
        with pytest.raises(BadConfig, match="a colon ends the path"):
            docker(made(path="/models/a:b"))

    def test_the_files_of_the_command_are_those_of_the_reader(self, run, tmp_path):
        got, _ = run(render(made("trtllm"), "docker"))
        assert f"{tmp_path}:/paretoken:ro" in values(got, "-v")
        assert json.loads((tmp_path / "trtllm.yml").read_text())["kv_cache_config"] == {"enable_block_reuse": False}


class TestDevices:
    def test_nvidia_gets_as_many_gpus_as_the_server_has(self):
        assert values(docker(made()), "--gpus") == ["4"]
        assert values(docker(made(sets=("pp=2",))), "--gpus") == ["8"]
        assert "#SBATCH --gres=gpu:8\n#SBATCH --cpus-per-task=64\n" in render(made(sets=("pp=2",)), "sbatch")

    def test_amd_gets_its_devices(self):
        line = docker(made("sglang", model="deepseek-r1", accelerator="MI355X", gpus=8))
        assert {"--device=/dev/kfd", "--device=/dev/dri", "--group-add=video"} <= set(line)
        assert "--security-opt=seccomp=unconfined" in line and "--gpus" not in line

    def test_pinned_memory_shared_memory_and_the_network(self):
        line = docker(made())
        assert {"--ipc=host", "--network=host"} <= set(line)
        assert values(line, "--ulimit") == ["memlock=-1", "stack=67108864", "nofile=65536"]
        assert values(line, "--host") == ["127.0.0.1"]
        assert values(docker(made(host="0.0.0.0")), "--host") == ["0.0.0.0"]

    @pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
    def test_images_are_releases(self, engine):
        for accelerator in ("H200", "MI300X", "MI355X"):
            if engine == "trtllm" and accelerator != "H200":
                continue
            image = made(engine, accelerator=accelerator).image
            assert image.rpartition(":")[2].lstrip("v")[0].isdigit() and "latest" not in image
            assert ("rocm" in image) == accelerator.startswith("MI")


def test_words_for_a_program_have_nothing_to_expand(monkeypatch):
    monkeypatch.setenv("HF_HOME", "/hf")
    line = words(made("trtllm"), "docker")
    assert not any("$" in word for word in line)
    assert {"/hf:/model-cache", f"{Path.cwd()}:/paretoken:ro"} <= set(values(line, "-v"))
