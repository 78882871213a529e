"""Where figures come from, and which of them answer a question that names no origin: all but the emulated ones."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from paretoken.emulated import EMULATED
from paretoken.errors import UnknownName
from paretoken.points.schema import ORIGINS

DEFAULT_ORIGINS = tuple(origin for origin in ORIGINS if origin != EMULATED)


def of_origins(origins: Iterable[str] | None = None) -> pl.Expr:
    """Rows of these origins, by default of DEFAULT_ORIGINS; UnknownName for one that there is not."""
    chosen = tuple(origins or DEFAULT_ORIGINS)
    for origin in chosen:
        if origin not in ORIGINS:
            raise UnknownName("origin", origin, list(ORIGINS))
    return pl.col("origin").is_in(chosen)
