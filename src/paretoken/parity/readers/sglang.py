"""SGLang: tests that register themselves (`test/registered/`), before that dicts in `test/srt/run_suite.py`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from paretoken.errors import BadTree
from paretoken.parity import safe_yaml
from paretoken.parity.definition import CiDefinition
from paretoken.parity.devices import device
from paretoken.parity.policy import Policy
from paretoken.parity.release import Release
from paretoken.parity.rows import AMD, NVIDIA, StepRow
from paretoken.parity.tree import Tree

REGISTERED, SUITES, RUNNERS = "test/registered", "test/run_suite.py", "scripts/ci/runner_configs.yml"
OLD_SUITES, OLD_FOLDER = "test/srt/run_suite.py", "test/srt"

_POSITIONAL = ("est_time", "suite", "nightly", "disabled")
_KNOWN = {*_POSITIONAL, "stage", "runner_config"}
_REGISTER = re.compile(r"register_(\w+)_ci")
_VENDORS = {"cuda": NVIDIA, "amd": AMD, "cpu": "cpu"}
_GPUS = re.compile(r"(\d+)-gpu")
_MODEL = re.compile(r"\b(h\d{2,3}|b\d{3}|gb\d{3}|mi\d{2}x|5090|a10)\b")
_TEST_FILE = re.compile(r"#\s*TestFile\(\s*[\"']([^\"']+)[\"'][^)]*\),?\s*(?:#\s*(.*))?$")


def read(tree: Tree, release: Release, policy: Policy) -> CiDefinition:
    """One row for each registration, or each entry of the old lists; BadTree where the tree is not SGLang's."""
    if tree.is_folder(REGISTERED):
        return _registered(tree, release)
    if tree.has(OLD_SUITES):
        return CiDefinition("suites", tuple(_old_suites(tree, release)))
    raise BadTree(f"{tree.root} is not a tree of SGLang: it has neither {REGISTERED}/ nor {OLD_SUITES}")


Arguments = dict[str, object]
"""Literal arguments of a registration, by name."""


@dataclass(slots=True)
class _Live:
    """The suites that `run_suite.py` runs: per backend, those on every change, at night, and others."""

    per_commit: dict[str, set[str]] = field(default_factory=dict)
    nightly: dict[str, set[str]] = field(default_factory=dict)
    other: dict[str, set[str]] = field(default_factory=dict)


def _registered(tree: Tree, release: Release) -> CiDefinition:
    live = _live(tree)
    runners = _runners(tree)
    rows: list[StepRow] = []
    dead = 0
    odd: set[str] = set()
    for path in tree.below(REGISTERED, "*.py"):
        for backend, arguments in _registrations(tree, path):
            odd |= set(arguments) - _KNOWN
            row = _row(release, path, backend, arguments, live, runners)
            dead += row is None
            rows += [row] if row else []
    if odd and not rows:
        raise BadTree(f"{tree.root} has a layout newer than this paretoken supports: new are {', '.join(sorted(odd))}")
    notes = [f"{dead} registrations name a suite that {SUITES} does not list, and are not counted"] if dead else []
    notes += [f"arguments of registrations not known here: {', '.join(sorted(odd))}"] if odd else []
    return CiDefinition("registered", tuple(rows), tuple(notes))


def _registrations(tree: Tree, path: str) -> Iterator[tuple[str, Arguments]]:
    """Backend and literal arguments of each `register_…_ci(…)` at the top of a module."""
    module = tree.module(path)
    for node in module.body if module else []:
        call = node.value if isinstance(node, ast.Expr) else None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            continue
        if matched := _REGISTER.fullmatch(call.func.id):
            named = {k.arg: k.value for k in call.keywords if k.arg}
            arguments = dict(zip(_POSITIONAL, call.args, strict=False)) | named
            yield matched[1], {k: v.value for k, v in arguments.items() if isinstance(v, ast.Constant)}


def _row(
    release: Release, path: str, backend: str, arguments: Arguments, live: _Live, runners: dict[str, str]
) -> StepRow | None:
    staged = arguments.get("stage") and arguments.get("runner_config")
    suite = f"{arguments['stage']}-test-{arguments['runner_config']}" if staged else str(arguments.get("suite") or "")
    trigger = _trigger(suite, backend, arguments, live)
    if trigger is None:
        return None
    label = runners.get(str(arguments.get("runner_config")), suite)
    disabled = arguments.get("disabled")
    test = _TestFile(
        path=path,
        backend=backend,
        suite=suite,
        label=label,
        area=path.removeprefix(f"{REGISTERED}/").split("/")[0],
        est_s=_seconds(arguments.get("est_time")),
        trigger=trigger,
        disabled_reason=None if disabled is None else str(disabled),
    )
    return _step(release, test)


def _trigger(suite: str, backend: str, arguments: Arguments, live: _Live) -> str | None:
    """When the suite runs; None if no list has it, so that it never runs."""
    if arguments.get("nightly") or str(arguments.get("stage") or "").startswith("nightly"):
        names = live.nightly.get(backend, set())
        # CUDA says it in the stage's name, and lists it without the `-test-` between.
        return "nightly" if {suite, suite.replace("-test-", "-", 1)} & names else None
    if suite in live.per_commit.get(backend, set()):
        return "optin" if suite.startswith("extra-") else "gate"
    if suite in live.nightly.get(backend, set()):
        return "nightly"
    if suite in live.other.get(backend, set()):
        return "weekly" if suite.startswith("weekly") else "optin"
    return None


def _live(tree: Tree) -> _Live:
    module = tree.module(SUITES) if tree.has(SUITES) else None
    if module is None:
        raise BadTree(f"{tree.root} has {REGISTERED}/ but no readable {SUITES}, which lists what runs")
    live = _Live()
    names = {"PER_COMMIT_SUITES": live.per_commit, "NIGHTLY_SUITES": live.nightly, "OTHER_SUITES": live.other}
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id in names:
                    names[target.id].update(_suites(node.value))
    if not any(live.per_commit.values()):
        raise BadTree(
            f"{SUITES} has a layout newer than this paretoken supports: it lists no suites that run on a change"
        )
    return live


def _suites(node: ast.Dict) -> dict[str, set[str]]:
    suites = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Attribute) and isinstance(value, ast.List):
            suites[key.attr.lower()] = {str(e.value) for e in value.elts if isinstance(e, ast.Constant)}
    return suites


def _runners(tree: Tree) -> dict[str, str]:
    """What machine each `runner_config` is."""
    if not tree.has(RUNNERS):
        return {}
    document = safe_yaml.load(tree.text(RUNNERS), RUNNERS)
    configs = document.get("runner_configs") if isinstance(document, dict) else None
    if not isinstance(configs, dict):
        raise BadTree(f"{RUNNERS} has a layout newer than this paretoken supports: it has no runner_configs")
    machines = {k: str(v.get("runs_on", k)) for k, v in configs.items() if isinstance(v, dict)}
    return {k: k if v.startswith("$") else v for k, v in machines.items()}


def _old_suites(tree: Tree, release: Release) -> Iterator[StepRow]:
    module = tree.module(OLD_SUITES)
    if module is None:
        raise BadTree(f"{OLD_SUITES} cannot be parsed as Python")
    backends = {"suites": "cuda", "suite_amd": "amd", "suite_xeon": "cpu", "suite_ascend": "npu"}
    for node in module.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Dict):
            continue
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id in backends:
            yield from _old_entries(tree, release, backends[target.id], node.value)


def _old_entries(tree: Tree, release: Release, backend: str, node: ast.Dict) -> Iterator[StepRow]:
    for key, value in zip(node.keys, node.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(value, ast.List):
            continue
        suite = str(key.value)
        on = "amd" if backend == "cuda" and "amd" in suite else backend
        trigger = "nightly" if suite.startswith("nightly") else "gate" if suite.startswith("per-commit") else "optin"
        live: list[tuple[str, float | None, str | None]]
        live = [(*entry, None) for entry in map(_old_entry, value.elts) if entry]
        for name, seconds, reason in [*live, *((n, None, why) for n, why in _old_comments(tree, value))]:
            test = _TestFile(
                path=f"{OLD_FOLDER}/{name}",
                backend=on,
                suite=suite,
                label=suite,
                area=name.split("/")[0] if "/" in name else "srt",
                est_s=seconds,
                trigger=trigger,
                disabled_reason=reason,
            )
            yield _step(release, test)


def _old_entry(node: ast.expr) -> tuple[str, float | None] | None:
    """File and estimate of `TestFile("a.py", 60)`, or of a plain `"a.py"`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value, None
    values = [a.value for a in node.args if isinstance(a, ast.Constant)] if isinstance(node, ast.Call) else []
    return (str(values[0]), _seconds(values[1] if len(values) > 1 else None)) if values else None


def _old_comments(tree: Tree, node: ast.List) -> Iterator[tuple[str, str]]:
    """The entries of a list that are commented out, with the remark beside them."""
    for line in tree.text(OLD_SUITES).splitlines()[node.lineno : node.end_lineno]:
        if matched := _TEST_FILE.search(line):
            yield matched[1], matched[2] or "commented out, no reason given"


@dataclass(frozen=True, slots=True, kw_only=True)
class _TestFile:
    """One test file in one suite."""

    path: str
    backend: str
    suite: str
    label: str
    area: str
    est_s: float | None
    trigger: str
    disabled_reason: str | None


def _step(release: Release, test: _TestFile) -> StepRow:
    vendor = _VENDORS.get(test.backend, "other")
    gpus = _GPUS.search(test.suite)
    return StepRow(
        engine="sglang",
        snapshot_commit=release.commit,
        snapshot_date=release.date,
        source_file=test.path,
        key=test.path,
        label=test.suite,
        area=test.area,
        vendor=vendor,
        device_label=test.label,
        gpu_model=_gpu_model(test.label, test.suite, vendor),
        gpus=0 if vendor == "cpu" else int(gpus[1]) if gpus else 1,
        shards=1,
        est_s=test.est_s,
        trigger=test.trigger,
        blocking="soft" if "nondeterministic" in test.suite else "hard",
        disabled_reason=test.disabled_reason,
        files=(test.path,),
        unresolved=(),
    )


def _gpu_model(label: str, suite: str, vendor: str) -> str:
    for text in (label, suite):
        if matched := _MODEL.search(text.lower().replace("-", " ")):
            return device(matched[1]).gpu_model if vendor == NVIDIA else matched[1].upper()
    return {NVIDIA: "NVIDIA, model not said", AMD: "AMD, model not said", "cpu": "CPU"}.get(vendor, "other")


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
