"""Other load clients that install from the package index: how each is installed, run and read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "paretoken" / "peers"


@dataclass(frozen=True, slots=True)
class Peer:
    """A client: what to install, its command line for a case, and how to read its results (seconds)."""

    name: str
    packages: tuple[str, ...]
    words: Callable[[Path, object, str, Path], list[str]]
    read: Callable[[Path, str], dict]

    def on(self, program: Path | str, command: Callable, cpu: int) -> Callable:
        """A function that runs one case and gives what it cost and what it said."""

        def run(case: object, url: str, folder: Path) -> tuple:
            folder.mkdir(parents=True, exist_ok=True)
            if isinstance(program, str):
                from run import Seen

                return Seen(1, program, 0), None
            env = {"HF_HUB_OFFLINE": "1", "PATH": f"{program}:{os.environ['PATH']}", "PYTHONPATH": ""}
            seen = command(self.words(program, case, url.removesuffix("/v1"), folder), {cpu}, env)
            try:
                return seen, self.read(folder, seen.out) if not seen.code else None
            except (OSError, KeyError, ValueError, IndexError) as error:
                seen.out += f" unreadable result: {error!r}"
                return seen, None

        return run


def install(peer: Peer) -> Path | str:
    """The peer's bin folder, installed on first use; the reason in words where that fails.

    PARETOKEN_PEER_NAME=/path/to/bin takes one that is already there. It spares the gigabytes of CUDA packages of
    a plain `pip install vllm` where a CPU build is at hand.
    """
    if given := os.environ.get("PARETOKEN_PEER_" + peer.name.upper().replace("-", "_")):
        there = Path(given)
        return there if there.is_dir() else there.parent if there.exists() else f"not there: {given}"
    venv = CACHE / peer.name
    done = venv / ".installed"
    if done.exists():
        return venv / "bin"
    try:
        subprocess.run([sys.executable, "-m", "venv", venv], check=True, capture_output=True)
        pip = [str(venv / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", *peer.packages]
        subprocess.run(pip, check=True, capture_output=True, text=True, timeout=1200)
    except subprocess.CalledProcessError as error:
        return f"does not install: {str(error.stderr)[-200:]}"
    except subprocess.TimeoutExpired:
        return "does not install within 20 minutes"
    done.touch()
    return venv / "bin"


def tokenizer() -> Path:
    """A folder in the Hugging Face form with a small tokenizer, for peers that insist on one; made on first use."""
    folder = CACHE / "tokenizer"
    if not (folder / "model.safetensors").exists():
        from paretoken.engines import make_hf_folder

        make_hf_folder(folder, "tiny")
    return folder


def _count(case) -> int:
    """Requests that make a closed loop last about the case's seconds (each takes 2.6 s)."""
    return case.users * max(1, round(case.seconds / 2.6)) if case.users else round(case.rate * case.seconds)


def _vllm(program: Path, case, url: str, folder: Path) -> list[str]:
    load = ["--max-concurrency", str(case.users)] if case.users else ["--request-rate", str(case.rate)]
    return [
        str(program / "vllm"), "bench", "serve", "--backend", "openai", "--base-url", url, "--model", "truth",
        "--dataset-name", "random", "--random-input-len", "4", "--random-output-len", "128", "--ignore-eos",
        "--num-prompts", str(_count(case)), *load, "--tokenizer", str(tokenizer()), "--save-result",
        "--result-dir", str(folder), "--percentile-metrics", "ttft,tpot,itl",
    ]  # fmt: skip


def _ms(path: Path) -> dict:
    said = json.loads(path.read_text())
    return {
        "ttft_mean_s": said["mean_ttft_ms"] / 1e3, "ttft_p99_s": said["p99_ttft_ms"] / 1e3,
        "itl_p50_s": said["median_itl_ms"] / 1e3, "itl_p99_s": said["p99_itl_ms"] / 1e3,
        "tpot_mean_s": said["mean_tpot_ms"] / 1e3,
    }  # fmt: skip


def _guidellm(program: Path, case, url: str, folder: Path) -> list[str]:
    load = f"kind=concurrent,streams={case.users}" if case.users else f"kind=poisson,rate={case.rate}"
    prompts = folder / "prompts.jsonl"
    prompts.write_text('{"prompt":"one two three four","output_tokens_count":128}\n' * (2 * _count(case)))
    return [
        str(program / "guidellm"), "run", "--backend", f"kind=openai_http,target={url},model=truth",
        "--profile", load, "--constraint", f"kind=max_duration,seconds={case.seconds:g}",
        "--data", f"kind=json_file,path={prompts}", "--output", f"kind=json,path={folder / 'out.json'}",
        "--disable-console-interactive",
    ]  # fmt: skip


def _read_guidellm(folder: Path, _: str) -> dict:
    metrics = json.loads((folder / "out.json").read_text())["benchmarks"][0]["metrics"]
    ttft, itl = (metrics[n]["successful"] for n in ("time_to_first_token_ms", "inter_token_latency_ms"))
    return {
        "ttft_mean_s": ttft["mean"] / 1e3, "ttft_p99_s": ttft["percentiles"]["p99"] / 1e3,
        "itl_p50_s": itl["median"] / 1e3, "itl_p99_s": itl["percentiles"]["p99"] / 1e3,
        "tpot_mean_s": itl["mean"] / 1e3,
    }  # fmt: skip


PEERS = {
    p.name: p
    for p in (
        Peer("vllm", ("vllm",), _vllm, lambda folder, _: _ms(next(folder.glob("*.json")))),
        Peer("guidellm", ("guidellm==0.8.1",), _guidellm, _read_guidellm),
    )
}
