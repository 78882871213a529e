"""How the pools behind published disaggregated points were served: settings of InferenceX's recipes, from clones.

    python tools/published_pools.py INFERENCEX SRT_SLURM > src/paretoken/predict/data/published_pools.csv

Every version of the configurations of InferenceX states layouts, numbers of users and the recipe of each: a file of its
own or of NVIDIA's srt-slurm, variables of the environment, or, on AMD, a table by model. Both repositories are
Apache-2.0; numbers alone are read. A row holds from the day `since` to the day `until`, none if its entry still does.
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import IO, Any, NamedTuple

import yaml
from amd_pools import amd_worker
from pool_recipes import ENGINES, WorkerSettings, options, selected

from paretoken.catalog.loader import load_catalog
from paretoken.points.published import published_points
from paretoken.predict.pools.rows import laid_out

FRAMEWORKS = {
    "dynamo-trt": "trtllm",
    "dynamo-sglang": "sglang",
    "dynamo-vllm": "vllm",
    "sglang-disagg": "sglang",
    "vllm-disagg": "vllm",
    "atom-disagg": "atom",
}
MODELS = {
    "dsr1": "deepseek-r1",
    "dsr1-fp8": "deepseek-r1",
    "DeepSeek-R1-0528": "deepseek-r1",
    "dsv4": "deepseek-v4-pro",
    "glm5": "glm-5",
    "glm5.1": "glm-5",
    "gptoss": "gpt-oss-120b",
    "kimik2.5": "kimi-k2.5",
    "minimaxm2.5": "minimax-m2.5",
    "minimaxm3": "minimax-m3",
    "qwen3.5": "qwen3.5-397b-a17b",
}
CONFIGURATIONS = ("configs", ".github/configs")
OVERLAY = "benchmarks/multi_node/srt-slurm-recipes/"
BRANCHES = ("sa-submission-q2-2026", "main", "--all")
"""Branches of srt-slurm, in the order in which a recipe is looked for."""
SIDES = ("prefill", "decode")


class Layout(NamedTuple):
    """What a row of settings is of. GPUs are of one worker."""

    accelerator: str
    engine: str
    model: str
    precision: str
    drafting: bool
    isl: int
    osl: int
    prefill_workers: int
    prefill_gpus: int
    prefill_dp_attention: bool
    decode_workers: int
    decode_gpus: int
    decode_dp_attention: bool


class Row(NamedTuple):
    """The settings of both pools."""

    layout: Layout
    prefill: WorkerSettings
    decode: WorkerSettings


@dataclass(slots=True)
class Use:
    """When settings were in force, until None is still, and for which numbers of users."""

    since: str
    until: str | None = None
    users: set[int] = field(default_factory=set)


SETTINGS = [f.name for f in fields(WorkerSettings) if f.name not in ("gpus", "draft_tokens")]
CELLS = [(s, n) for s in SIDES for n in SETTINGS if (s, n) != ("decode", "max_batched_tokens")]
COLUMNS = (*Layout._fields, "users", "since", "until", *(f"{s}_{n}" for s, n in CELLS), "draft_tokens")


def main(clone: Path, recipes: Path) -> None:
    layouts = _layouts()
    table: dict[Row, Use] = {}
    current: dict[str, set[Row]] = {}
    for day, commit, name, entry in entries(clone):
        stated = [(r, users) for r, users in pool_rows(clone, recipes, commit, day, entry) if _of_points(r) in layouts]
        rows = {r for r, _ in stated}
        for row in current.get(name, set()) - rows:
            table[row].until = day
        for row, users in stated:
            use = table.setdefault(row, Use(day))
            use.until = None
            use.users |= users
        current[name] = rows
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row, use in sorted(table.items(), key=lambda kv: (kv[0].layout, kv[1].since, sorted(kv[1].users))):
        settings = [getattr(getattr(row, side), n) for side, n in CELLS]
        cells = (*row.layout, " ".join(map(str, sorted(use.users))), use.since, use.until, *settings)
        writer.writerow(["" if x is None else x for x in (*cells, row.decode.draft_tokens)])


def _layouts() -> set[tuple[object, ...]]:
    """The layouts of shipped points: up to the lengths, then workers."""
    rows = laid_out(published_points(), load_catalog())
    columns = (
        "accelerator",
        "core",
        "model",
        "precision",
        "drafting",
        "isl",
        "osl",
        "prefill_workers",
        "decode_workers",
    )
    return set(rows.select(*columns).unique().iter_rows())


def _of_points(row: Row) -> tuple[object, ...]:
    """What of a row's layout the shipped points state as it does."""
    return (*row.layout[:7], row.layout.prefill_workers, row.layout.decode_workers)


def entries(clone: Path) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    """Day, commit, name and content of every version of every disaggregated entry, oldest first."""
    last: dict[str, str] = {}
    paths = [f"{folder}/*master.yaml" for folder in CONFIGURATIONS]
    log = _git(clone, "log", "--reverse", "--format=%x00%H %cs", "--name-only", "--no-renames", "--", *paths)
    for version in log.split("\0")[1:]:
        head, *changed = version.split("\n")
        commit, day = head.split()
        for path in filter(None, changed):
            for block in re.split(r"^(?=[A-Za-z0-9])", _show(clone, f"{commit}:{path}") or "", flags=re.MULTILINE):
                name = block.partition(":")[0]
                if "disagg: true" in block and last.get(name) != block:
                    last[name] = block
                    yield day, commit, name, yaml.load(block, yaml.CSafeLoader)[name]


def pool_rows(
    clone: Path, recipes: Path, commit: str, day: str, entry: Mapping[str, Any]
) -> Iterator[tuple[Row, set[int]]]:
    """The rows of one version of an entry, and their numbers of users."""
    engine, model = FRAMEWORKS.get(entry["framework"]), MODELS.get(entry["model-prefix"])
    accelerator = re.search(r"gb[23]00|b[23]00|h[12]00|mi\d+x", str(entry["runner"]))
    if not (engine and model and accelerator):
        return
    runs = entry.get("seq-len-configs") or entry["scenarios"].get("fixed-seq-len") or []
    for run in runs:
        for space in run["search-space"]:
            if not space["decode"]["num-worker"]:
                continue
            workers = [_worker(clone, recipes, commit, day, engine, entry, space, side) for side in SIDES]
            prefill, decode = workers
            drafting = space.get("spec-decoding", "none") != "none"
            sides = (
                (space[side]["num-worker"], w.gpus, space[side]["dp-attn"])
                for side, w in zip(SIDES, workers, strict=True)
            )
            layout = Layout(
                accelerator[0].upper(),
                engine,
                model,
                entry["precision"],
                drafting,
                run["isl"],
                run["osl"],
                *(x for side in sides for x in side),
            )
            row = Row(
                layout,
                replace(prefill, draft_tokens=None),
                replace(decode, max_batched_tokens=None, draft_tokens=decode.draft_tokens if drafting else None),
            )
            yield row, set(space["conc-list"])


def _worker(
    clone: Path,
    recipes: Path,
    commit: str,
    day: str,
    engine: str,
    entry: Mapping[str, Any],
    space: Mapping[str, Any],
    side: str,
) -> WorkerSettings:
    """One worker of a side: of its recipe, of its variables, or of AMD's table by model."""
    own = space[side]
    variables = dict(s.split("=", 1) for n in SIDES for s in space[n].get("additional-settings") or ())
    gpus = max(own["tp"], own["ep"])
    if "mi" in str(entry["runner"]):
        worker = amd_worker(
            lambda path: _show(clone, f"{commit}:{path}"), engine, entry["model"], space, side, variables
        )
    elif "CONFIG_FILE" in variables:
        moe = load_catalog().models[MODELS[entry["model-prefix"]]].moe
        experts = moe.experts if moe else 0
        worker = _of_recipe(clone, recipes, commit, day, engine, variables["CONFIG_FILE"], experts, side)
    else:
        worker = _of_variables(engine, variables, side)
    return replace(worker, gpus=worker.gpus or gpus)


def _of_variables(engine: str, variables: Mapping[str, str], side: str) -> WorkerSettings:
    names = {
        "max-batch-size": "MAX_BATCH_SIZE",
        "max-num-tokens": "MAX_NUM_TOKENS",
        "kv-cache-config.free-gpu-memory-fraction": "GPU_MEM_FRACTION",
        "speculative-config.num-nextn-predict-layers": "MTP_SIZE",
    }
    stated = {option: variables.get(f"{side.upper()}_{name}") for option, name in names.items()}
    return replace(ENGINES[engine](stated, 0), gpus=None)


def _of_recipe(
    clone: Path, recipes: Path, commit: str, day: str, engine: str, path: str, experts: int, side: str
) -> WorkerSettings:
    file, _, selector = path.partition(":")
    recipe = _recipe(clone, recipes, commit, day, file)
    if recipe is None:
        return WorkerSettings()
    backend = selected(recipe, selector).get("backend", {})
    return ENGINES[engine](options(backend.get(f"{engine}_config", {}).get(side, {})), experts)


@cache
def _recipe(clone: Path, recipes: Path, commit: str, day: str, path: str) -> Mapping[str, Any] | None:
    """A recipe as InferenceX had it on a commit, else as srt-slurm had it on the day."""
    inner = OVERLAY + re.sub(r"^recip(i?)es/", "", path)
    text = next(filter(None, (_show(clone, f"{commit}:{p}") for p in (inner, path))), None) or _on_day(
        recipes, path, day
    )
    text = text or _on_day(clone, inner, day)
    return yaml.load(text, yaml.CSafeLoader) if text else None


@cache
def _on_day(recipes: Path, path: str, day: str) -> str | None:
    """The last version up to a day of the first branch that has one, else the first version after it."""
    for branch in BRANCHES:
        versions = sorted((d, c) for c, d in _versions(recipes, branch, path))
        for _, commit in [*reversed([v for v in versions if v[0] <= day]), *(v for v in versions if v[0] > day)]:
            if text := _show(recipes, f"{commit}:{path}"):
                return text
    return None


@cache
def _versions(recipes: Path, branch: str, path: str) -> list[tuple[str, str]]:
    log = _git(recipes, "log", branch, "--format=%H %cs", "--no-renames", "--", path, check=False)
    return [(c, d) for c, d in (line.split() for line in log.splitlines())]


@cache
def _show(clone: Path, spec: str) -> str | None:
    """The text of a file of a commit, None where it has none."""
    asked, answered = _reader(clone)
    asked.write(f"{spec}\n".encode())
    asked.flush()
    kind, _, size = answered.readline().rstrip().rpartition(b" ")
    return answered.read(int(size) + 1).decode() if kind.endswith(b" blob") else None


@cache
def _reader(clone: Path) -> tuple[IO[bytes], IO[bytes]]:
    """The ends of a process that reads files of a clone."""
    process = subprocess.Popen(
        ["git", "-C", str(clone), "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("git has no ends")
    return process.stdin, process.stdout


def _git(clone: Path, *words: str, check: bool = True) -> str:
    return subprocess.run(["git", "-C", str(clone), *words], capture_output=True, text=True, check=check).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
