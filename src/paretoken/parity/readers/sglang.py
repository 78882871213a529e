"""SGLang: tests that register themselves (`test/registered/`), before that dicts in `test/srt/run_suite.py`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from paretoken.errors import BadTree
from paretoken.parity import safe_yaml
from paretoken.parity.about import About
from paretoken.parity.devices import device
from paretoken.parity.found import Found
from paretoken.parity.policy import Policy
from paretoken.parity.rows import AMD, NVIDIA, Row
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


def read(tree: Tree, about: About, policy: Policy) -> Found:
    """One row for each registration, or each entry of the old lists; BadTree where the tree is not SGLang's."""
    if tree.is_folder(REGISTERED):
        return _registered(tree, about)
    if tree.has(OLD_SUITES):
        return Found("suites", tuple(_old_suites(tree, about)))
    raise BadTree(f"{tree.root} is no tree of SGLang: it has neither {REGISTERED}/ nor {OLD_SUITES}")


@dataclass(slots=True)
class _Live:
    """The suites that `run_suite.py` runs: per backend, those on every change, at night, and others."""

    per_commit: dict[str, set[str]] = field(default_factory=dict)
    nightly: dict[str, set[str]] = field(default_factory=dict)
    other: dict[str, set[str]] = field(default_factory=dict)


def _registered(tree: Tree, about: About) -> Found:
    live = _live(tree)
    runners = _runners(tree)
    rows: list[Row] = []
    dead, odd = 0, set()
    for path in tree.below(REGISTERED, "*.py"):
        for backend, given in _registrations(tree, path):
            odd |= set(given) - _KNOWN
            row = _row(about, path, backend, given, live, runners)
            dead += row is None
            rows += [row] if row else []
    if odd and not rows:
        raise BadTree(f"{tree.root} has a layout newer than this paretoken knows: new are {', '.join(sorted(odd))}")
    notes = [f"{dead} registrations name a suite that {SUITES} does not list, and are not counted"] if dead else []
    notes += [f"arguments of registrations not known here: {', '.join(sorted(odd))}"] if odd else []
    return Found("registered", tuple(rows), tuple(notes))


def _registrations(tree: Tree, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Backend and literal arguments of each `register_…_ci(…)` at the top of a module."""
    module = tree.module(path)
    for node in module.body if module else []:
        call = node.value if isinstance(node, ast.Expr) else None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            continue
        if found := _REGISTER.fullmatch(call.func.id):
            named = {k.arg: k.value for k in call.keywords if k.arg}
            given = dict(zip(_POSITIONAL, call.args, strict=False)) | named
            yield found[1], {k: v.value for k, v in given.items() if isinstance(v, ast.Constant)}


def _row(about: About, path: str, backend: str, given: dict, live: _Live, runners: dict[str, str]) -> Row | None:
    staged = given.get("stage") and given.get("runner_config")
    suite = f"{given['stage']}-test-{given['runner_config']}" if staged else str(given.get("suite") or "")
    trigger = _trigger(suite, backend, given, live)
    if trigger is None:
        return None
    label = runners.get(str(given.get("runner_config")), suite)
    disabled = given.get("disabled")
    return _made(
        about,
        path,
        backend,
        suite,
        label,
        _seconds(given.get("est_time")),
        trigger,
        None if disabled is None else str(disabled),
        (path,),
        path.removeprefix(f"{REGISTERED}/").split("/")[0],
    )


def _trigger(suite: str, backend: str, given: dict, live: _Live) -> str | None:
    """When the suite runs; None where no list holds it, so that it never does."""
    if given.get("nightly") or str(given.get("stage") or "").startswith("nightly"):
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
        raise BadTree(f"{tree.root} has {REGISTERED}/ and no readable {SUITES}, which says what of it runs")
    live = _Live()
    names = {"PER_COMMIT_SUITES": live.per_commit, "NIGHTLY_SUITES": live.nightly, "OTHER_SUITES": live.other}
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id in names:
                    names[target.id].update(_suites(node.value))
    if not any(live.per_commit.values()):
        raise BadTree(f"{SUITES} has a layout newer than this paretoken knows: it lists no suites that run on a change")
    return live


def _suites(node: ast.Dict) -> dict[str, set[str]]:
    found = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Attribute) and isinstance(value, ast.List):
            found[key.attr.lower()] = {e.value for e in value.elts if isinstance(e, ast.Constant)}
    return found


def _runners(tree: Tree) -> dict[str, str]:
    """What machine each `runner_config` is."""
    if not tree.has(RUNNERS):
        return {}
    document = safe_yaml.load(tree.text(RUNNERS), RUNNERS)
    configs = document.get("runner_configs") if isinstance(document, dict) else None
    if not isinstance(configs, dict):
        raise BadTree(f"{RUNNERS} has a layout newer than this paretoken knows: it holds no runner_configs")
    known = {k: str(v.get("runs_on", k)) for k, v in configs.items() if isinstance(v, dict)}
    return {k: k if v.startswith("$") else v for k, v in known.items()}


def _old_suites(tree: Tree, about: About) -> Iterator[Row]:
    module = tree.module(OLD_SUITES)
    if module is None:
        raise BadTree(f"{OLD_SUITES} cannot be parsed as Python")
    backends = {"suites": "cuda", "suite_amd": "amd", "suite_xeon": "cpu", "suite_ascend": "npu"}
    for node in module.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(target, ast.Name) and target.id in backends and isinstance(node.value, ast.Dict):
            yield from _old_entries(tree, about, backends[target.id], node.value)


def _old_entries(tree: Tree, about: About, backend: str, node: ast.Dict) -> Iterator[Row]:
    for key, value in zip(node.keys, node.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(value, ast.List):
            continue
        suite = str(key.value)
        on = "amd" if backend == "cuda" and "amd" in suite else backend
        trigger = "nightly" if suite.startswith("nightly") else "gate" if suite.startswith("per-commit") else "optin"
        live = [(*found, None) for found in map(_old_entry, value.elts) if found]
        for name, seconds, reason in [*live, *((n, None, why) for n, why in _old_comments(tree, value))]:
            path, area = f"{OLD_FOLDER}/{name}", name.split("/")[0] if "/" in name else "srt"
            yield _made(about, path, on, suite, suite, seconds, trigger, reason, (path,), area)


def _old_entry(node: ast.expr) -> tuple[str, float | None] | None:
    """File and estimate of `TestFile("a.py", 60)`, or of a plain `"a.py"`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value, None
    values = [a.value for a in node.args if isinstance(a, ast.Constant)] if isinstance(node, ast.Call) else []
    return (str(values[0]), _seconds(values[1] if len(values) > 1 else None)) if values else None


def _old_comments(tree: Tree, node: ast.List) -> Iterator[tuple[str, str]]:
    """The entries of a list that stand in comments, with what is said beside them."""
    for line in tree.text(OLD_SUITES).splitlines()[node.lineno : node.end_lineno]:
        if found := _TEST_FILE.search(line):
            yield found[1], found[2] or "commented out, no reason given"


def _made(
    about: About,
    path: str,
    backend: str,
    suite: str,
    label: str,
    est_s: float | None,
    trigger: str,
    disabled: str | None,
    files: tuple[str, ...],
    area: str,
) -> Row:
    vendor = _VENDORS.get(backend, "other")
    gpus = _GPUS.search(suite)
    return Row(
        engine="sglang",
        snapshot_commit=about.commit,
        snapshot_date=about.date,
        source_file=path,
        key=path,
        label=suite,
        area=area,
        vendor=vendor,
        device_label=label,
        gpu_model=_gpu_model(label, suite, vendor),
        gpus=0 if vendor == "cpu" else int(gpus[1]) if gpus else 1,
        shards=1,
        est_s=est_s,
        trigger=trigger,
        blocking="soft" if "nondeterministic" in suite else "hard",
        disabled_reason=disabled,
        files=files,
        unresolved=(),
    )


def _gpu_model(label: str, suite: str, vendor: str) -> str:
    for text in (label, suite):
        if found := _MODEL.search(text.lower().replace("-", " ")):
            return device(found[1]).gpu_model if vendor == NVIDIA else found[1].upper()
    return {NVIDIA: "NVIDIA, model not said", AMD: "AMD, model not said", "cpu": "CPU"}.get(vendor, "other")


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
