"""What an answer that is no success says: its words, where it redirects to, how long to wait."""

from __future__ import annotations

import math
from collections.abc import Mapping

from paretoken.bench.apis import PATHS
from paretoken.foreign_text import error_words


def refusal(code: int, headers: Mapping[bytes, bytes], body: bytes) -> tuple[str, str]:
    """Status and words of a request that was answered with this HTTP status."""
    if code < 400:
        return "http_3xx", _redirect(headers.get(b"location", b"").decode("latin-1"))
    words, wait = error_words(body), headers.get(b"retry-after")
    if wait:
        words += f" (Retry-After: {wait.decode('latin-1')})"
    return "http_429" if code == 429 else f"http_{code // 100}xx", words


def retry_after_s(headers: Mapping[bytes, bytes]) -> float:
    """Seconds that the server asked us to wait; 0 where it did not say, or no number that anyone could wait for."""
    text = headers.get(b"retry-after", b"")[:64]
    try:
        seconds = float(text)
    except ValueError:
        seconds = _seconds_until(text.decode("latin-1"))
    return seconds if 0 < seconds < math.inf else 0.0


def _redirect(location: str) -> str:
    """What to do about a redirect, which is not followed: the API key would go where it leads."""
    if not location:
        return "a redirect that names no URL"
    base = location.partition("?")[0]
    for path in sorted(PATHS.values(), key=len, reverse=True):
        base = base.removesuffix(path)
    return f"redirect to {location}, which is not followed; if it is yours, run against {base}"


def _seconds_until(date: str) -> float:
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, ArithmeticError, LookupError):
        return 0.0
