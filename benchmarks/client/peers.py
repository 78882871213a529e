"""Other load clients that install from the package index: how each is installed, run and read."""

from __future__ import annotations

import json
import os
import re
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
        if needs := re.findall(r"Requires-Python ([^;\s]+)", said := str(error.stderr)):
            return f"does not install: {peer.packages[0]} needs Python {needs[-1]}, here is {sys.version.split()[0]}"
        return f"does not install: {said[-180:]}"
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


def _aiperf(program: Path, case, url: str, folder: Path) -> list[str]:
    load = ["--concurrency", str(case.users)] if case.users else ["--request-rate", str(case.rate)]
    return [
        str(program / "aiperf"), "profile", "--model", "truth", "--url", url, "--endpoint-type", "completions",
        "--streaming", "--tokenizer", str(tokenizer()), *load, "--request-count", str(_count(case)),
        "--isl", "4", "--osl", "128", "--extra-inputs", "ignore_eos:true", "--artifact-dir", str(folder),
        "--ui", "none", "--no-server-metrics", "--no-gpu-telemetry",
    ]  # fmt: skip


def _read_aiperf(folder: Path, _: str) -> dict:
    said = json.loads(next(folder.rglob("profile_export_aiperf.json")).read_text())
    # Its "inter-token latency" is one mean per request; the gaps themselves are the "inter-chunk latency".
    ttft, tpot, gap = said["time_to_first_token"], said["inter_token_latency"], said.get("inter_chunk_latency", {})
    return {
        "ttft_mean_s": ttft["avg"] / 1e3, "ttft_p99_s": ttft["p99"] / 1e3, "tpot_mean_s": tpot["avg"] / 1e3,
        **{f"itl_{q}_s": gap[q] / 1e3 for q in ("p50", "p99") if q in gap},
    }  # fmt: skip


def _untried(*_: object) -> list[str]:
    return ["sh", "-c", "echo installs here, but no command line for it was ever tried; exit 1"]


def _genai_bench(program: Path, case, url: str, folder: Path) -> list[str]:
    prompts = folder / "prompts.txt"
    prompts.write_text("one two three four\n")
    # It has closed loops only: a rate runs into its own complaint, which the table shows.
    load = ["--num-concurrency", str(case.users)] if case.users else ["--request-rate", str(case.rate)]
    return [
        str(program / "genai-bench"), "benchmark", "--api-backend", "openai", "--api-base", url, "--api-key", "none",
        "--api-model-name", "truth", "--model-tokenizer", str(tokenizer()), "--task", "text-to-text",
        "--max-time-per-run", "2", "--max-requests-per-run", str(_count(case)), *load,
        "--traffic-scenario", "D(32,128)", "--dataset-path", str(prompts), "--experiment-base-dir", str(folder),
        "--experiment-folder-name", "out", "--log-dir", str(folder),
    ]  # fmt: skip


def _read_genai_bench(folder: Path, _: str) -> dict:
    files = (json.loads(f.read_text()) for f in (folder / "out").glob("*.json"))
    said = next(f for f in files if "aggregated_metrics" in f)["aggregated_metrics"]["stats"]
    ttft, tpot = said["ttft"], said["tpot"]
    return {"ttft_mean_s": ttft["mean"], "ttft_p99_s": ttft["p99"], "tpot_mean_s": tpot["mean"]}


def _servebench(program: Path, case, url: str, folder: Path) -> list[str]:
    load = ["--concurrency", str(case.users)] if case.users else ["--rate", str(case.rate)]
    return [
        str(program / "servebench"), "run", "--url", f"{url}/v1", "--model", "truth", *load,
        "--num-requests", str(_count(case)), "--input-len", "4", "--output-len", "128",
        "--out", str(folder / "out.json"),
    ]  # fmt: skip


def _read_servebench(folder: Path, _: str) -> dict:
    said = json.loads((folder / "out.json").read_text())["levels"][0]["summary"]
    ttft, itl = said["ttft"], said["itl"]
    return {
        "ttft_mean_s": ttft["mean"], "ttft_p99_s": ttft["p99"], "itl_p50_s": itl["p50"], "itl_p99_s": itl["p99"],
        "tpot_mean_s": said["tpot"]["mean"],
    }  # fmt: skip


PEERS = {
    p.name: p
    for p in (
        Peer("vllm", ("vllm",), _vllm, lambda folder, _: _ms(next(folder.glob("*.json")))),
        Peer("guidellm", ("guidellm==0.8.1",), _guidellm, _read_guidellm),
        Peer("aiperf", ("aiperf==0.13.0",), _aiperf, _read_aiperf),
        Peer("inference-perf", ("inference-perf==0.7.0",), _untried, lambda *_: {}),
        Peer("genai-bench", ("genai-bench==0.0.5",), _genai_bench, _read_genai_bench),
        Peer("servebench", ("servebench==1.1.3",), _servebench, _read_servebench),
    )
}
