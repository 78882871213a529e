"""How large a damage tier T3 of the accuracy gate sees, with how many prompts: on vLLM, on this machine's CPU.

A seeded random Llama is served in float32 (the reference) and in bfloat16 (another correct server); limits come from
an A/A run of the two. Then copies with a known damage are served in bfloat16 and held against the reference on other
prompts. The chance of detection at n prompts comes from drawing n of the measured ones, over and over.

    python benchmarks/accuracy/power.py --vllm $(which vllm) --out power.json
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from paretoken.accuracy.gate import GatePlan, calibrate
from paretoken.accuracy.pair import Distance, compare, distance, faults, means, score_sample
from paretoken.accuracy.reference import Reference, ReferenceKey
from paretoken.accuracy.servers import connect
from paretoken.engines.embedded.tiny_model import make_hf_folder

LAYER = 1
AT_PROMPTS = (2, 4, 8, 16, 32)
DRAWS = 200
Tensors = dict[str, np.ndarray]


def scaled(factor: float) -> Callable[[Tensors, dict], None]:
    """Every matrix of one layer times a factor."""

    def change(tensors: Tensors, config: dict) -> None:
        for name in tensors:
            if f".layers.{LAYER}." in name and tensors[name].ndim == 2:
                tensors[name] = tensors[name] * np.float32(factor)

    return change


def rope(base: float) -> Callable[[Tensors, dict], None]:
    """Another base of the rotary embedding than the model was made with."""

    def change(tensors: Tensors, config: dict) -> None:
        config["rope_theta"] = base

    return change


def rounded(bits: int, group: int = 32) -> Callable[[Tensors, dict], None]:
    """Every matrix of every layer rounded to whole steps, symmetric, one scale for each group of inputs."""

    def change(tensors: Tensors, config: dict) -> None:
        most = 2 ** (bits - 1) - 1
        for name, array in tensors.items():
            if ".layers." in name and array.ndim == 2:
                groups = array.reshape(array.shape[0], -1, group)
                step = np.abs(groups).max(axis=2, keepdims=True) / most
                step[step == 0] = 1
                tensors[name] = (np.round(groups / step) * step).reshape(array.shape).astype(np.float32)

    return change


FACTORS = (1.002, 1.005, 1.01, 1.012, 1.015, 1.02, 1.05)
DAMAGES: dict[str, Callable[[Tensors, dict], None]] = {
    **{f"one layer × {f:g}": scaled(f) for f in FACTORS},
    "rope base 500,000": rope(500_000.0),
    "weights in 8 bits": rounded(8),
    "weights in 4 bits": rounded(4),
}


def dithered(seed: int) -> Callable[[Tensors, dict], None]:
    """Weights between the whole steps that the made-up model has, which four bits would hold exactly."""

    def change(tensors: Tensors, config: dict) -> None:
        rng = np.random.default_rng(seed)
        for name, array in tensors.items():
            if ".layers." in name and array.ndim == 2:
                step = np.unique(np.abs(array))[1]
                moved = array + rng.uniform(-0.5, 0.5, array.shape).astype(np.float32) * step
                moved[~array.any(axis=1)] = 0  # rows that are nothing must stay so
                tensors[name] = ((moved.view(np.uint32) >> 16) << 16).view(np.float32)  # whole bfloat16

    return change


def damaged(source: Path, target: Path, change: Callable[[Tensors, dict], None]) -> Path:
    """A copy of a model's folder with its tensors or configuration changed, weights in float32."""
    shutil.copytree(source, target)
    tensors = read_tensors(source / "model.safetensors")
    config = json.loads((source / "config.json").read_text())
    change(tensors, config)
    (target / "config.json").write_text(json.dumps(config))
    write_tensors(target / "model.safetensors", tensors)
    return target


def read_tensors(path: Path) -> Tensors:
    """The tensors of a safetensors file, bfloat16 or float32, as float32."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, at = json.loads(data[8 : 8 + length]), 8 + length
    found = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            raw = data[at + begin : at + end]
            if entry["dtype"] == "BF16":
                raw = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).tobytes()
            found[name] = np.frombuffer(raw, "<f4").reshape(entry["shape"])
    return found


def write_tensors(path: Path, tensors: Tensors) -> None:
    header, at = {}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            out.write(np.ascontiguousarray(array, "<f4").tobytes())


@contextmanager
def served(vllm: str, folder: Path, dtype: str, log: Path) -> Iterator[str]:
    """The URL of vLLM with a model, for the time of a `with` block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    env = {**os.environ, **offline, "VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "1"}
    env["PATH"] = f"{Path(vllm).parent}{os.pathsep}{env['PATH']}"
    command = [
        vllm,
        "serve",
        str(folder),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--served-model-name",
        "tiny",
        "--dtype",
        dtype,
        "--max-model-len",
        "2048",
        "--enforce-eager",
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=env, start_new_session=True)
    try:
        wait(port, process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(process.pid, 15)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def wait(port: int, process: subprocess.Popen, log: Path, most_s: float = 900) -> None:
    end = time.monotonic() + most_s
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"vLLM ended with {process.returncode}:\n{log.read_text(errors='replace')[-2000:]}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=2).close()
            return
        except OSError:
            time.sleep(0.5)
    raise SystemExit(f"vLLM was not ready within {most_s:g} s; see {log}")


def distances(url: str, reference: Reference) -> list[Distance]:
    server = connect(url)
    return [distance(s, score_sample(server, s), reference.limits.noise_nats) for s in reference.samples]


def power(found: list[Distance], reference: Reference, seed: int) -> dict[int, float]:
    """The share of draws of n prompts in which T3 fails."""
    rng = np.random.default_rng(seed)
    chances = {}
    for n in (*AT_PROMPTS, len(found)):
        whole = n == len(found)
        drawn = [rng.choice(len(found), n, replace=whole) for _ in range(DRAWS)]
        hits = [bool(faults(means([found[i] for i in d]), reference.limits)) for d in drawn]
        chances[n] = sum(hits) / DRAWS
    return chances


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vllm", required=True, help="the vllm command")
    parser.add_argument("--out", type=Path, default=Path("power.json"))
    parser.add_argument("--prompts", type=int, default=48)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--size", default="tiny")
    parser.add_argument("--damage", action="append", choices=list(DAMAGES), help="only this one (repeatable)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rows: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as work:
        base = damaged(make_hf_folder(Path(work) / "made", given.size), Path(work) / "base", dithered(given.seed))
        logs = Path(work)
        with (
            served(given.vllm, base, "float32", logs / "f32.log") as exact,
            served(given.vllm, base, "bfloat16", logs / "bf16.log") as half,
        ):
            key = ReferenceKey("tiny", dtype="float32")
            plan = GatePlan(n=given.prompts, tokens=given.tokens, seed=given.seed, tasks=())
            reference = calibrate(connect(exact), connect(half), key, plan)
            rows["float32 again"] = measured("float32 again", exact, reference, given.seed)
            rows["bfloat16"] = measured("bfloat16", half, reference, given.seed)
        for name in given.damage or DAMAGES:
            copy = damaged(base, Path(work) / "copy", DAMAGES[name])
            with served(given.vllm, copy, "bfloat16", logs / "copy.log") as url:
                rows[name] = measured(name, url, reference, given.seed)
            shutil.rmtree(copy)
            found = {"limits": asdict(reference.limits), "prompts": given.prompts, "tokens": given.tokens, "rows": rows}
            given.out.write_text(json.dumps(found, indent=2) + "\n")


def measured(name: str, url: str, reference: Reference, seed: int) -> dict:
    verdict = compare(connect(url), reference)
    chances = power(distances(url, reference), reference, seed)
    print(f"{name:20}", end=" ")
    row = {"verdict": verdict.verdict, "why": verdict.why, "figures": verdict.figures, "power": chances}
    kl, top1 = verdict.number("kl", "value"), verdict.number("top1", "value")
    print(f"{verdict.verdict:5} KL {kl:.2e} top-1 {top1:.4f} detected {chances}", flush=True)
    return row


if __name__ == "__main__":
    main()
