"""Which test files a shell command of CI runs: words are read, nothing is run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch

from paretoken.parity.tree import Tree, normal

_SETUP = {
    "export",
    "pip",
    "pip3",
    "uv",
    "apt",
    "apt-get",
    "echo",
    "rm",
    "git",
    "mkdir",
    "ls",
    "set",
    "source",
    "nvidia-smi",
    "amd-smi",
    "rocm-smi",
    "find",
    "grep",
    "sed",
    "cp",
    "mv",
    "cat",
    "true",
    "exit",
    "unset",
    "which",
    "case",
    "esac",
    "curl",
    "wget",
    "sleep",
    "kill",
    "touch",
    "cargo",
    "rustup",
    "env",
    "chmod",
    "tee",
    "wait",
    "ulimit",
    "if",
    "then",
    "fi",
    "else",
    "done",
    "do",
    "for",
    "[",
    "[[",
    "test",
    ".",
    ":",
}
_TAKES_VALUE = {
    "-k",
    "-m",
    "-n",
    "-p",
    "-c",
    "-o",
    "-r",
    "-W",
    "--ignore",
    "--ignore-glob",
    "--deselect",
    "--maxfail",
    "--timeout",
    "--durations",
    "--shard-id",
    "--num-shards",
    "--config-list-file",
    "--tp-size",
    "--rootdir",
    "--confcutdir",
    "--dist",
    "--tb",
    "--junitxml",
    "--junit-xml",
    "--log-level",
    "--splits",
    "--group",
    "--count",
    "--seed",
}
_JOINTS = re.compile(r"[;&|]+")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*")
_REDIRECTION = re.compile(r"\s\d?>>?\s*(?:&\d|[\w./$-]+)")
_HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?.*?^\s*\1\b", re.S | re.M)
_PROGRAM = re.compile(r"[\w./$~-]*[A-Za-z_.\[][\w./$~\[-]*")
_GLOB = re.compile(r"[*?\[]")


@dataclass(slots=True)
class Targets:
    """Test files that were found, and the commands whose tests stay unseen."""

    files: set[str] = field(default_factory=set)
    unresolved: list[str] = field(default_factory=list)


def targets(tree: Tree, commands: list[str], folder: str = "tests", mount: str = "/vllm-workspace") -> Targets:
    """The test files that shell commands run, begun in `folder` of a tree that CI mounts at `mount`.

    An upper bound: `-k`, `-m` and shards are not modelled. A folder means every `test_*.py` below it.
    """
    collected = Targets()
    here = folder
    for command in commands:
        for words in split(command):
            if words[0] == "cd" and len(words) > 1:
                here = _within(words[1], here, mount) or here
            else:
                _read(tree, words, here, mount, collected)
    collected.unresolved = list(dict.fromkeys(collected.unresolved))
    return collected


def split(command: str) -> Iterator[list[str]]:
    """The simple commands of a line or script, as words without leading variable assignments."""
    whole = _HEREDOC.sub(" ", command.replace("\\\n", " "))
    for line in whole.splitlines():
        if line.lstrip().startswith("#"):
            continue
        words: list[str] = []
        for word in _words(line):
            if _JOINTS.fullmatch(word) or word in ("(", ")"):
                yield from _simple(words)
                words = []
            else:
                words.append(word)
        yield from _simple(words)


def _words(line: str) -> list[str]:
    reader = shlex.shlex(_REDIRECTION.sub(" ", line), posix=True, punctuation_chars=";&|()")
    reader.commenters = ""
    reader.whitespace_split = True
    try:
        return list(reader)
    except ValueError:  # an open quote: what it would run is unknown
        return ["sh", line.strip()]


def _simple(words: list[str]) -> Iterator[list[str]]:
    while words and _ASSIGNMENT.fullmatch(words[0]):
        words = words[1:]
    # What begins with no program's name is a pattern of `case` or the like.
    if words and _PROGRAM.fullmatch(words[0]):
        yield words


def _read(tree: Tree, words: list[str], here: str, mount: str, collected: Targets) -> None:
    at = _pytest_at(words)
    if at is not None:
        _pytest(tree, words[at + 1 :], here, mount, collected, " ".join(words))
        return
    if words[0] in ("bash", "sh") and "-c" in words[:-1]:
        inner = targets(tree, [words[words.index("-c") + 1]], here, mount)
        collected.files |= inner.files
        collected.unresolved += inner.unresolved
        return
    run = [p for w in words[1:] if w.endswith(".py") and (p := _within(w, here, mount)) and tree.has(p)]
    tests = {p for p in run if p.rpartition("/")[2].startswith("test_")}
    collected.files |= tests
    if not tests and words[0] not in _SETUP:
        collected.unresolved.append(" ".join(words))


def _pytest_at(words: list[str]) -> int | None:
    """Where `pytest` is the program run: as itself, by path, or as `-m pytest`."""
    for i, word in enumerate(words):
        if word.rpartition("/")[2] in ("pytest", "py.test") and not (i and words[i - 1] in ("install", "freeze")):
            return i
    return None


def _pytest(tree: Tree, words: list[str], here: str, mount: str, collected: Targets, command: str) -> None:
    if "{}" in words:  # what `find` or `xargs` puts in is not known
        collected.unresolved.append(command)
        return
    wanted, ignored = _arguments(tree, words, here, mount)
    files: set[str] = set()
    for word in wanted or ["."]:
        these = _expand(tree, word, here, mount)
        if not these:
            collected.unresolved.append(f"{word} of: {command}")
        files |= these
    collected.files |= {f for f in files if not any(_ignores(i, f, here, mount) for i in ignored)}


def _arguments(tree: Tree, words: list[str], here: str, mount: str) -> tuple[list[str], list[str]]:
    """The positional arguments of pytest, and its ignored paths."""
    wanted, ignored = [], []
    rest = iter(words)
    before = ""
    for word in rest:
        name, equals, value = word.partition("=")
        if word.startswith("-"):
            if name in ("--ignore", "--ignore-glob"):
                ignored.append(value if equals else next(rest, ""))
            elif not equals and name in _TAKES_VALUE:
                next(rest, "")
            else:
                before = "" if equals or not word.startswith("--") else word
                continue
        # A word after an option not known here is its value, unless it names something in the tree.
        elif not before or _expand(tree, word, here, mount):
            wanted.append(word)
        before = ""
    return wanted, ignored


def _expand(tree: Tree, word: str, here: str, mount: str) -> set[str]:
    path = _within(word.partition("::")[0], here, mount)
    if path is None:
        return set()
    if _GLOB.search(path):
        return {f for hit in _globbed(tree, path) for f in _tests(tree, hit)}
    return _tests(tree, path)


def _globbed(tree: Tree, pattern: str) -> list[str]:
    folders = [f for f in tree.folders if f.count("/") == pattern.count("/") and fnmatch(f, pattern)]
    return tree.matching(pattern) + folders


def _tests(tree: Tree, path: str) -> set[str]:
    if tree.has(path):
        return {path} if path.endswith(".py") else set()
    return set(tree.below(path, "test_*.py")) if tree.is_folder(path) else set()


def _ignores(ignored: str, file: str, here: str, mount: str) -> bool:
    path = _within(ignored, here, mount)
    return path is not None and (file == path or file.startswith(f"{path}/") or fnmatch(file, path))


def _within(word: str, here: str, mount: str) -> str | None:
    """A path of CI as a path of the tree; None if it is outside or depends on a variable."""
    if "$" in word:
        return None
    if word.startswith("/"):
        return normal(word[len(mount) :]) if word == mount or word.startswith(f"{mount}/") else None
    return normal(f"{here}/{word}")
