"""How far one software ecosystem is behind another: CI coverage, and whether a fast server gives the right tokens.

Names load on first use: reading a source tree needs none of what the accuracy gate computes with.
"""

from paretoken.lazy import lazy

_WHERE = {
    "BY": "coverage.measure",
    "Coverage": "coverage.measure",
    "Diff": "coverage.diff",
    "Entry": "coverage.history",
    "FAIL": "accuracy.verdicts",
    "Gate": "accuracy.gate",
    "History": "coverage.history",
    "NA": "accuracy.verdicts",
    "Overview": "overview",
    "PASS": "accuracy.verdicts",
    "Part": "coverage.history",
    "READERS": "coverage.readers",
    "Results": "coverage.junit",
    "Row": "coverage.rows",
    "Scan": "coverage.rows",
    "Snapshot": "coverage.rows",
    "Verdict": "accuracy.verdicts",
    "diff": "coverage.diff",
    "gate_of_run": "accuracy.gate",
    "history": "coverage.history",
    "measure_coverage": "coverage.measure",
    "overview_of": "overview",
    "read_gate": "accuracy.gate",
    "read_history": "coverage.history",
    "read_scan": "coverage.rows",
    "results": "coverage.junit",
    "scan": "coverage.scan",
    "shipped_history": "coverage.history",
    "write_history": "coverage.history",
    "write_scan": "coverage.rows",
}

__all__ = sorted(_WHERE)  # noqa: PLE0605

__getattr__, __dir__ = lazy(__name__, _WHERE)
