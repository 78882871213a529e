"""TensorRT-LLM: test lists with conditions (`test-db/l0_*.yml`). NVIDIA alone: it has no AMD side to compare."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from paretoken.errors import BadTree
from paretoken.parity.definition import CiDefinition
from paretoken.parity.devices import device
from paretoken.parity.policy import Policy
from paretoken.parity.readers.shapes import count, listed, table
from paretoken.parity.release import Release
from paretoken.parity.rows import Json, StepRow
from paretoken.parity.tree import Tree
from paretoken.plain_files import load_yaml

LISTS = "tests/integration/test_lists/test-db"
# Lines are relative to the one or the other.
FOLDERS = ("tests/integration/defs", "tests")

_TRIGGERS = {"pre_merge": "gate", "post_merge": "nightly"}
_KNOWN = {"condition", "tests"}


def read(tree: Tree, release: Release, policy: Policy) -> CiDefinition:
    """One row for each line of each list; BadTree where the tree is not TensorRT-LLM's."""
    lists = tree.matching(f"{LISTS}/l0_*.yml")
    if not lists:
        raise BadTree(f"{tree.root} is not a tree of TensorRT-LLM: it has no {LISTS}/l0_*.yml")
    rows = [row for file in lists for row in _rows(tree, release, file)]
    return CiDefinition(
        "test-db", tuple(rows), ("TensorRT-LLM runs on NVIDIA alone; these are counts, not a comparison",)
    )


def _rows(tree: Tree, release: Release, file: str) -> Iterator[StepRow]:
    document = load_yaml(tree.text(file), file, BadTree)
    if not isinstance(document, dict):
        raise BadTree(f"{file} has no test lists: its layout is newer than this paretoken supports")
    for name, blocks in document.items():
        if name == "version":
            continue
        for block in blocks if isinstance(blocks, list) else []:
            if not isinstance(block, dict) or "tests" not in block:
                new = sorted(map(str, set(block) - _KNOWN)) if isinstance(block, dict) else [str(block)[:40]]
                raise BadTree(f"{file} has a layout newer than this paretoken supports: new are {', '.join(new)}")
            yield from _lines(tree, release, file, str(name), block)


def _lines(tree: Tree, release: Release, file: str, name: str, block: Json) -> Iterator[StepRow]:
    condition = table(block.get("condition"), f"{file}: condition")
    terms = table(condition.get("terms"), f"{file}: condition.terms")
    wildcards = table(condition.get("wildcards"), f"{file}: condition.wildcards")
    ranges = table(condition.get("ranges"), f"{file}: condition.ranges")
    wanted = table(ranges.get("system_gpu_count"), f"{file}: condition.ranges.system_gpu_count")
    gpus = count(wanted.get("gte"), f"{file}: condition.ranges.system_gpu_count.gte")
    gpu = str(next(iter(listed(wildcards.get("gpu"), f"{file}: condition.wildcards.gpu")), "")).strip("*")
    on = device(gpu or ("cpu" if "cpu" in name else ""))
    for line in listed(block["tests"], f"{file}: tests"):
        text = str(line)
        files = _file(tree, text)
        yield StepRow(
            engine="trtllm",
            snapshot_commit=release.commit,
            snapshot_date=release.date,
            source_file=file,
            key=text,
            label=text,
            area=str(terms.get("backend") or name),
            vendor=on.vendor,
            device_label=gpu,
            gpu_model=on.gpu_model,
            gpus=0 if on.vendor == "cpu" else gpus or 1,
            shards=1,
            est_s=None,
            trigger=_TRIGGERS.get(str(terms.get("stage")), "optin"),
            blocking="hard",
            disabled_reason=None,
            files=files,
            unresolved=() if files else (text,),
        )


def _file(tree: Tree, line: str) -> tuple[str, ...]:
    """The file, or the test files of the folder, of a line such as `a/test_b.py::test_c[d]` or `unittest/a -k b`."""
    try:
        word = shlex.split(line)[0]
    except (ValueError, IndexError):
        return ()
    path = word.partition("::")[0]
    for folder in FOLDERS:
        whole = f"{folder}/{path}"
        if tree.has(whole):
            return (whole,)
        if tree.is_folder(whole):
            return tuple(tree.below(whole, "test_*.py"))
    return ()
