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
class About:
    """`commit` is empty where the tree does not hold it."""

    engine: str
    version: str
    commit: str
    date: str


def about(tree: Tree, engine: str, *, date: str | None = None, commit: str | None = None) -> About:
    """The release of a tree; `date` (YYYY-MM-DD) and `commit` go over what the tree says.

    Without a date, it is the day on which the source distribution was made, which unpacking keeps.
    """
    if date is not None and not _DATE.fullmatch(date):
        raise BadConfig(f"--date {date!r} is not a date; write it as 2026-11-02")
    made = "".join(tree.text(f) for f in ("vllm/_version.py",) if tree.has(f))
    version = _first(_VERSION, made) or _package_version(tree)
    return About(engine, version, commit or _first(_COMMIT, made) or _head(tree), date or _made_on(tree))


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1].removeprefix("g") if found and pattern is _COMMIT else found[1] if found else ""


def _package_version(tree: Tree) -> str:
    if not tree.has("PKG-INFO"):
        return ""
    found = re.search(r"^Version: (\S+)", tree.text("PKG-INFO"), re.M)
    return found[1] if found else ""


def _head(tree: Tree) -> str:
    """The commit that a git checkout stands at, read from its files."""
    if not tree.has(".git/HEAD"):
        return ""
    head = tree.text(".git/HEAD").strip()
    if not head.startswith("ref: "):
        return head
    ref = head.removeprefix("ref: ")
    return tree.text(f".git/{ref}").strip() if tree.has(f".git/{ref}") else ""


def _made_on(tree: Tree) -> str:
    if not tree.has("PKG-INFO"):
        raise BadConfig("the tree does not say when it was made; give --date, for the policy depends on it")
    made = (tree.root / "PKG-INFO").stat().st_mtime
    return datetime.fromtimestamp(made, UTC).date().isoformat()
