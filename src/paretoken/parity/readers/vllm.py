"""vLLM: Buildkite steps with AMD mirrors (`test_areas/`), before that one list with tags (`test-pipeline.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from paretoken.errors import BadTree, quoted
from paretoken.parity.commands import targets
from paretoken.parity.commented import commented_steps
from paretoken.parity.definition import CiDefinition
from paretoken.parity.devices import device
from paretoken.parity.policy import Policy
from paretoken.parity.readers.shapes import listed
from paretoken.parity.release import Release
from paretoken.parity.rows import AMD, Json, StepRow
from paretoken.parity.tree import Tree, normal
from paretoken.plain_files import load_yaml

AREAS, PIPELINE, AMD_LIST = ".buildkite/test_areas", ".buildkite/test-pipeline.yaml", ".buildkite/test-amd.yaml"
MOUNT, FOLDER = "/vllm-workspace", "/vllm-workspace/tests"
# Steps that name no device run on the default queue of one L4; AMD tags name no model at all.
DEFAULT_GPU, DEFAULT_AMD = "l4", "amd"

_FIELDS = {
    "agent_pool",
    "agent_tags",
    "allow_dependency_failure",
    "artifact_paths",
    "automatic_shard",
    "autorun_on_main",
    "branches",
    "command",
    "commands",
    "concurrency",
    "concurrency_group",
    "depends_on",
    "device",
    "dind",
    "env",
    "fast_check",
    "fast_check_only",
    "gpu",
    "grade",
    "group",
    "if",
    "key",
    "label",
    "mirror",
    "mirror_hardwares",
    "mount_buildkite_agent",
    "native_ci",
    "no_gpu",
    "no_plugin",
    "num_devices",
    "num_gpus",
    "num_nodes",
    "optional",
    "parallelism",
    "priority",
    "retry",
    "skip",
    "soft_fail",
    "source_file_dependencies",
    "timeout_in_minutes",
    "torch_nightly",
    "working_dir",
}
_VITAL = {"label", "commands", "command", "device", "gpu", "mirror", "mirror_hardwares", "agent_pool", "key"}
_NIGHTLY = re.compile(r"\bnightly\b", re.I)

Step: TypeAlias = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class _Reading:
    tree: Tree
    release: Release
    policy: Policy


def read(tree: Tree, release: Release, policy: Policy) -> CiDefinition:
    """The steps of both vendors; BadTree where the tree is not vLLM's or its steps have another form."""
    reading = _Reading(tree, release, policy)
    areas = tree.matching(f"{AREAS}/*.yaml")
    if not areas and not tree.has(PIPELINE):
        raise BadTree(f"{tree.root} is not a tree of vLLM: it has neither {AREAS}/ nor {PIPELINE}")
    rows: list[StepRow] = []
    notes: list[str] = []
    pipeline = _steps(tree, PIPELINE)[1] if tree.has(PIPELINE) else []
    if pipeline:
        rows += [r for s in pipeline for r in _tagged(reading, s)]
        notes += [f"{AREAS}/ was being built up beside it and is not counted"] if areas else []
    for file in areas if not pipeline else []:
        group, steps = _steps(tree, file)
        rows += [r for s in steps for r in _mirrored(reading, file, group, s)]
    lists = [*([PIPELINE] if pipeline else areas), *([AMD_LIST] if tree.has(AMD_LIST) else [])]
    if new := sorted({str(k) for file in lists for s in _steps(tree, file)[1] for k in s} - _FIELDS):
        notes.append(f"fields of steps that this paretoken does not know, and does not read: {', '.join(new)}")
    if tree.has(AMD_LIST):
        rows += [_row(reading, AMD_LIST, _area_of(s), s, "amd-list") for s in _steps(tree, AMD_LIST)[1]]
    rows += [row for file in lists for row in _commented(reading, file)]
    return CiDefinition("pipeline" if pipeline else "areas", tuple(rows), tuple(notes))


def _steps(tree: Tree, file: str) -> tuple[str, list[Step]]:
    """The group's name and the steps of one file, checked for fields that are not known."""
    document = load_yaml(tree.text(file), file, BadTree)
    if document is None:
        return "", []
    if not isinstance(document, dict) or not isinstance(document.get("steps") or [], list):
        raise BadTree(f"{file} has no list of steps: its layout is newer than this paretoken supports")
    steps: list[Step] = [s for s in document.get("steps") or [] if isinstance(s, dict) and "label" in s]
    new = sorted({str(k) for s in steps for k in s} - _FIELDS)
    # New fields beside all known ones add to a step; a step without any way to run is another layout.
    lost = [s for s in steps if not _VITAL - {"label", "key"} & set(s)]
    if lost:
        raise BadTree(
            f"{file} has a layout newer than this paretoken supports: step {quoted(str(lost[0]['label']))} "
            f"has none of the known fields; new are {', '.join(new) or 'none'}"
        )
    return str(document.get("group") or ""), steps


def _mirrored(reading: _Reading, file: str, group: str, step: Step) -> Iterator[StepRow]:
    """A step of `test_areas/` and, where it has one, its AMD mirror, which takes over what it does not change."""
    native = device(_device(step)).vendor == AMD
    yield _row(reading, file, group, step, "native" if native else "")
    mirror = (step.get("mirror") or {}).get("amd") if isinstance(step.get("mirror"), dict) else None
    if isinstance(mirror, dict):
        own = {"device", "gpu", "num_devices", "num_gpus", "mirror", "parallelism"}
        inherited = {k: v for k, v in step.items() if k not in own}
        yield _row(reading, file, group, {**inherited, **mirror, "key": _key(step)}, "mirror")


def _tagged(reading: _Reading, step: Step) -> Iterator[StepRow]:
    """A step of `test-pipeline.yaml`, and once more for AMD where its tags name an AMD pipeline."""
    yield _row(reading, PIPELINE, _area_of(step), {**step, "agent_pool": None}, "")
    tags = [str(t) for t in listed(step.get("mirror_hardwares"), f"{PIPELINE}: mirror_hardwares")]
    if any(t.startswith("amd") for t in tags):
        on_amd = {**step, "device": step.get("agent_pool") or DEFAULT_AMD, "gpu": None, "no_gpu": False}
        yield _row(reading, PIPELINE, _area_of(step), on_amd, "tag", optin=not {"amd", "amdproduction"} & set(tags))


def _row(reading: _Reading, file: str, area: str, step: Step, steps: str, *, optin: bool = False) -> StepRow:
    rule = reading.policy.of(steps)
    label = str(step["label"])
    on = device(_device(step), DEFAULT_AMD if steps == "amd-list" else DEFAULT_GPU)
    ran = targets(reading.tree, _commands(step), _folder(step), MOUNT)
    trigger = _trigger(step, optin)
    blocking = "soft" if step.get("soft_fail") else rule.blocking if rule else "hard"
    return StepRow(
        engine="vllm",
        snapshot_commit=reading.release.commit,
        snapshot_date=reading.release.date,
        source_file=file,
        key=_key(step),
        label=label,
        area=area,
        vendor=on.vendor,
        device_label=_device(step),
        gpu_model=on.gpu_model,
        gpus=_gpus(step, on.gpus),
        shards=_whole(step.get("parallelism")),
        est_s=None,
        trigger=rule.trigger if rule and rule.trigger and trigger == "gate" else trigger,
        blocking=blocking,
        disabled_reason=None,
        files=tuple(sorted(ran.files)),
        unresolved=tuple(ran.unresolved),
    )


def _trigger(step: Step, optin: bool) -> str:
    if step.get("optional"):
        return "nightly" if _NIGHTLY.search(str(step["label"])) else "optin"
    return "optin" if optin else "gate"


def _commented(reading: _Reading, file: str) -> Iterator[StepRow]:
    """Steps that are commented out: they existed, and somebody disabled them."""
    group = re.search(r"^group:\s*(.+)$", reading.tree.text(file), re.M)
    for commented in commented_steps(reading.tree.text(file)):
        if not _VITAL - {"label", "key"} & set(commented.step):
            continue
        steps = "amd-list" if file == AMD_LIST else ""
        live = _row(reading, file, group[1].strip() if group else _area_of(commented.step), commented.step, steps)
        rows = [live]
        if isinstance(commented.step.get("mirror"), dict):
            rows = list(_mirrored(reading, file, live.area, commented.step))
        for row in rows:
            yield replace(row, disabled_reason=commented.reason)


def _commands(step: Step) -> list[str]:
    commands = step.get("commands") or step.get("command") or []
    lines = commands if isinstance(commands, list) else [commands]
    # Multi-node steps hold one list of commands for each node.
    return [str(c) for line in lines for c in (line if isinstance(line, list) else [line])]


def _folder(step: Step) -> str:
    folder = str(step.get("working_dir") or FOLDER).rstrip("/")
    inside = folder == MOUNT or folder.startswith(f"{MOUNT}/")
    return (normal(folder[len(MOUNT) :]) if inside else None) or ""


def _device(step: Step) -> str:
    if step.get("no_gpu"):
        return "cpu"
    return str(step.get("device") or step.get("agent_pool") or step.get("gpu") or "")


def _gpus(step: Step, on_label: int | None) -> int:
    count = step.get("num_devices") or step.get("num_gpus")
    nodes = _whole(step.get("num_nodes"))
    return 0 if on_label == 0 else (on_label or _whole(count)) * nodes


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 1


def _key(step: Step) -> str:
    return str(step.get("key") or re.sub(r"[^a-z0-9]+", "-", str(step["label"]).lower()).strip("-"))


_AREA_WORDS = (
    ("kernel", "Kernels"),
    ("quant", "Quantization"),
    ("lora", "LoRA"),
    ("lm eval", "LM Eval"),
    ("gsm8k", "LM Eval"),
    ("entrypoint", "Entrypoints"),
    ("openai", "Entrypoints"),
    ("multi-modal", "Models - Multimodal"),
    ("multimodal", "Models - Multimodal"),
    ("language model", "Models - Language"),
    ("model", "Models - Basic"),
    ("distributed", "Distributed"),
    ("parallel", "Distributed"),
    ("2 node", "Distributed"),
    ("compile", "Compile"),
    ("compilation", "PyTorch"),
    ("fullgraph", "PyTorch"),
    ("pytorch", "PyTorch"),
    ("attention", "Attention"),
    ("spec", "Spec Decode"),
    ("sampl", "Samplers"),
    ("engine", "Engine"),
    ("basic correctness", "Basic Correctness"),
    ("plugin", "Plugins"),
    ("benchmark", "Benchmarks"),
    ("weight", "Weight Loading"),
    ("eplb", "Expert Parallelism"),
)


def _area_of(step: Step) -> str:
    """The area of a step in a list without groups, by a word of its label."""
    label = str(step["label"]).lower()
    return next((area for word, area in _AREA_WORDS if word in label), "Miscellaneous")
