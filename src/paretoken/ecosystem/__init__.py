"""How far one software ecosystem is behind another: CI coverage, and whether a fast server gives the right tokens."""

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

__all__ = [
    "BY", "READERS", "Coverage", "Diff", "Entry", "History", "Part", "Results", "Row", "Scan", "Snapshot", "diff",
    "history", "measure_coverage", "read_history", "read_scan", "results", "scan", "shipped_history", "write_history",
    "write_scan",
]  # fmt: skip
