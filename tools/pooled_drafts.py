"""How many tokens disaggregated servers of published points draft a step, from clones of InferenceX and srt-slurm.

    python tools/pooled_drafts.py /path/to/InferenceX /path/to/srt-slurm > src/paretoken/predict/data/pooled_drafts.csv

InferenceX (Apache-2.0) lists its layouts in `*-master.yaml`, each with the recipe of its servers: a file of its own, or
of srt-slurm (github.com/NVIDIA/srt-slurm, Apache-2.0), or a number (DECODE_MTP_SIZE). The tokens are those that the
recipe drafts, or those that the name of its file states (…_mtp3.yaml). Every version of the lists counts; where two
differ, the last. The column `source` names the recipe.
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from published_settings import MODELS

ENGINES = {"dynamo-trt": "dynamo-trtllm", "sglang-disagg": "mori-sglang"}
SAME = {"glm-5.1": "glm-5"}
"""Engines and models that published points call otherwise."""
COLUMNS = (
    *("accelerator", "engine", "model", "precision", "isl", "osl", "prefill_workers", "prefill_gpus"),
    *("decode_workers", "decode_gpus", "users", "speculative", "speculative_tokens", "source"),
)
DRAFTED = re.compile(
    r"(?:num_nextn_predict_layers|max_draft_len|speculative[-_]num[-_]steps|num_speculative_tokens)\W{1,4}(\d+)"
)
IN_NAME = re.compile(r"mtp_?([1-8])(?![0-9])")
SIZE = re.compile(r"DECODE_MTP_SIZE=(\d+)")
METHOD = re.compile(r"\beagle3\b", re.IGNORECASE)
EVERY = 6
"""One in so many versions of a list is read, and the last."""
Row = tuple[str | int, ...]


def main(inferencex: Path, srt_slurm: Path) -> None:
    rows: dict[Row, Row] = {}
    for text in _lists(inferencex):
        for key, entry in _entries(text):
            for layout, settings in _layouts(entry):
                if drafts := _drafts(settings, inferencex, srt_slurm):
                    for users in _users(layout):
                        rows[(*key(layout), users)] = drafts
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((*key, *drafts) for key, drafts in sorted(rows.items(), key=str))


def _lists(clone: Path) -> Iterator[str]:
    """Versions of the lists, oldest first."""
    names = _git(clone, "log", "--format=", "--name-only", "--no-renames", "--", "*-master.yaml").split()
    for name in sorted(set(names)):
        commits = _git(clone, "log", "--format=%H", "--", name).split()
        for commit in reversed(commits[::EVERY]):
            yield _git(clone, "show", f"{commit}:{name}")


def _entries(text: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The disaggregated configurations of a list, with a function of the rest of a row's key."""
    try:
        document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
    except yaml.YAMLError:
        return
    for entry in document.values():
        model = MODELS.get(str(entry.get("model-prefix"))) if isinstance(entry, dict) else None
        model = SAME.get(str(model), model)
        if model is None or not (entry.get("disagg") or entry.get("multinode")):
            continue
        accelerator = str(entry.get("runner", "")).split("-")[0].upper()
        lengths = entry.get("seq-len-configs") or (entry.get("scenarios") or {}).get("fixed-seq-len") or []
        for shape in lengths:
            start = (
                accelerator,
                ENGINES.get(entry["framework"], entry["framework"]),
                model,
                entry.get("precision"),
                shape["isl"],
                shape["osl"],
            )

            def key(layout: dict[str, Any], start: tuple[Any, ...] = start) -> tuple[Any, ...]:
                return (*start, *_pool(layout["prefill"]), *_pool(layout["decode"]))

            yield key, shape


def _pool(pool: dict[str, Any]) -> tuple[int, int]:
    """Workers of a pool, and GPUs of each."""
    return int(pool.get("num-worker", 1)), max(int(pool.get("tp", 1)), int(pool.get("ep", 1)))


def _layouts(shape: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    for layout in shape.get("search-space") or []:
        if layout.get("spec-decoding", "none") != "none" and layout.get("prefill") and layout.get("decode"):
            settings = [*(layout["prefill"].get("additional-settings") or [])]
            settings += layout["decode"].get("additional-settings") or []
            yield layout, " ".join(map(str, settings))


def _users(layout: dict[str, Any]) -> list[int]:
    if listed := layout.get("conc-list"):
        return [int(n) for n in listed]
    low, high = int(layout.get("conc-start", 1)), int(layout.get("conc-end", 1))
    return [low * 2**k for k in range(16) if low * 2**k <= high]


def _drafts(settings: str, inferencex: Path, srt_slurm: Path) -> Row | None:
    """Method, tokens and recipe."""
    if size := SIZE.search(settings):
        return ("mtp", int(size[1]), size[0]) if int(size[1]) else None
    file = re.search(r"CONFIG_FILE=(\S+?)(?:\[|$|\s)", f"{settings} ")
    if not file:
        return None
    name = file[1].removeprefix("recipes/").partition(":")[0]
    text = _recipe(inferencex, name) or _recipe(srt_slurm, name)
    method = "eagle3" if METHOD.search(text or name) else "mtp"
    if counts := DRAFTED.findall(text):
        return method, int(counts[-1]), name
    return (method, int(m[1]), name) if (m := IN_NAME.search(name)) else None


def _recipe(clone: Path, name: str) -> str:
    """The text of a recipe in any branch; "" where it is in none."""
    blob = _blobs(clone).get(name)
    return _git(clone, "cat-file", "blob", blob) if blob else ""


@cache
def _blobs(clone: Path) -> dict[str, str]:
    """Recipes of all branches by their path below `recipes`; of two alike, that of the first branch."""
    out: dict[str, str] = {}
    for ref in _git(clone, "for-each-ref", "--format=%(refname)").split():
        for line in _git(clone, "ls-tree", "-r", ref).splitlines():
            info, path = line.split("\t", 1)
            if path.endswith((".yaml", ".yml")) and "recipes" in path:
                below = re.sub(r"^.*?recipes/", "", path)
                out.setdefault(below, info.split()[2])
    return out


def _git(clone: Path, *arguments: str) -> str:
    ran = subprocess.run(["git", "-C", str(clone), *arguments], capture_output=True, text=True, check=False)
    return ran.stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
