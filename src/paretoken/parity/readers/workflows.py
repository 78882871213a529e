"""GitHub workflow files: on which events they run, and which suites of `run_suite.py` their steps name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from paretoken.errors import BadTree
from paretoken.parity.tree import Tree
from paretoken.plain_files import load_yaml

FOLDER = ".github/workflows"
TRIGGERS = ("gate", "nightly", "weekly", "optin")
"""When a workflow runs, the strongest first."""

# The suites of image and video generation have a script of the same name, and are another product.
_RUN = re.compile(r"(?<!multimodal_gen/test/)\b(run_suite\w*)\.py\b([^|;&\n]*)")
_EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.S)
_COMMENT = re.compile(r"^\s*#.*$", re.M)
_SUITE = re.compile(r"--suite[ =]+[\"']?([^\s\"']+)")
_HARDWARE = re.compile(r"--hw[ =]+[\"']?(\w+)")
_NIGHTLY = re.compile(r"--nightly\b")


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """A command `SCRIPT.py --suite SUITE`; `hardware` is empty where it has no `--hw`."""

    script: str
    hardware: str
    suite: str
    nightly: bool = False


def suite_runs(tree: Tree) -> tuple[dict[SuiteRun, str], list[str]]:
    """When each suite runs that a workflow names literally, and the workflow files that cannot be read."""
    runs: dict[SuiteRun, str] = {}
    unreadable: list[str] = []
    for file in tree.matching(f"{FOLDER}/*.y*ml"):
        text = tree.text(file)
        if "run_suite" not in text:
            continue
        try:
            document = load_yaml(text, file, BadTree)
        except BadTree:
            unreadable.append(file)
            continue
        trigger = event_trigger(document)
        for run in _runs(document) if trigger else ():
            runs[run] = min(trigger, runs.get(run, trigger), key=TRIGGERS.index)
    return runs, unreadable


def event_trigger(document: object) -> str:
    """When a workflow runs by its events; empty where only another workflow calls it."""
    # YAML 1.1 reads the key `on` as true.
    on = document.get("on", document.get(True)) if isinstance(document, dict) else None
    events = {e for e in on if isinstance(e, str)} if isinstance(on, dict | list) else {on}
    if events & {"pull_request", "pull_request_target", "merge_group"}:
        return "gate"
    if "schedule" in events:
        return "weekly" if isinstance(on, dict) and _weekly(on["schedule"]) else "nightly"
    return "optin" if events - {"workflow_call", None} else ""


def _weekly(schedule: object) -> bool:
    """Whether every cron entry runs on one day of the week."""
    entries = schedule if isinstance(schedule, list) else []
    days = [str(e.get("cron", "")).split()[4:] for e in entries if isinstance(e, dict)]
    return bool(days) and all(len(d) == 1 and d[0].isalnum() for d in days)


def _runs(document: object) -> Iterator[SuiteRun]:
    for command in _commands(document):
        plain = _COMMENT.sub("", _EXPRESSION.sub("$", command).replace("\\\n", " "))
        for script, arguments in _RUN.findall(plain):
            suite, hardware = _SUITE.search(arguments), _HARDWARE.search(arguments)
            if suite and "$" not in suite[1]:
                yield SuiteRun(script, hardware[1] if hardware else "", suite[1], bool(_NIGHTLY.search(arguments)))


def _commands(document: object) -> Iterator[str]:
    jobs = document.get("jobs") if isinstance(document, dict) else None
    for job in jobs.values() if isinstance(jobs, dict) else ():
        steps = job.get("steps") if isinstance(job, Mapping) and job.get("if") is not False else None
        for step in steps if isinstance(steps, list) else ():
            run = step.get("run") if isinstance(step, dict) else None
            if isinstance(run, str):
                yield run
