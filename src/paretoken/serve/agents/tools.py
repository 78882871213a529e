"""Every verb as the tool of an agent: its name, what it answers, and a short schema; and an answer as a short text."""

from __future__ import annotations

from typing import Any

import orjson

from paretoken.answers.registry import VERBS, Verb
from paretoken.answers.seam import json_schema
from paretoken.serve.access.confine import WRITES
from paretoken.serve.examples import EXAMPLES

LONGEST_ANSWER = 12_000
"""Characters of an answer in the text of a result; the structured content has all of it."""
MOST_SOURCES = 8
_REFUSED = (WRITES, "api_key_file")
"""Fields that no question to a server may have."""
_INTERVAL = ("_lo", "_hi")


def made_tools() -> list[dict[str, Any]]:
    """The tools, made from every question: what `shipped/tools.json` holds."""
    return [_tool(name, verb) for name, verb in VERBS.items() if not verb.writes_files]


def _tool(name: str, verb: Verb) -> dict[str, Any]:
    example = f" Example: {orjson.dumps(EXAMPLES[name]).decode()}" if name in EXAMPLES else ""
    return {
        "name": name,
        "description": f"{verb.text} Answer: {verb.answer_text}{example}",
        "input_schema": _short(json_schema(verb.question)),
    }


def _short(schema: Any) -> Any:
    """A schema without what an agent does not need: titles, and the null that leaving a field out means, too."""
    if isinstance(schema, list):
        return [_short(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    short = {key: _short(value) for key, value in schema.items() if key != "title" or not isinstance(value, str)}
    if short.get("default", ...) is None:
        del short["default"]
        kinds = [kind for kind in short.get("anyOf", []) if kind != {"type": "null"}]
        if len(kinds) == 1:
            short = {**kinds[0], **{key: value for key, value in short.items() if key != "anyOf"}}
    if isinstance(fields := short.get("properties"), dict):
        short["properties"] = {key: value for key, value in fields.items() if key not in _REFUSED}
    return short


def words_of(envelope: dict[str, Any]) -> str:
    """An answer as a bounded text: where its figures come from, how to repeat it, and the answer."""
    sources = envelope["sources"]
    more = f" and {len(sources) - MOST_SOURCES} more" if len(sources) > MOST_SOURCES else ""
    answer = orjson.dumps(envelope["answer"]).decode()
    lines = [
        f"Origin of the figures: {', '.join(envelope['origins']) or 'computed from the sources'}",
        f"Sources: {'; '.join(sources[:MOST_SOURCES])}{more}",
        "Intervals: 90 %, from FIELD_lo to FIELD_hi" if _has_intervals(envelope["answer"]) else "",
        f"Repeat with: {envelope['command']}",
        f"Answer of paretoken {envelope['version']}, JSON: {answer[:LONGEST_ANSWER]}",
    ]
    if len(answer) > LONGEST_ANSWER:
        lines.append(f"… cut here: {len(answer):,} characters in all, in the structured content and by that command")
    return "\n".join(filter(None, lines))


def _has_intervals(value: Any) -> bool:
    if isinstance(value, dict):
        return any(key.endswith(_INTERVAL) or _has_intervals(inner) for key, inner in value.items())
    return isinstance(value, list) and any(_has_intervals(inner) for inner in value)
