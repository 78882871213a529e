"""Which release a tree is: version, commit and date, from the files that a build leaves in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from paretoken.errors import BadConfig
from paretoken.parity.tree import Tree

_VERSION = re.compile(r"^__version__ = version = '([^']+)'", re.M)
_COMMIT = re.compile(r"^__commit_id__ = commit_id = '([^']+)'", re.M)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Release:
    """`commit` is empty where the tree does not hold it."""

    engine: str
    version: str
    commit: str
    date: str


def release_of(tree: Tree, engine: str, *, date: str | None = None, commit: str | None = None) -> Release:
    """The release of a tree; `date` (YYYY-MM-DD) and `commit` replace those of the tree.

    Without a date, it is the day on which the source distribution was made, which unpacking keeps.
    """
    if date is not None and not _DATE.fullmatch(date):
        raise BadConfig(f"--date {date!r} is not a date; write it as 2026-11-02")
    made = "".join(tree.text(f) for f in ("vllm/_version.py",) if tree.has(f))
    version = _first(_VERSION, made) or _package_version(tree)
    return Release(engine, version, commit or _first(_COMMIT, made) or _head(tree), date or _made_on(tree))


def _first(pattern: re.Pattern[str], text: str) -> str:
    matched = pattern.search(text)
    if not matched:
        return ""
    return matched[1].removeprefix("g") if pattern is _COMMIT else matched[1]


def _package_version(tree: Tree) -> str:
    if not tree.has("PKG-INFO"):
        return ""
    matched = re.search(r"^Version: (\S+)", tree.text("PKG-INFO"), re.M)
    return matched[1] if matched else ""


def _head(tree: Tree) -> str:
    """The commit of a git checkout, from its files."""
    if not tree.has(".git/HEAD"):
        return ""
    head = tree.text(".git/HEAD").strip()
    if not head.startswith("ref: "):
        return head
    ref = head.removeprefix("ref: ")
    return tree.text(f".git/{ref}").strip() if tree.has(f".git/{ref}") else ""


def _made_on(tree: Tree) -> str:
    if not tree.has("PKG-INFO"):
        raise BadConfig("the tree has no date; give --date, because the policy depends on it")
    made = (tree.root / "PKG-INFO").stat().st_mtime
    return datetime.fromtimestamp(made, UTC).date().isoformat()
