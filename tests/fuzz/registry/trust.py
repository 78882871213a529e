"""Files of the accuracy gate and of CI coverage."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path

import orjson

from paretoken.accuracy.gate_file import Gate, attach, read_gate, write_gate
from paretoken.accuracy.lm_eval import read_samples
from paretoken.accuracy.reference import Reference, ReferenceKey, ScoredSample, read_reference, write_reference
from paretoken.accuracy.verdicts import TierVerdict
from paretoken.cli.trust.parity import diff_, overview_, table
from paretoken.cli.trust.parity_tables import show_remarks
from paretoken.parity.history import history, read_history, write_history
from paretoken.parity.junit import results
from paretoken.parity.policy import load_policy
from paretoken.parity.rows import read_scan, write_scan
from paretoken.parity.scan import scan
from paretoken.report.coverage import coverage_chart, reasons
from tests.fuzz.reader import Files, FuzzedReader
from tests.fuzz.registry.runs import files_below, report, run_files
from tests.support.trees import DATE, VLLM, write_tree

VERDICTS = (
    TierVerdict("T0", "pass", "", {"logprobs": True}),
    TierVerdict("T2", "pass", "", {"decode": {"k3": 1e-4}, "prompts": 8}),
    TierVerdict("T3", "fail", "k3 of 0.2", {"k3": {"mean": 0.2, "low": 0.1, "high": 0.3}, "flips": 0.1}),
)


def gate_files() -> Files:
    with tempfile.TemporaryDirectory() as place:
        write_gate(
            Gate(model="m", engine="vllm", endpoint="h/v1", made="2026-11-01", tiers=VERDICTS),
            Path(place) / "gate.json",
        )
        return {**run_files(), **files_below(Path(place)), "other/run.json": b"{}"}


def gate(place: Path) -> None:
    _printed(lambda: overview_.callback(None, (place / "gate.json",), False))  # type: ignore[misc]
    _printed(lambda: overview_.callback(None, (place / "gate.json",), True))  # type: ignore[misc]
    report(place)
    attach(place / "gate.json", place / "other")
    write_gate(read_gate(place / "gate.json"), place / "gate.json")


def reference_files() -> Files:
    samples = (ScoredSample((1, 2), (3, 4), (-0.1, -0.2), ({3: -0.1, 5: -2.0}, {4: -0.2})),)
    tasks = {"copy": (True, False, True)}
    with tempfile.TemporaryDirectory() as place:
        write_reference(
            Reference(key=ReferenceKey("m"), engine="vllm", made="2026-11-01", samples=samples, tasks=tasks),
            Path(place) / "reference.json",
        )
        return files_below(Path(place))


def reference(place: Path) -> None:
    write_reference(read_reference(place / "reference.json"), place / "again.json")


def lm_eval_files() -> Files:
    rows = ({"doc_id": n, "filter": "strict", "exact_match": float(n % 2), "arguments": {}} for n in range(3))
    return {"m/samples_gsm8k_2026.jsonl": b"\n".join(map(orjson.dumps, rows))}


def scan_files() -> Files:
    with tempfile.TemporaryDirectory() as place:
        tree = write_tree(Path(place) / "tree", VLLM)
        write_scan(scan("vllm", tree, date=DATE), Path(place) / "rows.jsonl")
        return {"rows.jsonl": (Path(place) / "rows.jsonl").read_bytes()}


def scanned(place: Path) -> None:
    rows = place / "rows.jsonl"
    for by in (None, "area", "subject"):
        _printed(lambda by=by: table.callback(rows, by, True, False))  # type: ignore[misc]
    _printed(lambda: table.callback(rows, None, False, True))  # type: ignore[misc]
    _printed(lambda: diff_.callback(rows, rows, False))  # type: ignore[misc]
    scanned = read_scan(rows)
    write_history(history([scanned], made=DATE, source="x"), place / "history.json")
    read_history(place / "history.json")


def history_files() -> Files:
    with tempfile.TemporaryDirectory() as place:
        tree = write_tree(Path(place) / "tree", VLLM)
        write_history(history([scan("vllm", tree, date=DATE)], made=DATE, source="x"), Path(place) / "history.json")
        return {"history.json": (Path(place) / "history.json").read_bytes()}


def coverage(place: Path) -> None:
    file = place / "history.json"
    _printed(lambda: overview_.callback(file, (), False))  # type: ignore[misc]
    _printed(lambda: overview_.callback(file, (), True))  # type: ignore[misc]
    series = read_history(file)
    _printed(lambda: show_remarks(series))
    coverage_chart(series.entries)
    for entry in series.entries:
        reasons(entry)


def _printed(command: Callable[[], object]) -> None:
    with redirect_stdout(TextIOWrapper(BytesIO(), encoding="utf-8")):
        command()


JUNIT = b"""<?xml version="1.0"?><testsuites><testsuite name="pytest" tests="2">
<testcase classname="tests.kernels.test_a" name="a" time="0.1"/>
<testcase classname="tests.kernels.test_a" name="b"><skipped message="no"/></testcase>
<testcase classname="tests.models.test_m" name="c"><failure>&lt;x&gt;</failure></testcase>
</testsuite></testsuites>
"""
POLICY = b"""
[[rule]]
engine = "vllm"
list = "amd-list"
blocking = "soft"
since = "2026-01-01"
until = "2026-12-31"
source = "x"
"""

READERS = (
    FuzzedReader("gate", gate_files, gate, ("^gate.json",), cost=6),
    FuzzedReader("reference", reference_files, reference),
    FuzzedReader("samples of lm-eval", lm_eval_files, lambda place: read_samples(place, "gsm8k")),
    FuzzedReader("scan rows", scan_files, scanned),
    FuzzedReader("coverage history", history_files, coverage),
    FuzzedReader(
        "JUnit", lambda: {"a.xml": JUNIT, "b.xml": JUNIT}, lambda place: results(place / "a.xml", place / "b.xml")
    ),
    FuzzedReader(
        "policy", lambda: {"p.toml": POLICY}, lambda place: load_policy("vllm", "2026-06-01", place / "p.toml")
    ),
)
