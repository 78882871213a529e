"""YAML from strangers: plain values only, and no more of them than a person would write."""

from __future__ import annotations

import yaml

from paretoken.errors import BadTree
from paretoken.parity.rows import Json

MOST_NODES = 500_000
DEEPEST = 30

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OPENS = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_CLOSES = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


def load(text: str, where: str) -> Json:
    """The document as plain values; BadTree if it is broken, nested too deep, or grows too large through aliases."""
    try:
        _measure(text, where)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError, ValueError) as e:
        raise BadTree(f"{where} is not valid YAML: {' '.join(str(e).split())[:200]}") from e


def _measure(text: str, where: str) -> None:
    """Count the nodes with every alias written out, without building any."""
    sizes: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = []
    total = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            total += sizes.get(event.anchor or "", 0)
        elif isinstance(event, (*_OPENS, yaml.ScalarEvent)):
            total += 1
        if isinstance(event, _OPENS):
            open_.append((event.anchor, total))
        elif isinstance(event, yaml.ScalarEvent) and event.anchor:
            sizes[event.anchor] = 1
        elif isinstance(event, _CLOSES):
            anchor, before = open_.pop()
            if anchor:
                sizes[anchor] = total - before + 1
        if total > MOST_NODES:
            raise BadTree(f"{where} has more than {MOST_NODES:,} values with its aliases expanded; refused")
        if len(open_) > DEEPEST:
            raise BadTree(f"{where} is nested more than {DEEPEST} levels deep; refused")
