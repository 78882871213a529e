"""A question to a server computes no more than a bound, and opening the app loads no library of questions."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from paretoken.answers.predict import PredictQuestion
from paretoken.answers.validate import ValidateQuestion
from paretoken.errors import BadConfig
from paretoken.serve.access.bounds import MOST, bounded

ASKED = {"accelerator": "H200", "model": "llama-3-70b", "engine": "vllm", "isl": 1000, "osl": 500}


def test_processes_are_no_more_than_the_cores():
    assert bounded(ValidateQuestion(workers=9_999)).workers <= (os.cpu_count() or 1)
    assert bounded(ValidateQuestion(workers=1)) == ValidateQuestion(workers=1)


def test_a_count_at_its_bound_is_computed_and_one_more_refused():
    most = MOST["concurrency"]
    assert bounded(PredictQuestion(**ASKED, concurrency=(1, most))).concurrency == (1, most)
    with pytest.raises(BadConfig, match=r"^concurrency = 100,001 is more than this server computes, 100,000; ask on"):
        bounded(PredictQuestion(**ASKED, concurrency=(1, most + 1)))


def test_the_app_opens_without_the_libraries_of_questions():
    heavy = ("polars", "numpy", "scipy", "duckdb", "paretoken.answers.compare", "paretoken.bench")
    code = f"import sys, paretoken.serve.app; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
