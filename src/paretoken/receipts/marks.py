"""The points of a verified run marked."""

from __future__ import annotations

from pathlib import Path

from paretoken.bench.run_folder import POINTS
from paretoken.points.files import read_points
from paretoken.points.receipt_marks import write_mark
from paretoken.receipts.verify import RunVerification


def mark_run(result: RunVerification, run: Path) -> int:
    """Mark the points of a run, repeats together and alone; their number, 0 where the run is not verified."""
    if result.verdict != "verified" or result.hashes.receipt is None:
        return 0
    points = [summary.point for summary in result.summaries if not summary.failed]
    merged = read_points(run / POINTS)[0].to_dicts() if (run / POINTS).is_file() else []
    write_mark(result.hashes.receipt, [*merged, *points], run=Path(result.run).name, by=result.recomputed_by)
    return len(merged)
