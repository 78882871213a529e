"""A source tree that is only read: nothing of it is executed or imported, and no link leads out of it.

Whoever wrote the tree is not trusted. Links are not followed, files and folders have limits, and what breaks
one is refused in one sentence.
"""

from __future__ import annotations

import ast
import errno
import os
import stat
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path, PurePosixPath

from paretoken.errors import BadTree

MOST_FILES = 200_000
DEEPEST = 40
LARGEST_BYTES = 8_000_000


@dataclass(slots=True)
class _Walk:
    """The files and folders of a tree, as a walk collects them."""

    files: list[str] = field(default_factory=list)
    folders: set[str] = field(default_factory=lambda: {""})


class Tree:
    """A folder and the plain files below it, by their path with `/` from the root."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise BadTree(f"{self.root} is not a folder; give the root of an unpacked source tree")

    @cached_property
    def _walked(self) -> _Walk:
        walk = _Walk()
        self._visit(self.root, "", 0, walk)
        walk.files.sort()
        return walk

    @property
    def files(self) -> list[str]:
        """Every plain file, sorted."""
        return self._walked.files

    @cached_property
    def _file_set(self) -> frozenset[str]:
        return frozenset(self.files)

    def has(self, path: str) -> bool:
        return path in self._file_set

    def is_folder(self, path: str) -> bool:
        return path in self._walked.folders

    @property
    def folders(self) -> set[str]:
        return self._walked.folders

    def below(self, folder: str, pattern: str = "*") -> list[str]:
        """The files under a folder, at any depth, whose name fits the pattern."""
        start = f"{folder}/" if folder else ""
        paths = []
        for f in self.files[bisect_left(self.files, start) :]:
            if not f.startswith(start):
                break
            if fnmatch(f.rpartition("/")[2], pattern):
                paths.append(f)
        return paths

    def matching(self, pattern: str) -> list[str]:
        """The files whose path fits a shell pattern; `*` stays within one folder."""
        depth = pattern.count("/")
        parts = pattern.split("/")
        return [f for f in self.files if f.count("/") == depth and all(map(fnmatch, f.split("/"), parts))]

    def text(self, path: str) -> str:
        """The file's text; BadTree if it is too large or not UTF-8."""
        place = self.root / path
        try:
            size = place.lstat().st_size
            if size > LARGEST_BYTES:
                raise BadTree(f"{place} has {size:,} bytes, more than the {LARGEST_BYTES:,} allowed; remove it")
            return place.read_text(encoding="utf-8")
        except OSError as e:
            raise BadTree(f"{place} cannot be read: {e.strerror}") from e
        except UnicodeDecodeError as e:
            raise BadTree(f"{place} is not UTF-8 text ({e.reason} at byte {e.start})") from e

    def module(self, path: str) -> ast.Module | None:
        """The file's syntax tree, never run; None where it is not Python that this interpreter can parse."""
        try:
            return ast.parse(self.text(path))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None

    def _visit(self, folder: Path, name: str, depth: int, walk: _Walk) -> None:
        if depth > DEEPEST:
            raise BadTree(f"{folder} is {depth} folders deep, more than the {DEEPEST} allowed; give a source tree")
        for entry in _entries(folder):
            path = f"{name}/{entry.name}" if name else entry.name
            if entry.is_symlink():
                self._check_link(entry)
            elif entry.is_dir(follow_symlinks=False):
                walk.folders.add(path)
                self._visit(Path(entry.path), path, depth + 1, walk)
            elif stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                walk.files.append(path)
            if len(walk.files) > MOST_FILES:
                raise BadTree(f"{self.root} has more than {MOST_FILES:,} files; give the root of one source tree")

    def _check_link(self, link: os.DirEntry[str]) -> None:
        """A link within the tree is left out (its target is read where it lies); others are refused."""
        try:
            link.stat()
        except OSError as e:
            if e.errno == errno.ELOOP:
                raise BadTree(f"{link.path} is a circular symbolic link; remove it") from e
            return
        target = Path(link.path).resolve()
        inside = target.is_relative_to(self.root.resolve())
        if inside and Path(link.path).absolute().is_relative_to(target):
            raise BadTree(f"{link.path} is a symbolic link to a folder above it; remove it")
        if not inside:
            raise BadTree(f"{link.path} is a symbolic link out of the tree; remove it")


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as paths:
            yield from paths
    except OSError as e:
        raise BadTree(f"{folder} cannot be read: {e.strerror}") from e


def normal(path: str) -> str | None:
    """A path with `.` and `..` resolved in words alone; None if it leads above the root."""
    parts: list[str] = []
    for part in PurePosixPath(path).parts:
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("/", "."):
            parts.append(part)
    return "/".join(parts)
