"""The pages of reports as files."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from pathlib import Path
from zlib import decompress

from paretoken.report.page import chart_library
from paretoken.report.run.page import render_runs
from paretoken.report.run.reading import read_runs


def page_of(*runs: Path) -> str:
    """The page of measured runs."""
    return render_runs(read_runs(runs))


def without_library(page: str) -> str:
    """A page without the chart library in it: what the project itself wrote."""
    return page.replace(chart_library(), "")


def data_of(page: str) -> dict:
    """The data that the scripts of a page read."""
    island = re.search(r'<script type="text/plain" id="data">(.*?)</script>', page, re.S).group(1)
    return json.loads(decompress(b64decode(island)))


def section_of(page: str, name: str) -> str:
    """A folded section of the study's page."""
    return re.search(rf'<details id="{name}".*?(?=\n<details id="|\n</section>|\n</main>)', page, re.S)[0]
