"""The report of live runs: a page for one or several, and a table to paste into an issue."""

from paretoken.report.run.page import render_runs, write_page
from paretoken.report.run.reading import MeasuredRun, read_run, read_runs
from paretoken.report.run.share import share

__all__ = ["MeasuredRun", "read_run", "read_runs", "render_runs", "share", "write_page"]
