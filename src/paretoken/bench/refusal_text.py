"""What the refusal of a request says, and which field of the request it names."""

from __future__ import annotations

import re

from paretoken.foreign_http import SmallAnswer


def names_field(text: str, name: str) -> bool:
    """Whether a text names a field of a request, and not one of which it is a part."""
    return re.search(rf"(?<![a-z_]){name}(?![a-z_])", text) is not None


def refusal_text(answer: SmallAnswer) -> str:
    """The words of a refusal without the request that some servers hand back in it."""
    try:
        return "\n".join(_texts(answer.json()))
    except ValueError:
        return answer.body[:4096].decode("utf-8", "replace")


def _texts(value: object, depth: int = 0) -> list[str]:
    if isinstance(value, str):
        return [value[:2000]]
    if depth > 6 or not isinstance(value, (dict, list)):
        return []
    inside = [v for k, v in value.items() if k not in ("input", "body", "ctx")] if isinstance(value, dict) else value
    return [text for part in inside[:50] for text in _texts(part, depth + 1)]
