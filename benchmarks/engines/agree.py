"""Our client and `vllm bench serve` on the same vLLM server, in turn, at three loads.

    python benchmarks/engines/agree.py http://127.0.0.1:8000 --vllm /path/to/venv/bin/vllm --tokenizer MODEL_DIR

Prints mean TTFT, mean TPOT and output throughput of each, over the whole run (as the peer counts),
and whether the difference is within the run-to-run spread of the two.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

LOADS = "1,4,16"
FIGURES = ("mean_ttft_ms", "mean_tpot_ms", "output_throughput")


def ours(args: argparse.Namespace, users: int, prompts: int, folder: Path) -> dict[str, float]:
    command = [
        sys.executable, "-m", "paretoken", "bench", args.url, "--isl", str(args.isl), "--osl", str(args.osl),
        "--concurrency", str(users), "--until", f"{prompts} requests", "--warmup-per-user", "0",
        "--vocab-size", str(args.vocab), "--out", str(folder), "--json",
    ]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    (level,) = json.loads(done.stdout)["levels"]
    whole = level["whole_run"]["latency"]
    return {
        "mean_ttft_ms": whole["ttft_s"]["mean"] * 1000,
        "mean_tpot_ms": whole["tpot_s"]["mean"] * 1000,
        "output_throughput": level["throughput"]["whole_run"]["output_tok_s"],
    }


def theirs(args: argparse.Namespace, users: int, prompts: int, folder: Path, seed: int) -> dict[str, float]:
    folder.mkdir()
    command = [
        args.vllm, "bench", "serve", "--backend", "openai", "--base-url", args.url.removesuffix("/v1"),
        "--model", args.model, "--tokenizer", args.tokenizer, "--dataset-name", "random",
        "--random-input-len", str(args.isl), "--random-output-len", str(args.osl), "--ignore-eos",
        "--num-prompts", str(prompts), "--max-concurrency", str(users), "--seed", str(seed), "--save-result",
        "--result-dir", str(folder), "--result-filename", "r.json", "--disable-tqdm",
    ]  # fmt: skip
    quiet = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    subprocess.run(command, check=True, capture_output=True, text=True, env=quiet)
    found = json.loads((folder / "r.json").read_text())
    return {name: found[name] for name in FIGURES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--vllm", required=True, help="the vllm command of the peer")
    parser.add_argument("--tokenizer", required=True, help="model folder, for the peer")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--vocab", type=int, default=1000)
    parser.add_argument("--isl", type=int, default=128)
    parser.add_argument("--osl", type=int, default=64)
    parser.add_argument("--loads", default=LOADS, help="users, with commas")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--per-user", type=int, default=10)
    args = parser.parse_args()
    print(f"{'users':>5} {'figure':18} {'ours':>10} {'spread':>8} {'vllm':>10} {'spread':>8} {'ours/vllm':>10}")
    with tempfile.TemporaryDirectory() as temporary:
        for users in map(int, args.loads.split(",")):
            prompts = max(20, args.per_user * users)
            pairs = []
            for k in range(args.repeat):
                place = Path(temporary) / f"{users}-{k}"
                pairs.append(
                    (ours(args, users, prompts, place), theirs(args, users, prompts, place.with_suffix(".v"), k))
                )
            for name in FIGURES:
                one, other = ([pair[i][name] for pair in pairs] for i in (0, 1))
                show(users, name, one, other)


def show(users: int, name: str, one: list[float], other: list[float]) -> None:
    a, b = statistics.median(one), statistics.median(other)
    spread = [(max(x) - min(x)) / statistics.median(x) for x in (one, other)]
    within = "within spread" if abs(a / b - 1) <= max(spread) else ""
    print(f"{users:5d} {name:18} {a:10.2f} {spread[0]:8.1%} {b:10.2f} {spread[1]:8.1%} {a / b:10.3f} {within}")


if __name__ == "__main__":
    main()
