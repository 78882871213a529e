"""SGLang: tests that register themselves, and the lists by suite that came before; a tree may hold both."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from paretoken.errors import BadTree
from paretoken.parity.definition import CiDefinition
from paretoken.parity.policy import Policy
from paretoken.parity.readers.sglang_lists import LISTS, listed_steps
from paretoken.parity.readers.sglang_steps import SuiteEntry, suite_step
from paretoken.parity.readers.shapes import literal, seconds
from paretoken.parity.readers.workflows import SuiteRun, suite_runs
from paretoken.parity.release import Release
from paretoken.parity.rows import AMD, NVIDIA, VENDORS, StepRow
from paretoken.parity.tree import Tree
from paretoken.plain_files import load_yaml

REGISTERED, SUITES, RUNNERS = "test/registered", "test/run_suite.py", "scripts/ci/runner_configs.yml"
FOLDERS = (REGISTERED, "test/nightly", "python/sglang/jit_kernel")
"""Where `run_suite.py` looks for registrations, or looked before they moved to the first."""

_POSITIONAL = ("est_time", "suite", "nightly", "disabled")
_KNOWN = {*_POSITIONAL, "stage", "runner_config"}
_REGISTER = re.compile(r"register_(\w+)_ci")


def read(tree: Tree, release: Release, policy: Policy) -> CiDefinition:
    """One row for each registration and each entry of the lists; BadTree where the tree is not SGLang's."""
    registers, lists = tree.is_folder(REGISTERED), tree.has(LISTS)
    if not registers and not lists:
        raise BadTree(f"{tree.root} is not a tree of SGLang: it has neither {REGISTERED}/ nor {LISTS}")
    runs, unreadable = suite_runs(tree)
    notes = [f"workflow {file} cannot be read; its suites count as unknown" for file in unreadable]
    listed = listed_steps(tree, release, runs) if lists else []
    if not registers:
        return CiDefinition("suites", tuple(listed), (*notes, *_unknown(listed)))
    rows = _registered(tree, release, runs, notes)
    moving = any(r.vendor in VENDORS and r.live for r in listed)
    if moving:
        notes.insert(0, f"two layouts: {_by_vendor(rows)} in registrations, {_by_vendor(listed)} in {LISTS}")
    rows += listed
    return CiDefinition("registered+suites" if moving else "registered", tuple(rows), (*notes, *_unknown(rows)))


def _by_vendor(rows: Iterable[StepRow]) -> str:
    count = Counter(r.vendor for r in rows if r.live)
    return f"{count[NVIDIA]} NVIDIA and {count[AMD]} AMD steps"


def _unknown(rows: Iterable[StepRow]) -> list[str]:
    unknown = [r for r in rows if r.live and r.trigger == "unknown" and r.vendor in VENDORS]
    return [f"{_by_vendor(unknown)} are in suites that nothing runs as far as the tree shows"] if unknown else []


Arguments = dict[str, object]
"""Literal arguments of a registration, by name."""


@dataclass(slots=True)
class _Live:
    """The suites that `run_suite.py` runs: per backend, those on every change, at night, and others."""

    per_commit: dict[str, set[str]] = field(default_factory=dict)
    nightly: dict[str, set[str]] = field(default_factory=dict)
    other: dict[str, set[str]] = field(default_factory=dict)


def _registered(tree: Tree, release: Release, runs: Mapping[SuiteRun, str], notes: list[str]) -> list[StepRow]:
    live = _live(tree)
    runners = _runners(tree)
    rows: list[StepRow] = []
    odd: set[str] = set()
    for path in (file for folder in FOLDERS for file in tree.below(folder, "*.py")):
        for backend, arguments in _registrations(tree, path):
            odd |= set(arguments) - _KNOWN
            rows.append(_row(release, path, backend, arguments, live, runs, runners))
    if odd and all(r.trigger == "unknown" for r in rows):
        raise BadTree(f"{tree.root} has a layout newer than this paretoken supports: new are {', '.join(sorted(odd))}")
    if odd:
        notes.append(f"arguments of registrations that are not supported: {', '.join(sorted(odd))}")
    return rows


def _registrations(tree: Tree, path: str) -> Iterator[tuple[str, Arguments]]:
    """Backend and literal arguments of each `register_…_ci(…)` at the top of a module."""
    module = tree.module(path) if "_ci(" in tree.text(path) else None
    for node in module.body if module else []:
        call = node.value if isinstance(node, ast.Expr) else None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            continue
        if matched := _REGISTER.fullmatch(call.func.id):
            named = {k.arg: k.value for k in call.keywords if k.arg}
            arguments = dict(zip(_POSITIONAL, call.args, strict=False)) | named
            yield matched[1], {k: literal(v) for k, v in arguments.items() if isinstance(v, ast.Constant)}


def _row(
    release: Release,
    path: str,
    backend: str,
    arguments: Arguments,
    live: _Live,
    runs: Mapping[SuiteRun, str],
    runners: dict[str, str],
) -> StepRow:
    staged = arguments.get("stage") and arguments.get("runner_config")
    suite = f"{arguments['stage']}-test-{arguments['runner_config']}" if staged else str(arguments.get("suite") or "")
    in_workflow = runs.get(SuiteRun("run_suite", backend, suite, bool(arguments.get("nightly"))), "unknown")
    disabled = arguments.get("disabled")
    test = SuiteEntry(
        path=path,
        backend=backend,
        suite=suite,
        label=runners.get(str(arguments.get("runner_config")), suite),
        area=_area(path),
        est_s=seconds(arguments.get("est_time")),
        trigger=_listed_trigger(suite, backend, arguments, live) or in_workflow,
        disabled_reason=None if disabled is None else str(disabled),
    )
    return suite_step(release, test)


def _area(path: str) -> str:
    """The folder of a test below the one that holds registrations, or that one's name."""
    folder = next(f for f in FOLDERS if path.startswith(f"{f}/"))
    return path.removeprefix(f"{folder}/").split("/")[0] if folder == REGISTERED else folder.rpartition("/")[2]


def _listed_trigger(suite: str, backend: str, arguments: Arguments, live: _Live) -> str | None:
    """When `run_suite.py` lists the suite to run; None if it does not list it, as for most of AMD's nightly ones."""
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
            suites[key.attr.lower()] = {str(literal(e)) for e in value.elts if isinstance(e, ast.Constant)}
    return suites


def _runners(tree: Tree) -> dict[str, str]:
    """What machine each `runner_config` is."""
    if not tree.has(RUNNERS):
        return {}
    document = load_yaml(tree.text(RUNNERS), RUNNERS, BadTree)
    configs = document.get("runner_configs") if isinstance(document, dict) else None
    if not isinstance(configs, dict):
        raise BadTree(f"{RUNNERS} has a layout newer than this paretoken supports: it has no runner_configs")
    machines = {str(k): str(v.get("runs_on", k)) for k, v in configs.items() if isinstance(v, dict)}
    return {k: k if v.startswith("$") else v for k, v in machines.items()}
