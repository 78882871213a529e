"""Freeze what every verb prints and writes, and compare two such folders: to prove that a change changed nothing.

python tools/frozen_outputs.py freeze --src src --fixtures FIXTURES --out before
python tools/frozen_outputs.py compare before after --renamed renamed.json

Each case is one command line, run in a fresh copy of the fixtures with the clock held at one day. Its arguments, exit
code, stdout and stderr go into CASE.json, the files it wrote into CASE/. JSON is kept as values, Parquet as CSV, an
HTML page as its visible text and its embedded data (its scripts and styles are left out). Our own version becomes
VERSION.

Cases that begin with live- measure an emulated endpoint or start a small engine. Their figures differ from run to run,
so only the shape is kept, that of the last level: keys, columns and kinds of values. What is empty in one of two frozen
folders counts as equal.

The file of renamed keys holds {"old": "new"} for all cases, and {"CASE": {"old": "new"}} for those that match CASE, a
pattern such as tco-*. It holds for keys of JSON and for columns of CSV.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from functools import reduce
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

DAY = "2026-08-22"
"""Today, for every case."""

SHORT = {
    "llama": "--model llama-3-70b --precision fp8",
    "r1": "--model deepseek-r1 --precision fp8",
    "r1fp4": "--model deepseek-r1 --precision fp4",
    "oss": "--model gpt-oss-120b --precision fp4",
    "chat": "--workload chat",
    "own": "--points points.parquet --no-published",
    "pair": "--accelerator MI300X --against H200",
    "h100pp": "--accelerator H100 --model llama-3.1-405b --precision bf16 --engine vllm --tp 8 --pp 2",
    "lengths": "--isl 1024 --osl 1024",
    "load": "--isl 128 --osl 16 --seed 7",
}

CASES = """
compare-e2e: compare {llama} {lengths} --e2e 15 --json
compare-text: compare {llama} {lengths} --e2e 15
compare-tier: compare {r1} --workload 8k/1k --interactivity 40 --tco 2026-07 --tier rent-3yr --json
compare-mw: compare {oss} {chat} --e2e 10 --accelerator MI355X --accelerator B200 --mw 10 --json
compare-any: compare {r1fp4} {chat} --interactivity 50 --serving any --speculative any --serving-load 0.5 --json
compare-own: compare {llama} {lengths} --e2e 18 {own} --json
compare-suspicious: compare {r1} {chat} --e2e 30 --engine sglang --include-suspicious --json
frontier-e2e: frontier {llama} {chat} --json
frontier-text: frontier {llama} {chat}
frontier-any: frontier {r1fp4} --isl 8192 --osl 1024 --axis interactivity --serving any --json
frontier-pair: frontier {oss} {chat} --accelerator MI355X --accelerator B200 --json
frontier-run: frontier {llama} {lengths} --points runs/monday/points.parquet --no-published --json
frontier-own: frontier {llama} {lengths} {own} --json
cost-chat: cost {llama} {chat} --json
cost-tier: cost {r1} --workload 8k/1k --tco 2026-07 --tier neocloud --json
cost-any: cost {r1fp4} {chat} --serving any --axis interactivity --serving-load 0.6 --accelerator B200 --json
cost-own: cost {llama} {lengths} {own} --json
cost-text: cost {oss} {chat} --accelerator H100
breakeven-rent: breakeven {llama} {chat} {pair} --rent 2.50 --json
breakeven-text: breakeven {llama} {chat} {pair} --rent 2.50
breakeven-market: breakeven {llama} {chat} {pair} --market --at 2026-08-22 --json
breakeven-market-term: breakeven {r1} --isl 8192 --osl 1024 --accelerator MI355X --against B200 --market \
  --term on-demand --at 2026-08-22 --json
breakeven-market-own: breakeven {llama} {chat} {pair} --market --prices rental-prices --at 2026-08-22 --json
breakeven-market-text: breakeven {llama} {chat} {pair} --market --at 2026-08-22
breakeven-owner: breakeven {llama} {chat} {pair} --tco neocloud --switching-cost 500 --json
breakeven-owner-set: breakeven {llama} {chat} {pair} --tco enterprise --set mine.toml --hours 8760 --json
breakeven-interactivity: breakeven {r1} {chat} --accelerator MI355X --against B200 --rent 4 \
  --axis interactivity --cost-of-capital 0.1 --json
predict-auto: predict --accelerator MI355X --model llama-3.1-405b --precision fp8 --engine vllm --isl 1024 --osl 4096 \
  --json
predict-text: predict --accelerator MI355X --model llama-3.1-405b --precision fp8 --engine vllm --isl 1024 --osl 4096
predict-slo: predict --accelerator H200 {llama} --engine trtllm --tp 4 {lengths} --slo ttft=1s,tpot=20ms --json
predict-rate: predict --accelerator B200 {r1fp4} --engine sglang --tp 8 --isl 4096 --osl 1024 --rate 3 --json
predict-overload: predict --accelerator H100 {llama} --engine vllm --tp 2 {lengths} --rate 50 --json
predict-pp: predict {h100pp} {lengths} --json
predict-mtp: predict --accelerator H200 {r1} --engine sglang --tp 8 --ep 8 --dp-attention --speculative mtp {lengths} \
  --date 2026-06-01 --concurrency 1,16,256 --length-range-ratio 1 --json
predict-gpus: predict --accelerator H200 {llama} --engine vllm --tp 4 --gpus 8 {lengths} --concurrency 64 --json
predict-in: predict --in configs.csv --out predictions.csv --json
predict-in-text: predict --in configs.csv --out predictions.csv
predict-out: predict --accelerator H200 {llama} --engine vllm --tp 4 {lengths} --out predicted.parquet --json
explain-tp8: explain --accelerator MI300X {llama} --engine vllm --tp 8 {lengths} --json
explain-text: explain --accelerator MI300X {llama} --engine vllm --tp 8 {lengths}
explain-mla: explain --accelerator B200 {r1} --engine sglang --tp 8 --isl 8192 --osl 1024 --plot parts.html --json
explain-pp: explain {h100pp} {lengths} --concurrency 32 --json
explain-auto: explain --accelerator B200 {oss} --engine vllm {lengths} --json
validate-tp: validate --split tp --workers 1 --json
calibrate-on-top: calibrate runs/monday/points.parquet runs/tuesday/points.parquet --on-top \
  --no-validation --out ours.toml --workers 1 --json
tco: tco --json
tco-text: tco
tco-explain: tco --accelerator H200 --explain --json
tco-explain-text: tco --accelerator H200 --explain
tco-set: tco --accelerator H200 --set mine.toml --explain --json
tco-shipped-set: tco --accelerator H200 --set h200-2025 --explain --json
tco-hyperscaler: tco --operator hyperscaler --json
tco-tornado: tco --operator enterprise --accelerator MI300X --tornado --json
tco-or-rent: tco --or-rent --needed 0.6 --at 2026-08-22 --json
tco-or-rent-given: tco --accelerator H200 --or-rent --rent 2.5 --at 2026-08-22 --json
tco-monte-carlo: tco --monte-carlo 5000 --seed 7 --json
tco-monte-carlo-against: tco --accelerator H200 --accelerator MI355X --monte-carlo 5000 {r1} {chat} \
  --interactivity 40 --against H200 --seed 1 --json
tco-monte-carlo-text: tco --accelerator H200 --monte-carlo 2000 --seed 3
rent: rent show --at 2026-08-22 --json
rent-text: rent show --at 2026-08-22
rent-one: rent H200 --at 2026-08-22 --json
rent-term: rent H200 --term on-demand --term 1-year --at 2026-08-22 --json
rent-form: rent H100 --form PCIe --at 2026-08-22 --json
rent-history: rent H100 --history --at 2026-08-22 --json
rent-basket: rent H100 --history --basket runpod --basket lambda --at 2026-08-22 --json
rent-flagged: rent show --flagged --at 2026-08-22 --json
rent-own: rent show --prices rental-prices --no-shipped-prices --cost-of-capital 0.08 --at 2026-08-22 --json
rent-import: rent import quotes.csv --mapping quotes.toml --into prices --json
advise-r1: advise {r1} {chat} --interactivity 40 --at 2026-08-22 --json
advise-text: advise {r1} {chat} --interactivity 40 --at 2026-08-22
advise-llama: advise {llama} {chat} --e2e 20 --set mine.toml --prices rental-prices --at 2026-08-22 --json
selfhost-oss: selfhost {oss} {chat} --interactivity 50 --at 2026-08-22 --json
selfhost-text: selfhost {oss} {chat} --interactivity 50 --at 2026-08-22
selfhost-term: selfhost {llama} --workload chat --e2e 20 --term on-demand --at 2026-08-22 --json
selfhost-price: selfhost {r1} {chat} --interactivity 40 --input-price 0.55 --output-price 2.19 --cached-price 0.14 \
  --cached-share 0.5 --at 2026-08-22 --json
selfhost-tco: selfhost {r1} {chat} --interactivity 40 --tco 2026-07 --tier rent-3yr --api-prices api.csv --json
selfhost-rent: selfhost {r1} {chat} --interactivity 40 --rent 2 --accelerator H200 --json
outlook-rent-cut: outlook rent-cut --at 2026-08-22 --json
outlook-mi455x: outlook mi455x-vs-vr200 --at 2026-08-22 --json
outlook-mi355x: outlook mi355x-vs-b200 --at 2026-08-22 --json
outlook-text: outlook rent-cut --at 2026-08-22
outlook-trend: outlook --trend --json
outlook-trend-one: outlook --trend --accelerator MI355X
history-chat: history --model deepseek-r1 --accelerator MI355X --precision fp8 --workload chat --json
history-steps: history --model deepseek-r1 --accelerator B200 --interactivity 40 --steps-only --json
history-text: history --model deepseek-r1 --accelerator MI355X --precision fp8 --workload chat
check-same: check runs/tuesday --baseline runs/monday --json
check-slower: check runs/after --baseline runs/before --json
check-text: check runs/after --baseline runs/before --allow 3%
check-several: check runs/before --baseline runs/monday --baseline runs/tuesday --json
check-at: check runs/tuesday --baseline runs/monday --e2e 0.8 --json
report-one: report runs/monday
report-troubled: report runs/troubled --out page.html
report-two: report runs/before runs/after --out change.html
report-campaign: report tiny --out page.html
share-one: share runs/before
share-troubled: share runs/troubled
bench-compare: bench --compare runs/before runs/after --json
bench-compare-gate: bench --compare runs/monday runs/tuesday --gate --json
bench-compare-text: bench --compare runs/before runs/after
bench-compare-force: bench --compare runs/before runs/monday --force --json
import-vllm: import importers/vllm.json --accelerator H100 --n-gpus 4 --engine vllm --precision fp8 --json
import-sglang: import importers/sglang.jsonl --accelerator H100 --n-gpus 2 --engine sglang --precision fp8 --json
import-aiperf: import importers/aiperf.json --accelerator H200 --n-gpus 8 --engine vllm --precision fp8 --json
import-aiperf-old: import importers/aiperf_old.json --accelerator H200 --n-gpus 8 --engine vllm --precision fp8 --json
import-guidellm: import importers/guidellm_08.json --accelerator MI300X --n-gpus 8 --engine vllm --precision fp8 --json
import-guidellm-03: import importers/guidellm_03.json --accelerator H100 --n-gpus 8 --engine vllm --precision fp8 --json
import-inferencex: import importers/inferencex_agg.json --json
import-inferencex-disagg: import importers/inferencex_disagg.json --json
import-inferencex-ms: import importers/inferencex_headed_ms.json --json
import-inferencex-dump-file: import importers/inferencex_dump.json --json
import-inferencex-dump: import importers/inferencex_dump --keep-going --json
import-own: import importers/own.csv --json
import-parquet: import points.parquet --out again.parquet --json
campaign-plan: campaign run campaign.toml --dry-run --json
campaign-plan-text: campaign run campaign.toml --dry-run
campaign-status: campaign status tiny --json
campaign-status-text: campaign status tiny
campaign-collect: campaign collect tiny
launch-shell: launch vllm llama-3-70b --path /models/llama --accelerator H200 --tp 4 --workload chat --print shell
launch-docker: launch sglang deepseek-r1 --path deepseek-ai/DeepSeek-R1 --accelerator MI355X --tp 8 --print docker
launch-sbatch: launch vllm llama-3-70b --accelerator H100 --set kv_dtype=fp8 --set max_num_seqs=512 --print sbatch
launch-trtllm: launch trtllm llama-3-70b --path /models/llama --accelerator B200 --tp 2 --precision fp8 --print shell
launch-mi300x: launch vllm llama-3-70b --path /models/llama --accelerator MI300X --tp 8 --print shell --json
parity-history: parity history --json
parity-history-text: parity history
parity-history-own: parity history vllm-old.jsonl vllm.jsonl --out again.json --source here --json
parity-scan-vllm: parity scan --engine vllm --path trees/vllm --date 2026-11-02 --json
parity-scan-sglang: parity scan --engine sglang --path trees/sglang --date 2026-11-02 --json
parity-scan-trtllm: parity scan --engine trtllm --path trees/trtllm --date 2026-11-02 --json
parity-scan-pytorch: parity scan --engine pytorch --path trees/pytorch --date 2026-11-02 --json
parity-scan-text: parity scan --engine vllm --path trees/vllm-old --date 2026-11-02
parity-table: parity table vllm.jsonl --by subject --json
parity-table-names: parity table vllm.jsonl --by area --names
parity-diff: parity diff vllm-old.jsonl vllm.jsonl --json
parity-results: parity results cuda.xml rocm.xml --json
accuracy-attach: accuracy attach gate-fail.json runs/before
accuracy-attach-pass: accuracy attach gate-pass.json runs/after
ecosystem: ecosystem --json
ecosystem-gates: ecosystem --history history.json --gate gate-fail.json --gate gate-pass.json --gate gate-na.json --json
ecosystem-text: ecosystem --gate gate-fail.json
catalog: catalog --json
catalog-accelerators: catalog accelerators --json
catalog-accelerators-text: catalog accelerators
catalog-models: catalog models --json
catalog-model: catalog models llama-3.3-70b --json
catalog-engines: catalog engines --json
catalog-workloads: catalog workloads --json
catalog-tco: catalog tco --json
catalog-own: catalog accelerators X1 --catalog catalog --json
compare-gated: compare {llama} {lengths} --e2e 18 --points gated/points.parquet --no-published --json
study: study --out out --json
study-small: study small.toml --out out --json
study-small-text: study small.toml --out out
error-accelerator: compare {llama} {chat} --e2e 15 --accelerator H2000
error-model: frontier --model lama-3-70b {chat}
error-lengths: compare {llama} --e2e 15
error-latency: compare {llama} {chat}
error-both-latencies: compare {llama} {chat} --e2e 15 --interactivity 40
error-no-data: compare {llama} {chat} --e2e 0.001 --json
error-no-points: frontier {llama} --isl 77 --osl 77
error-gated: frontier {llama} {lengths} --points gated/points.parquet --no-published
error-import-model: import importers/inferencex_dump --json
error-no-frontier: frontier --model llama-3-70b {lengths} --points importers/own.csv --no-published --json
error-precision: cost --model deepseek-r1 {chat}
error-tier: compare {llama} {chat} --e2e 15 --tier nobody
error-breakeven: breakeven {llama} {chat} {pair}
error-option: compare {llama} {chat} --e2e 15 --acelerator H200
error-predict-fit: predict --accelerator H100 --model llama-3.1-405b --precision bf16 --engine vllm --tp 1 {lengths}
error-predict-slo: predict --accelerator H200 {llama} --engine vllm --tp 4 {lengths} --slo ttft=soon
error-import-junk: import junk.json
error-import-missing: import importers/vllm.json
error-file: frontier {llama} {chat} --points nothing.parquet
error-study: study nothing.toml --out out
error-campaign: campaign run bad-campaign.toml --dry-run
error-campaign-folder: campaign status runs
error-check: check runs/today --baseline runs/monday
error-compare-runs: bench --compare runs/before runs/monday
error-parity: parity scan --engine vllm --path runs
error-gate: ecosystem --gate junk.json
error-catalog: catalog gpus
error-date: rent show --at yesterday
error-endpoint: bench http://127.0.0.1:9 --until 1s
error-launch: launch vlm llama-3-70b --print shell
"""

LIVE = """
live-bench: bench {url} {load} --concurrency 1,2 --gpus 8 --accelerator H200 --precision fp8 --slo ttft_p90=2s \
  --until 3s --out run --json
live-export: bench {url} {load} --concurrency 2 --until 2s --export vllm --export inferencex --out run --json
live-rate: bench {url} {load} --rate 20 --arrivals poisson --until 3s --workers 2 --out run --json
live-repeat: bench {url} {load} --concurrency 2 --until 2s --repeat 2 --out run --json
live-search: bench {url} {load} --search slo --slo tpot_p50=50ms --concurrency 1:4:x2 --until 3s --out run --json
live-chat: bench {url} {load} --api chat --turns 2 --prompt-unit words --concurrency 2 --until 3s \
  --out run --json
live-trace: bench {url} --trace traces/mooncake.jsonl --arrivals trace --trace-speed 10 --until 3s --seed 7 \
  --out run --json
live-fleet: fleet {url} {load} --nodes 2 --concurrency 4 --until 3s --out run --json
live-quick: quick {url} --yes --isl 128 --osl 16 --out run --json
live-probe: accuracy probe --url {url} --json
live-gate: accuracy gate --url {url} --seed 1 --items 10 --prompts 4
live-campaign: campaign run tiny.toml --out again --json
"""

CLOCK = f'''
import datetime

real = datetime.datetime

class Meta(type):
    def __instancecheck__(cls, value):
        return isinstance(value, real)

    def __subclasscheck__(cls, other):
        return issubclass(other, real)

class Held(real, metaclass=Meta):
    @classmethod
    def now(cls, tz=None):
        noon = real.fromisoformat("{DAY}T12:00:00+00:00")
        return noon.astimezone(tz) if tz else noon.replace(tzinfo=None)

datetime.datetime = Held
'''
"""A sitecustomize.py that holds the clock at noon of DAY, UTC."""

EMPTY = "empty"
"""The kind of a value that is not there."""

TO_CSV = """
import sys
import polars as pl

table = pl.read_parquet(sys.argv[1])
lists = [name for name, kind in table.schema.items() if kind.is_nested()]
table.with_columns(pl.col(c).cast(pl.List(pl.String)).list.join(" ") for c in lists).write_csv(sys.argv[2])
"""


def cases(url: str) -> dict[str, list[str]]:
    """The arguments of each case by its name; live ones ask the endpoint at url."""
    lines = (CASES + LIVE).replace("\\\n", " ").splitlines()
    pairs = (line.split(": ", 1) for line in lines if line)
    return {name: shlex.split(args.format_map(SHORT | {"url": url})) for name, args in pairs}


# Freezing


def freeze(src: Path, fixtures: Path, out: Path, only: str) -> None:
    """Run every case whose name matches, and keep what it leaves."""
    if only == "*" and out.exists():
        sys.exit(f"{out} is there already; name another folder, or some cases with --only")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "sitecustomize.py").write_text(CLOCK)
        env = os.environ | {
            "PYTHONPATH": f"{place}{os.pathsep}{src.resolve()}",
            "TZ": "UTC",
            "COLUMNS": "120",
            "NO_COLOR": "1",
            "OPENBLAS_NUM_THREADS": "2",
            "HOME": place,
            "LC_ALL": "C.UTF-8",
        }
        version = run(["--version"], env, Path(place)).stdout.split()[-1]
        with endpoint(env, Path(place)) as url:
            for name, args in cases(url).items():
                if fnmatch(name, only):
                    begun = time.monotonic()
                    code = freeze_one(name, args, env, fixtures, out, version, url)
                    print(f"{name}: exit {code}, {time.monotonic() - begun:.1f} s", flush=True)


@contextmanager
def endpoint(env: dict[str, str], cwd: Path) -> Iterator[str]:
    """The URL of an emulated endpoint, which runs meanwhile."""
    command = [sys.executable, "-m", "paretoken", "emulate", "--decode-ms", "4", "--name", "llama-3-70b", "--port", "0"]
    with subprocess.Popen(command, env=env, cwd=cwd, stderr=subprocess.PIPE, text=True) as server:
        try:
            said = server.stderr.readline() if server.stderr else ""
            yield said.split(" at ")[1].split(",")[0]
        finally:
            server.terminate()


def freeze_one(
    name: str, args: list[str], env: dict[str, str], fixtures: Path, out: Path, version: str, url: str
) -> int:
    """Run one case in a copy of the fixtures; its exit code."""
    live = name.startswith("live-")
    with tempfile.TemporaryDirectory() as place:
        cwd = Path(place) / "here"
        shutil.copytree(fixtures, cwd)
        before = digests(cwd)
        done = run(args, env, cwd)

        def plain(text: str) -> str:
            return re.sub(rf"(paretoken\W{{1,6}}){re.escape(version)}\b", r"\1VERSION", text).replace(str(cwd), "HERE")

        record = {
            "args": shlex.join(args).replace(url, "URL"),
            "exit": done.returncode,
            "stdout": shape(parsed(done.stdout)) if live else parsed(plain(done.stdout)),
            "stderr": [] if live else plain(done.stderr).splitlines(),
        }
        (out / f"{name}.json").write_text(pretty(record))
        shutil.rmtree(out / name, ignore_errors=True)
        for path, digest in digests(cwd).items():
            if before.get(path) != digest:
                for suffix, text in kept(cwd / path):
                    file = out / name / (re.sub(r"levels/\d+", "levels/N", path) if live else path)
                    file = file.with_name(file.name + suffix)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(outline(file, text) if live else plain(text))
    return done.returncode


def run(args: list[str], env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "paretoken", *args]
    return subprocess.run(
        command, check=False, env=env, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def digests(folder: Path) -> dict[str, str]:
    """A hash of every file in a folder, by its path there."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def parsed(text: str) -> Any:
    """The value of JSON; the lines of any other text."""
    try:
        return json.loads(text)
    except ValueError:
        return text.splitlines()


def pretty(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def shape(value: Any) -> Any:
    """A value's keys and kinds; a list has the kind of all its items together."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [reduce(both, map(shape, value))] if value else []
    kinds = {bool: "flag", int: "number", float: "number", str: "text"}
    return kinds.get(type(value), EMPTY)


def both(a: Any, b: Any) -> Any:
    """The shape that holds two shapes."""
    if isinstance(a, dict) and isinstance(b, dict):
        return {key: both(a.get(key, EMPTY), b.get(key, EMPTY)) for key in a | b}
    if isinstance(a, list) and isinstance(b, list):
        return [reduce(both, a + b)] if a + b else []
    if a == b or b in (EMPTY, []):
        return a
    return b if a in (EMPTY, []) else f"{a} or {b}"


def outline(file: Path, text: str) -> str:
    """The shape of a file: of JSON, or the columns of a table; of any other only that it is there."""
    if file.suffix == ".json":
        return pretty(shape(json.loads(text)))
    return text.partition("\n")[0] + "\n" if file.suffix == ".csv" else ""


def kept(file: Path) -> Iterator[tuple[str, str]]:
    """What is kept of a file: suffixes to its name, and text."""
    if file.suffix == ".parquet":
        with tempfile.NamedTemporaryFile(suffix=".csv") as table:
            subprocess.run([sys.executable, "-c", TO_CSV, file, table.name], check=True)
            yield ".csv", Path(table.name).read_text()
        return
    try:
        text = file.read_text()
    except UnicodeDecodeError:
        yield ".sha256", hashlib.sha256(file.read_bytes()).hexdigest() + "\n"
        return
    if file.suffix == ".html":
        page = Page()
        page.feed(text)
        yield ".txt", "\n".join(page.text) + "\n"
        for number, data in enumerate(page.data, 1):
            yield f".{number}.json", pretty(json.loads(data))
    elif file.suffix == ".json":
        yield "", pretty(json.loads(text))
    else:
        yield "", text


class Page(HTMLParser):
    """The visible text of an HTML page, piece by piece, and the JSON in it."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.data: list[str] = []
        self.within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self.within = "data" if ("type", "application/json") in attrs else "code"

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self.within = ""

    def handle_data(self, data: str) -> None:
        if self.within == "data":
            self.data.append(data)
        elif not self.within and (words := " ".join(data.split())):
            self.text.append(words)


# Comparing


class Differences:
    """What differs within one case: changed and missing values are wrong, added keys may be meant."""

    def __init__(self, renamed: dict[str, str], *, shapes: bool) -> None:
        self.renamed = renamed
        self.shapes = shapes
        self.used: set[str] = set()
        self.wrong: list[str] = []
        self.added: list[str] = []

    def values(self, a: Any, b: Any, at: str) -> None:
        """Compare two values deeply."""
        if self.shapes and any(x in (EMPTY, []) for x in (a, b)):
            return
        if isinstance(a, dict) and isinstance(b, dict):
            self.dicts(a, b, at)
        elif isinstance(a, list) and isinstance(b, list):
            if len(a) != len(b):
                self.wrong.append(f"{at}: {len(a)} items became {len(b)}")
            for i, (x, y) in enumerate(zip(a, b, strict=False)):
                self.values(x, y, f"{at}[{i}]")
        elif not same(a, b):
            self.wrong.append(f"{at}: {short(a)} became {short(b)}")

    def dicts(self, a: dict[str, Any], b: dict[str, Any], at: str) -> None:
        names = {key: self.name(key, a, b) for key in a}
        for key, name in names.items():
            if name in b:
                self.values(a[key], b[name], f"{at}.{key}")
            else:
                self.wrong.append(f"{at}.{key}: missing")
        self.added += [f"{at}.{key}" for key in b if key not in names.values()]

    def name(self, key: str, a: Any, b: Any) -> str:
        """What a key of a is called in b: the new name where b has it."""
        new = self.renamed.get(key, key)
        if new == key or new in a or new not in b:
            return key
        self.used.add(key)
        return new

    def tables(self, a: str, b: str, at: str) -> None:
        """Compare two CSV files column by column."""
        before, after = (list(csv.reader(io.StringIO(text))) for text in (a, b))
        head, new_head = (rows[0] if rows else [] for rows in (before, after))
        names = {column: self.name(column, head, new_head) for column in head}
        self.wrong += [f"{at}: column {c} missing" for c, name in names.items() if name not in new_head]
        self.added += [f"{at}: column {c}" for c in new_head if c not in names.values()]
        if len(before) != len(after):
            self.wrong.append(f"{at}: {len(before)} rows became {len(after)}")
        places = [(i, new_head.index(names[c]), c) for i, c in enumerate(head) if names[c] in new_head]
        for row, (x, y) in enumerate(zip(before[1:], after[1:], strict=False), 1):
            for i, j, column in places:
                if not same_text(x[i], y[j]):
                    self.wrong.append(f"{at}: row {row}, {column}: {short(x[i])} became {short(y[j])}")

    def files(self, a: Path, b: Path) -> None:
        """Compare the files of a case."""
        theirs, ours = (sorted(str(p.relative_to(d)) for p in d.rglob("*") if p.is_file()) for d in (a, b))
        self.wrong += [f"{path}: not written" for path in theirs if path not in ours]
        self.added += [f"{path}: a new file" for path in ours if path not in theirs]
        for path in (p for p in theirs if p in ours):
            x, y = (a / path).read_text(), (b / path).read_text()
            if x == y:
                continue
            if path.endswith(".csv"):
                self.tables(x, y, path)
            else:
                self.values(parsed(x), parsed(y), path)


def same(a: Any, b: Any) -> bool:
    """Whether two plain values are equal, numbers to 1e-9 of their size."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-300) or (a != a and b != b)
    return type(a) is type(b) and a == b


def same_text(a: str, b: str) -> bool:
    if a == b:
        return True
    try:
        return same(float(a), float(b))
    except ValueError:
        return False


def short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."


def compare(a: Path, b: Path, renamed: dict[str, Any], shown: int, added_ok: bool) -> int:
    """Print how two frozen folders differ; 1 if they do."""
    names, after = (sorted(p.stem for p in folder.glob("*.json")) for folder in (a, b))
    bad = [f"{name}: not in {b}" for name in names if name not in after]
    bad += [f"{name}: not in {a}" for name in after if name not in names]
    for line in bad:
        print(line)
    used: set[str] = set()
    for name in (n for n in names if n in after):
        given = [keys for pattern, keys in renamed.items() if isinstance(keys, dict) and fnmatch(name, pattern)]
        everywhere = {old: new for old, new in renamed.items() if isinstance(new, str)}
        keys = everywhere | {old: new for own in given for old, new in own.items()}
        found = Differences(keys, shapes=name.startswith("live-"))
        found.values(json.loads((a / f"{name}.json").read_text()), json.loads((b / f"{name}.json").read_text()), "")
        found.files(a / name, b / name)
        used |= found.used
        if found.wrong or (found.added and not added_ok):
            bad.append(name)
        if found.wrong or found.added or found.used:
            verdict = "DIFFERS" if found.wrong else "added keys" if found.added else "only renamed"
            counts = f"{len(found.wrong)} changed or missing, {len(found.added)} added, {len(found.used)} keys renamed"
            print(f"{name}: {verdict}: {counts}")
        for kind, lines in (("-", found.wrong), ("+", found.added)):
            for line in lines[:shown]:
                print(f"  {kind} {line}")
            if len(lines) > shown:
                print(f"  {kind} and {len(lines) - shown} more")
    print(f"{len(names)} cases, {len(bad)} differ; renamed keys met: {', '.join(sorted(used)) or 'none'}")
    return 1 if bad else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("freeze", help="run every case and keep what it leaves")
    verb.add_argument("--src", type=Path, required=True, help="folder that holds the package")
    verb.add_argument("--fixtures", type=Path, required=True, help="files that the cases need")
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("--only", default="*", help="pattern of case names")
    verb = verbs.add_parser("compare", help="compare two frozen folders")
    verb.add_argument("a", type=Path)
    verb.add_argument("b", type=Path)
    verb.add_argument("--renamed", type=Path, help="JSON of renamed keys")
    verb.add_argument("--shown", type=int, default=8, help="differences shown of a case")
    verb.add_argument("--added-ok", action="store_true", help="added keys, columns and files are no difference")
    given = parser.parse_args()
    if given.verb == "freeze":
        freeze(given.src, given.fixtures, given.out, given.only)
        return 0
    renamed = json.loads(given.renamed.read_text()) if given.renamed else {}
    return compare(given.a, given.b, renamed, given.shown, given.added_ok)


if __name__ == "__main__":
    sys.exit(main())
