"""Events of a stream that differ in their text only, recognised by the bytes around it, without a JSON parser."""

from __future__ import annotations

from paretoken.bench.client.answer_json import Json, beside_content
from paretoken.bench.client.http1 import size_line

EVENT_END = b"\n\n\r\n"  # of an event that fills a chunk


def around_text(payload: bytes, choices: list[Json]) -> tuple[bytes, bytes]:
    """The bytes before and after the text of an event that is one token and nothing else; empty for any other."""
    choice = choices[0]
    if len(choices) > 1 or choice.get("token_ids") or choice.get("logprobs"):
        return b"", b""
    delta = choice.get("delta")
    name = "text" if delta is None else "content"
    carrier = choice if delta is None else delta
    text = carrier.get(name)
    if not text or type(text) is not str or beside_content(carrier):
        return b"", b""
    for colon in (":", ": "):
        key = f'"{name}"{colon}"'.encode()
        at = payload.find(key) + len(key)
        plain = text.encode()
        # Inside a JSON string the quotes of the key would be escaped, so a single find is the key itself.
        if payload.count(key) == 1 and payload.startswith(plain + b'"', at):
            return payload[:at], payload[at + len(plain) :]
    return b"", b""


def around_value(payload: bytes, name: str, size: int) -> tuple[bytes, bytes]:
    """The bytes before and after the text of `size` characters in the only field of this name; empty if not plain."""
    for colon in (":", ": "):
        key = f'"{name}"{colon}"'.encode()
        at = payload.find(key) + len(key)
        if payload.count(key) == 1 and payload.find(b'"', at) == at + size and b"\\" not in payload[at : at + size]:
            return payload[:at], payload[at + size :]
    return b"", b""


def sizes_of_merged(data: bytes, prefix: bytes, suffix: bytes) -> list[int]:
    """Characters of each event in a read of several chunks, each an event alike; empty where it is anything else."""
    sizes: list[int] = []
    end = len(EVENT_END)
    for piece in data[:-end].split(EVENT_END):
        line = piece.find(b"\r\n", 1, 8)
        text = piece[line + len(prefix) : end - len(suffix) or None]
        whole = piece[:line] == size_line(len(piece) + end - line - 4)
        if not whole or not text or b'"' in text or not piece.startswith(prefix, line):
            return []
        if not piece.endswith(suffix[:-end]):
            return []
        sizes.append(len(text))
    return sizes
