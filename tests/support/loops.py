"""Coroutines of tests, run apart from a browser's loop, which is the running one of its thread while a page is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run_apart(made: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of a coroutine, run to its end in a thread of its own."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(lambda: asyncio.run(made())).result()
