"""Steps that are commented out in a YAML file, and the stated reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from paretoken.errors import BadFile
from paretoken.plain_files import load_yaml

_START = re.compile(r"^(\s*)#\s?(\s*)- label:")
_COMMENT = re.compile(r"^\s*#+\s?(.*)$")
_YAML = re.compile(r"^\s*(-\s|[\w.]+:(\s|$))")
_OFF = re.compile(r"disab|fail|flak|broken|skip|until|todo|not supported|hang|block|deprecat|remov", re.I)
_SENTENCE_END = re.compile(r"(?<=\w)\.\s|(?<=\))\.\s")
UNSTATED = "commented out, no reason given"


@dataclass(frozen=True, slots=True)
class Commented:
    step: dict[str, object]
    reason: str


def commented_steps(text: str) -> Iterator[Commented]:
    """Every commented-out step that is still YAML; prose lines in or just above it are its reason."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        if not _START.match(lines[at]):
            at += 1
            continue
        block, end = _block(lines, at)
        body = [line for line in block if not line.strip() or _YAML.match(line)]
        prose = [line.strip() for line in block if line.strip() and not _YAML.match(line)]
        step = _loaded("\n".join(body))
        if step is not None:
            yield Commented(step, _reason([*_above(lines, at), *prose]) or _trailing(block[0]) or UNSTATED)
        at = end


def _block(lines: list[str], start: int) -> tuple[list[str], int]:
    """The comment lines of one step without their marks, and where they end."""
    block: list[str] = []
    at = start
    while at < len(lines) and (matched := _COMMENT.match(lines[at])) and (at == start or not _START.match(lines[at])):
        block.append(matched[1])
        at += 1
    return block, at


def _above(lines: list[str], at: int) -> list[str]:
    """Prose in the comment right above a step."""
    prose: list[str] = []
    while at > 0 and (matched := _COMMENT.match(lines[at - 1])) and not _YAML.match(matched[1]):
        if matched[1].strip(" #"):
            prose.insert(0, matched[1].strip(" #"))
        at -= 1
    return prose


def _reason(prose: list[str]) -> str:
    """The lines from the first that speaks of being off to the end of its sentence; all of them if none does."""
    clean = [line.strip(" #-") for line in prose]
    first = next((i for i, line in enumerate(clean) if _OFF.search(line)), None)
    if first is None:
        return " ".join(clean)
    text = " ".join(clean[first:])
    return _SENTENCE_END.split(text, maxsplit=1)[0].removesuffix(".")


def _trailing(label: str) -> str:
    """The comment after the label, unless it is only a duration."""
    prose = label.partition(" # ")[2].strip()
    return "" if re.fullmatch(r"[\d.]+\s*min.*|TBD|", prose) else prose


def _loaded(text: str) -> dict[str, object] | None:
    try:
        document = load_yaml(text, "a comment")
    except BadFile:
        return None
    step = document[0] if isinstance(document, list) and document else None
    return step if isinstance(step, dict) and "label" in step else None
