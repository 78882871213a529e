"""How far one software ecosystem is behind another: CI coverage, and whether a fast server gives the right tokens."""

from paretoken.ecosystem.accuracy.gate import Gate, gate_of_run, read_gate
from paretoken.ecosystem.accuracy.verdicts import FAIL, NA, PASS, Verdict
from paretoken.ecosystem.coverage.diff import Diff, diff
from paretoken.ecosystem.coverage.history import (
    Entry,
    History,
    Part,
    history,
    read_history,
    shipped_history,
    write_history,
)
from paretoken.ecosystem.coverage.junit import Results, results
from paretoken.ecosystem.coverage.measure import BY, Coverage, measure_coverage
from paretoken.ecosystem.coverage.readers import READERS
from paretoken.ecosystem.coverage.rows import Row, Scan, Snapshot, read_scan, write_scan
from paretoken.ecosystem.coverage.scan import scan
from paretoken.ecosystem.overview import Overview, overview_of

__all__ = [
    "BY", "FAIL", "NA", "PASS", "READERS", "Coverage", "Diff", "Entry", "Gate", "History", "Overview", "Part",
    "Results", "Row", "Scan", "Snapshot", "Verdict", "diff", "gate_of_run", "history", "measure_coverage", "overview_of", "read_gate",
    "read_history", "read_scan", "results", "scan", "shipped_history", "write_history", "write_scan",
]  # fmt: skip
