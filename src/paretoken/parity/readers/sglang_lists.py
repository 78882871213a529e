"""SGLang's CI before registrations: dicts of test files by suite in `test/srt/run_suite.py`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from paretoken.errors import BadTree
from paretoken.parity.readers.sglang_steps import SuiteEntry, suite_step
from paretoken.parity.readers.shapes import literal, seconds
from paretoken.parity.readers.workflows import SuiteRun
from paretoken.parity.release import Release
from paretoken.parity.rows import StepRow
from paretoken.parity.tree import Tree

LISTS, FOLDER = "test/srt/run_suite.py", "test/srt"
_BACKENDS = {"suites": "cuda", "suite_amd": "amd", "suite_xeon": "cpu", "suite_ascend": "npu"}
_NOT_IN_CI = "__not_in_ci__"
_TEST_FILE = re.compile(r"#\s*TestFile\(\s*[\"']([^\"']+)[\"'][^)]*\),?\s*(?:#\s*(.*))?$")


def listed_steps(tree: Tree, release: Release, runs: Mapping[SuiteRun, str]) -> list[StepRow]:
    """One row for each entry of each list. Without workflows, a suite's name tells when it runs."""
    module = tree.module(LISTS)
    if module is None:
        raise BadTree(f"{LISTS} cannot be parsed as Python")
    rows: list[StepRow] = []
    for node in module.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Dict):
            continue
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id in _BACKENDS:
            rows += _dict_steps(tree, release, _BACKENDS[target.id], node.value, runs)
    return rows


def _dict_steps(
    tree: Tree, release: Release, backend: str, node: ast.Dict, runs: Mapping[SuiteRun, str]
) -> Iterator[StepRow]:
    for key, value in zip(node.keys, node.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(value, ast.List):
            continue
        suite = str(literal(key))
        off = "listed as not in CI" if suite == _NOT_IN_CI else None
        entries = [(*entry, off) for entry in map(_entry, value.elts) if entry]
        for name, est_s, reason in [*entries, *((n, None, why) for n, why in _commented(tree, value))]:
            test = SuiteEntry(
                path=f"{FOLDER}/{name}",
                backend="amd" if backend == "cuda" and "amd" in suite else backend,
                suite=suite,
                label=suite,
                area=name.split("/")[0] if "/" in name else "srt",
                est_s=est_s,
                trigger=_trigger(suite, runs),
                disabled_reason=reason,
            )
            yield suite_step(release, test)


def _trigger(suite: str, runs: Mapping[SuiteRun, str]) -> str:
    """When a suite runs: what the workflows say, which name every suite of this script literally."""
    if runs:
        return runs.get(SuiteRun("run_suite", "", suite), "unknown")
    return "nightly" if suite.startswith("nightly") else "gate" if suite.startswith("per-commit") else "optin"


def _entry(node: ast.expr) -> tuple[str, float | None] | None:
    """File and estimate of `TestFile("a.py", 60)`, or of a plain `"a.py"`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value, None
    values = [literal(a) for a in node.args if isinstance(a, ast.Constant)] if isinstance(node, ast.Call) else []
    return (str(values[0]), seconds(values[1] if len(values) > 1 else None)) if values else None


def _commented(tree: Tree, node: ast.List) -> Iterator[tuple[str, str]]:
    """The entries of a list that are commented out, with the remark beside them."""
    for line in tree.text(LISTS).splitlines()[node.lineno : node.end_lineno]:
        if matched := _TEST_FILE.search(line):
            yield matched[1], matched[2] or "commented out, no reason given"
