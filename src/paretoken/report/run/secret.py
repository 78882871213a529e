"""What must not leave the machine in a report: passwords and keys in commands and addresses."""

from __future__ import annotations

import re

HIDDEN = "…"
_USER = re.compile(r"(://)[^/\s@'\"]+@")
_NAMES = r"(?<![a-z])(?:api[-_]?key|token|passw(?:or)?d|secret|authorization)"
_NAMED = re.compile(
    rf"((?:{_NAMES}[\"']?\s*[:=]|--[\w-]*{_NAMES}\s|[?&]key=)\s*[\"']?(?:bearer\s+)?)([^\s\"'&,}}]+)", re.IGNORECASE
)
_BARE = re.compile(r"\b(bearer\s+|(?:sk|hf|nvapi)[-_])[\w.-]{8,}", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """The text with user names and passwords of addresses, and values named or shaped as keys, left out."""
    text = _USER.sub(rf"\1{HIDDEN}@", text)
    text = _NAMED.sub(rf"\1{HIDDEN}", text)
    return _BARE.sub(rf"\1{HIDDEN}", text)
