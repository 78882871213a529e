"""How grave each warning of a run is: the one rule, for every code that a run can raise.

wrong      the figure is not what its name says: do not use it.
careful    the figure is what it says, but of less or other than was wanted, or slightly off.
footnote   how something was counted; no conclusion changes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Grade = Literal["wrong", "careful", "footnote"]
GRADES: dict[Grade, str] = {
    "wrong": "Do not use these figures",
    "careful": "Read with care",
    "footnote": "Footnotes",
}
"""Every grade, the worst first, with its heading."""


@dataclass(frozen=True, slots=True)
class GradeRule:
    """The grade of a code; from a share `at` on, the first percentage of its sentence, it is `beyond`."""

    grade: Grade
    at: float | None = None
    beyond: Grade = "careful"


RULES: dict[str, GradeRule] = {
    # The level does not count, or another thing than the server on its hardware was measured.
    "emulated": GradeRule("wrong"),
    "accuracy": GradeRule("wrong"),
    "failed": GradeRule("wrong"),
    "client_limited": GradeRule("wrong"),
    "buffered": GradeRule("wrong"),
    "cache_hits": GradeRule("wrong"),
    "no_steady_state": GradeRule("wrong"),
    # A level too short to tell may well be steady.
    "too_short": GradeRule("careful"),
    "unfinished": GradeRule("careful"),
    "cut": GradeRule("careful"),
    "partly_buffered": GradeRule("careful"),
    "errors": GradeRule("careful", 0.05, "wrong"),
    "short_output": GradeRule("careful", 0.2, "wrong"),
    "long_output": GradeRule("careful"),
    "no_usage": GradeRule("careful"),
    "drafts": GradeRule("careful"),
    "left_out": GradeRule("careful", 0.2, "wrong"),
    "answers_lost": GradeRule("careful"),
    # Small ones change no conclusion.
    "count_mismatch": GradeRule("footnote", 0.05),
    "input_mismatch": GradeRule("footnote", 0.05),
    "ttft_merged": GradeRule("footnote", 0.1),
    "coalesced": GradeRule("footnote", 0.25),
    "preemptions": GradeRule("footnote"),
    "hidden_reasoning": GradeRule("footnote"),
    "sent_again": GradeRule("footnote"),
    "no_acceptance": GradeRule("footnote"),
    "draft_length": GradeRule("footnote"),
    "quantile_unsupported": GradeRule("footnote"),
    "quantile_thin": GradeRule("footnote"),
}
UNKNOWN = GradeRule("careful")
"""Of a code that a newer version wrote."""
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s?%")


def grade_of(code: str, text: str = "") -> Grade:
    """The grade of a warning, by its code and the share in its sentence."""
    rule = RULES.get(code, UNKNOWN)
    percent = _PERCENT.search(text)
    if rule.at is not None and percent and float(percent[1]) >= rule.at * 100:
        return rule.beyond
    return rule.grade
