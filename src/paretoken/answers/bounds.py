"""The two bounds of every answer: plain serving, and the best that is known to have been served.

Plain is one node, one pool and no speculative decoding: the usual start, comparable on every accelerator. The best
known adds disaggregated and multi-node serving, wide expert parallelism and speculative decoding, wherever they
were run. A question that names its serving asks for one of them alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from paretoken.answers.points import PointsQuestion

Q = TypeVar("Q", bound=PointsQuestion)

PLAIN_TITLE = "Plain serving: one node, no speculative decoding"
BEST_KNOWN_TITLE = "Best known serving: also disaggregated, multi-node and speculative"


def asks_both(question: PointsQuestion) -> bool:
    """Whether a question leaves the serving at plain, so that the best known is answered too."""
    return question.serving == "single-node" and question.speculative == "none"


def includes_plain(question: PointsQuestion) -> bool:
    """Whether a question takes plain serving and more besides."""
    return question.serving == "any" or question.speculative == "any"


def plain(question: Q) -> Q:
    """The same question of plain serving."""
    return replace(question, serving="single-node", speculative="none")


def best_known(question: Q) -> Q:
    """The same question of any serving."""
    return replace(question, serving="any", speculative="any")
