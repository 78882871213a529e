"""The most requests that a plan takes."""

from __future__ import annotations

from paretoken.errors import BadConfig
from paretoken.plural import counted

MOST_REQUESTS = 5_000_000
"""Of a period: more take gigabytes, and say no more about a fleet than a part of them does."""


def require_few(requests: float, which: str, remedy: str) -> None:
    """BadConfig for more requests than a plan takes."""
    if requests > MOST_REQUESTS:
        raise BadConfig(
            f"the {counted(requests, 'request')} {which} are more than the {MOST_REQUESTS:,} that a plan takes; "
            f"{remedy}"
        )
