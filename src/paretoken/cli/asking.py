"""The options of a verb as the question that they ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from paretoken.cli import context

if TYPE_CHECKING:
    from paretoken.answers.seam import Q

RENAMED = {"files": "points", "catalog_folders": "catalog"}
NEGATED = {"no_published": "published", "no_shipped_prices": "shipped_prices"}


def question(kind: type[Q], values: Mapping[str, object]) -> Q:
    """A question of this kind from the values of the options that it has a field for."""
    from dataclasses import fields

    from paretoken.answers.seam import question_from_json
    from paretoken.prices.market.cells import day_of

    named = {RENAMED.get(name, name): value for name, value in values.items() if name not in NEGATED}
    named |= {NEGATED[name]: not value for name, value in values.items() if name in NEGATED}
    if "at" in named:
        day = context.today()
        named["at"] = day_of(str(named["at"]), day) if named["at"] else named.get("as_of") or day
    names = {f.name for f in fields(kind)}
    return question_from_json(kind, {name: value for name, value in named.items() if name in names})
