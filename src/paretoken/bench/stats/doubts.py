"""What speaks against a level whose figures are compared or held against goals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TOO_MANY_ERRORS = "failed"
"""Where a summary says that too many requests failed."""


def doubts(summary: Mapping[str, Any]) -> list[str]:
    """In words: too many errors, a client that was the limit, no steady state. None where the level is sound."""
    found = []
    if TOO_MANY_ERRORS in summary:
        found.append(f"FAILED: {summary[TOO_MANY_ERRORS]}")
    if client_limited(summary):
        found.append("the client was the limit")
    if not summary["window"]["steady"]:
        found.append(summary["window"]["reason"] or "no steady state")
    return found


def client_limited(summary: Mapping[str, Any]) -> bool:
    """Whether the client, by its own proof, was the limit of a level."""
    return bool((summary.get("fidelity") or {}).get("client_limited"))
