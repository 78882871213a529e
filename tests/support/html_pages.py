"""The pages of reports as files."""

from __future__ import annotations

import json
import re
from pathlib import Path

from paretoken.report.run.page import render_runs
from paretoken.report.run.reading import read_runs


def page_of(*runs: Path) -> str:
    """The page of measured runs."""
    return render_runs(read_runs(runs))


def without_plotly(page: str) -> str:
    """What the project itself wrote of a page."""
    return page[: page.rindex("<script>//# allFunctionsCalledOnLoad")]


def data_of(page: str) -> dict:
    """The data that the scripts of a page read."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S).group(1))
