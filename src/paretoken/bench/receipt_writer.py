"""The program and the machine that write a receipt: versions, commit, CPU, GPUs. The machine is the client's."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from paretoken.engines.telemetry.host import open_source
from paretoken.version import __version__

PACKAGE = Path(__file__).parents[1]
NVIDIA = Path("/proc/driver/nvidia/gpus")
AMD = Path("/sys/class/kfd/kfd/topology/nodes")
_LONGEST_FILE = 4096
_DIST_INFO = ".dist-info"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptWriter:
    """What wrote a receipt. `commit` is that of the program's source tree or installation, None if unknown.

    `gpus` are those of this machine by their drivers' names; the server may run on another machine.
    """

    tool: str = ""
    commit: str | None = None
    python: str = ""
    system: str = ""
    cpu: str | None = None
    cpus: int | None = None
    gpus: tuple[str, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)


@cache
def receipt_writer() -> ReceiptWriter:
    """This program on this machine; read once in a process."""
    return ReceiptWriter(
        tool=__version__,
        commit=installed_commit() or tree_commit(PACKAGE.parents[1]),
        python=platform.python_version(),
        system=platform.platform(),
        cpu=cpu_name(),
        cpus=os.cpu_count(),
        gpus=gpu_names(),
        packages=installed_packages(),
    )


def installed_commit() -> str | None:
    """The commit that the package was installed from, where the installer recorded one (PEP 610)."""
    from importlib.metadata import PackageNotFoundError, distribution  # it takes a while

    try:
        text = distribution("paretoken").read_text("direct_url.json")
        commit = json.loads(text or "{}").get("vcs_info", {}).get("commit_id")
    except (PackageNotFoundError, OSError, ValueError, AttributeError):
        return None
    return commit if isinstance(commit, str) else None


def tree_commit(tree: Path) -> str | None:
    """The commit that a source tree is at, read from its `.git`; None for other folders. Edits are not seen."""
    git = tree / ".git"
    if git.is_file():  # of a worktree: `gitdir: PATH`
        git = tree / _text(git).removeprefix("gitdir:").strip()
    head = _text(git / "HEAD")
    if not head.startswith("ref: "):
        return head or None
    ref = head.removeprefix("ref: ")
    shared = git / _text(git / "commondir") if (git / "commondir").is_file() else git
    return _text(git / ref) or _text(shared / ref) or _packed(shared / "packed-refs", ref)


def installed_packages(places: Sequence[str] | None = None) -> dict[str, str]:
    """Every installed distribution with its version, by the names of their folders; the first on the path counts.

    Reading their metadata would take a thousand times as long.
    """
    folders = [folder.name for place in (sys.path if places is None else places) for folder in _dist_infos(place)]
    parts = (name.removesuffix(_DIST_INFO).rpartition("-") for name in reversed(folders))
    return dict(sorted((name, version) for name, _, version in parts if name))


def _dist_infos(place: str) -> list[Path]:
    return sorted(Path(place).glob(f"*{_DIST_INFO}")) if place else []


def cpu_name() -> str | None:
    """The CPU by Linux's own words, None where it does not say."""
    with suppress(OSError, LookupError, ValueError):
        if (source := open_source()) and isinstance(name := source.about().get("cpu"), str):
            return name
    return None


def gpu_names(nvidia: Path = NVIDIA, amd: Path = AMD) -> tuple[str, ...]:
    """The GPUs of this machine as the files of their drivers name them."""
    lines = (line for file in sorted(nvidia.glob("*/information")) for line in _text(file).splitlines())
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    return (*names, *filter(None, (_text(file) for file in sorted(amd.glob("*/name")))))


def _packed(file: Path, ref: str) -> str | None:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((line.split(" ")[0] for line in lines if line.endswith(f" {ref}")), None)


def _text(file: Path) -> str:
    """The start of a small file, empty where it cannot be read."""
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(_LONGEST_FILE).strip()
    except OSError:
        return ""
