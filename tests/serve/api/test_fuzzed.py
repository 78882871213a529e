"""Schemathesis: whatever is asked, the API answers as its OpenAPI document says, and never fails."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import orjson
import pytest

from paretoken.answers.registry import VERBS
from paretoken.serve.examples import EXAMPLES
from paretoken.serve.runs.pages import PAGES
from paretoken.serve.workers.job_names import SLOW

pytestmark = pytest.mark.slow
LISTED = ("runs", "points", "live")
"""What a served folder holds."""
CHEAP = ("fit", "rent", "rent-history", "rent-market", "frontier")
"""Answered in some ten milliseconds each."""
UNFIT = ("positive_data_acceptance",)
"""A question of the right form may still name a model that there is not."""


@pytest.fixture
def document(server: tuple[str, Path]) -> str:
    return f"{server[0]}api/v1/openapi.json"


def fuzz(document: str, folder: Path, *words: str) -> int:
    """How many requests were made; fails with what schemathesis found."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", document, "--wait-for-schema", "60", "--seed", "1"),
        *("--request-timeout", "60", "--exclude-checks", ",".join(UNFIT), "--suppress-health-check", "all"),
        *("--no-shrink", *words),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    made = re.search(r"(\d+) generated", done.stdout)
    assert done.returncode == 0 and made, done.stdout[-6000:]
    return int(made[1])


def read(url: str) -> dict:
    with urlopen(url, timeout=60) as reply:
        return orjson.loads(reply.read())


def test_cheap_verbs_withstand_generated_questions(document, tmp_path):
    paths = [word for verb in (*CHEAP, *LISTED) for word in ("--include-path", f"/api/v1/{verb}")]
    assert fuzz(document, tmp_path, "--phases", "fuzzing", "-n", "12", *paths) >= 12 * len(CHEAP)


def test_every_quick_verb_answers_its_example(document, tmp_path):
    paths = [word for verb in SLOW for word in ("--exclude-path", f"/api/v1/{verb}")]
    assert fuzz(document, tmp_path, "--phases", "examples", *paths) >= len(set(EXAMPLES) - SLOW)


def test_the_document_names_every_verb(document):
    described = read(document)
    assert described["openapi"] == "3.1.0"
    asking = {f"/api/v1/{name}" for name, verb in VERBS.items() if not verb.writes_files}
    listing = {path for path, methods in described["paths"].items() if "get" in methods}
    assert set(described["paths"]) == {*listing, *asking} and len(listing) == 1 + len(PAGES)
    assert {verb["path"] for verb in read(document.removesuffix("openapi.json"))["verbs"]} == asking
    assert all(method["summary"] for methods in described["paths"].values() for method in methods.values())
