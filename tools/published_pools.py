"""How the pools behind published disaggregated points were served: settings of InferenceX's recipes, from clones.

    python tools/published_pools.py INFERENCEX SRT_SLURM > src/paretoken/predict/data/published_pools.csv

Every version of the configurations of InferenceX states layouts, numbers of users and the recipe of each: a file of its
own or of NVIDIA's srt-slurm, variables of the environment, or, on AMD, a table by model. Both repositories are
Apache-2.0; numbers alone are read. A row holds from the day `since` to the day `until`, none if its entry still does.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from amd_pools import amd_worker
from clones import Clone
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
"""Branches of a clone, in the order in which a recipe is looked for."""
SIDES = ("prefill", "decode")


class Commit(NamedTuple):
    """A commit of InferenceX."""

    configurations: Clone
    recipes: Clone
    id: str
    day: str


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


DRAFTS = ("speculative", "speculative_tokens")
SETTINGS = [f.name for f in fields(WorkerSettings) if f.name not in ("gpus", *DRAFTS)]
CELLS = [(s, n) for s in SIDES for n in SETTINGS if (s, n) != ("decode", "max_batched_tokens")]
COLUMNS = (*Layout._fields, "users", "since", "until", *(f"{s}_{n}" for s, n in CELLS), *DRAFTS)


def main(configurations: Clone, recipes: Clone) -> None:
    layouts = _layouts()
    table: dict[Row, Use] = {}
    current: dict[str, set[Row]] = {}
    for at, name, entry in entries(configurations, recipes):
        stated = [(row, users) for row, users in pool_rows(at, entry) if _of_points(row) in layouts]
        rows = {r for r, _ in stated}
        for row in current.get(name, set()) - rows:
            table[row].until = at.day
        for row, users in stated:
            use = table.setdefault(row, Use(at.day))
            use.until = None
            use.users |= users
        current[name] = rows
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row, use in sorted(table.items(), key=lambda kv: (kv[0].layout, kv[1].since, sorted(kv[1].users))):
        settings = [getattr(getattr(row, side), n) for side, n in CELLS]
        settings += [getattr(row.decode, n) for n in DRAFTS]
        cells = (*row.layout, " ".join(map(str, sorted(use.users))), use.since, use.until, *settings)
        writer.writerow(["" if x is None else x for x in cells])


def _layouts() -> set[tuple[object, ...]]:
    """The layouts of shipped points: up to the lengths, then workers."""
    rows = laid_out(published_points(), load_catalog())
    lengths = ("accelerator", "core", "model", "precision", "drafting", "isl", "osl")
    return set(rows.select(*lengths, "prefill_workers", "decode_workers").unique().iter_rows())


def _of_points(row: Row) -> tuple[object, ...]:
    """What of a row's layout the shipped points state as it does."""
    return (*row.layout[:7], row.layout.prefill_workers, row.layout.decode_workers)


def entries(configurations: Clone, recipes: Clone) -> Iterator[tuple[Commit, str, Mapping[str, Any]]]:
    """Commit, name and content of every version of every disaggregated entry, oldest first."""
    last: dict[str, str] = {}
    paths = [f"{folder}/*master.yaml" for folder in CONFIGURATIONS]
    log = configurations.git("log", "--reverse", "--format=%x00%H %cs", "--name-only", "--no-renames", "--", *paths)
    for version in log.split("\0")[1:]:
        head, *changed = version.split("\n")
        commit, day = head.split()
        for path in filter(None, changed):
            text = configurations.show(commit, path) or ""
            for block in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE):
                name = block.partition(":")[0]
                if "disagg: true" in block and last.get(name) != block:
                    last[name] = block
                    at = Commit(configurations, recipes, commit, day)
                    yield at, name, yaml.load(block, yaml.CSafeLoader)[name]


def pool_rows(at: Commit, entry: Mapping[str, Any]) -> Iterator[tuple[Row, set[int]]]:
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
            workers = [_worker(at, engine, entry, space, side) for side in SIDES]
            prefill, decode = workers
            method = space.get("spec-decoding", "none")
            sides = (
                (space[side]["num-worker"], w.gpus, space[side]["dp-attn"])
                for side, w in zip(SIDES, workers, strict=True)
            )
            layout = Layout(
                accelerator[0].upper(),
                engine,
                model,
                entry["precision"],
                method != "none",
                run["isl"],
                run["osl"],
                *(x for side in sides for x in side),
            )
            row = Row(
                layout,
                replace(prefill, speculative=None, speculative_tokens=None),
                replace(_drafting(decode, method), max_batched_tokens=None),
            )
            yield row, set(space["conc-list"])


def _drafting(worker: WorkerSettings, method: str) -> WorkerSettings:
    """A worker with the entry's own word for the method where its recipe names none; without, if it does not draft."""
    tokens = worker.speculative_tokens if method != "none" else None
    return replace(worker, speculative=(worker.speculative or method) if tokens else None, speculative_tokens=tokens)


def _worker(at: Commit, engine: str, entry: Mapping[str, Any], space: Mapping[str, Any], side: str) -> WorkerSettings:
    """One worker of a side: of its recipe, of its variables, or of AMD's table by model."""
    own = space[side]
    variables = dict(s.split("=", 1) for n in SIDES for s in space[n].get("additional-settings") or ())
    gpus = max(own["tp"], own["ep"])
    if "mi" in str(entry["runner"]):
        worker = amd_worker(partial(at.configurations.show, at.id), engine, entry["model"], space, side, variables)
    elif "CONFIG_FILE" in variables:
        moe = load_catalog().models[MODELS[entry["model-prefix"]]].moe
        experts = moe.experts if moe else 0
        worker = _of_recipe(at, engine, variables["CONFIG_FILE"], experts, side)
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


def _of_recipe(at: Commit, engine: str, path: str, experts: int, side: str) -> WorkerSettings:
    file, _, selector = path.partition(":")
    recipe = _recipe(at, file)
    if recipe is None:
        return WorkerSettings()
    backend = selected(recipe, selector).get("backend", {})
    return ENGINES[engine](options(backend.get(f"{engine}_config", {}).get(side, {})), experts)


def _recipe(at: Commit, path: str) -> Mapping[str, Any] | None:
    """A recipe as InferenceX has it on the commit, else as srt-slurm has it on the day."""
    inner = OVERLAY + re.sub(r"^recip(i?)es/", "", path)
    texts = (
        lambda: at.configurations.show(at.id, inner),
        lambda: at.configurations.show(at.id, path),
        lambda: at.recipes.on_day(path, at.day, BRANCHES),
        lambda: at.configurations.on_day(inner, at.day, BRANCHES),
    )
    text = next(filter(None, (read() for read in texts)), None)
    return yaml.load(text, yaml.CSafeLoader) if text else None


if __name__ == "__main__":
    with Clone(Path(sys.argv[1])) as configurations, Clone(Path(sys.argv[2])) as recipes:
        main(configurations, recipes)
