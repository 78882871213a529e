"""PyTorch: jobs with a test matrix in GitHub workflows; the unit is a shard of a configuration."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from paretoken.errors import BadTree, quoted
from paretoken.parity.definition import CiDefinition
from paretoken.parity.devices import device
from paretoken.parity.policy import Policy
from paretoken.parity.readers.shapes import table
from paretoken.parity.release import Release
from paretoken.parity.rows import AMD, NVIDIA, StepRow
from paretoken.parity.tree import Tree
from paretoken.plain_files import load_yaml

WORKFLOWS, RUN_TEST = ".github/workflows", "test/run_test.py"
_GPUS = re.compile(r"\b(?:gpu|rocm)\D*\.(\d{1,5})$")
_KNOWN = {
    "config",
    "shard",
    "num_shards",
    "runner",
    "owners",
    "mem_leak_check",
    "rerun_disabled_tests",
    "unstable",
    "tests_to_include",
    "experimental",
}
# Runner names of AWS instances say the GPU by the instance.
_INSTANCES = {"g4dn": "T4", "g5": "A10G", "g6": "L4", "p3": "V100", "p4d": "A100", "p5": "H100"}


def read(tree: Tree, release: Release, policy: Policy) -> CiDefinition:
    """One row for each shard of each job; BadTree where no workflow has a test matrix."""
    rows = [row for file in tree.matching(f"{WORKFLOWS}/*.yml") for row in _rows(tree, release, file)]
    if not rows:
        raise BadTree(f"{tree.root} is not a tree of PyTorch: no workflow in {WORKFLOWS}/ has a test-matrix")
    blocked = _blocklist(tree)
    notes = [f"{len(blocked)} test files are on ROCM_BLOCKLIST in {RUN_TEST}"] if blocked else []
    rows += [_blocked(release, name) for name in blocked]
    return CiDefinition("workflows", tuple(rows), tuple(notes))


def _rows(tree: Tree, release: Release, file: str) -> Iterator[StepRow]:
    text = tree.text(file)
    if "test-matrix" not in text:
        return
    document = load_yaml(text, file, BadTree)
    if not isinstance(document, dict):
        return
    # YAML 1.1 reads the key `on` as true.
    trigger = _trigger(document.get("on", document.get(True)), file)
    for name, job in table(document.get("jobs"), f"{file}: jobs").items():
        inputs = table(table(job, f"{file}: job {quoted(name)}").get("with"), f"{file}: with of job {quoted(name)}")
        matrix = inputs.get("test-matrix")
        if matrix is not None and not isinstance(matrix, str):
            raise BadTree(
                f"{file}: the test-matrix of {quoted(name)} is not text: the layout is newer than this paretoken "
                "supports"
            )
        if matrix and "include" in matrix:
            yield from _shards(release, file, str(name), matrix, trigger)


def _shards(release: Release, file: str, job: str, matrix: str, trigger: str) -> Iterator[StepRow]:
    document = load_yaml(matrix, f"{file}: test-matrix of {job}", BadTree)
    entries = document.get("include") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise BadTree(
            f"{file}: the test-matrix of {job} has a layout newer than this paretoken supports: no include list"
        )
    for entry in entries:
        if not isinstance(entry, dict) or not {"config", "runner"} <= set(entry):
            new = sorted(map(str, set(entry) - _KNOWN)) if isinstance(entry, dict) else [str(entry)[:40]]
            raise BadTree(f"{file}: the test-matrix of {job} is newer than this paretoken supports: {', '.join(new)}")
        yield _shard(release, file, job, entry, trigger)


def _shard(release: Release, file: str, job: str, entry: Mapping[str, object], trigger: str) -> StepRow:
    config, runner = str(entry["config"]), str(entry["runner"])
    vendor, model = _device(runner, job)
    gpus = _GPUS.search(runner)
    return StepRow(
        engine="pytorch",
        snapshot_commit=release.commit,
        snapshot_date=release.date,
        source_file=file,
        key=f"{config}/{entry.get('shard', 1)}of{entry.get('num_shards', 1)}",
        label=f"{job}: {config}",
        area=config,
        vendor=vendor,
        device_label=runner,
        gpu_model=model,
        gpus=0 if vendor == "cpu" else int(gpus[1]) if gpus else 1,
        shards=1,
        est_s=None,
        trigger=trigger,
        blocking="soft" if entry.get("unstable") else "hard",
        disabled_reason=None,
        files=(),
        unresolved=(),
    )


def _device(runner: str, job: str) -> tuple[str, str]:
    name = runner.lower()
    if "rocm" in name or "rocm" in job.lower():
        gpu = device(name) if "gfx" not in name else None
        return AMD, gpu.gpu_model if gpu and gpu.vendor == AMD else "AMD, model not said"
    if "gpu" in name or "cuda" in job.lower():
        instance = next((gpu for key, gpu in _INSTANCES.items() if f".{key}." in name or f"{key}." in name), "")
        return NVIDIA, instance or "NVIDIA, model not said"
    return "cpu", "CPU"


def _trigger(on: object, file: str) -> str:
    """`pull_request` runs on every change; a schedule alone at night; anything else when asked for by a label."""
    events = {str(event) for event in (on if isinstance(on, (dict, list)) else [on])}
    if "pull_request" in events:
        return "gate"
    return "nightly" if "schedule" in events or "periodic" in file else "optin"


def _blocklist(tree: Tree) -> list[str]:
    module = tree.module(RUN_TEST) if tree.has(RUN_TEST) else None
    for node in module.body if module else []:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List):
            names = {t.id for t in node.targets if isinstance(t, ast.Name)}
            if "ROCM_BLOCKLIST" in names:
                return [e.value for e in node.value.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)]
    return []


def _blocked(release: Release, name: str) -> StepRow:
    return StepRow(
        engine="pytorch",
        snapshot_commit=release.commit,
        snapshot_date=release.date,
        source_file=RUN_TEST,
        key=name,
        label=name,
        area="ROCM_BLOCKLIST",
        vendor=AMD,
        device_label="rocm",
        gpu_model="AMD, model not said",
        gpus=0,
        shards=1,
        est_s=None,
        trigger="gate",
        blocking="unknown",
        disabled_reason="on ROCM_BLOCKLIST",
        files=(f"test/{name}.py",),
        unresolved=(),
    )
