"""The form of the archive of a run: what lies where in it, and the packers of the standard library.

run/…               the run with its receipts
server/…            of a campaign: how the server was started, and on what
environment.json    what the receipts say of the client's machine, and what the engine reported
README.txt          what the archive is, its licence, how to verify it
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from paretoken.errors import BadConfig

ROOT = "run"
README, ENVIRONMENT = "README.txt", "environment.json"
SERVER_JOB, SERVER_MACHINE = "server/job.json", "server/environment.json"
BESIDE = (README, ENVIRONMENT, SERVER_JOB, SERVER_MACHINE)
SUFFIXES = (".tar.gz", ".zip", ".tar.zst")


def suffix_of(out: Path) -> str:
    """The suffix that decides the form; BadConfig for another."""
    suffix = next((s for s in SUFFIXES if out.name.endswith(s)), None)
    if suffix is None:
        raise BadConfig(f"--out {out} ends in none of {', '.join(SUFFIXES)}; use a name such as run.paretoken.tar.gz")
    return suffix


@contextmanager
def open_zstd(file: Path, mode: str = "rb") -> Iterator[IO[bytes]]:
    """A file packed with Zstandard; BadConfig where Python has none."""
    try:
        from compression import zstd  # type: ignore[import-not-found]
    except ImportError as e:
        raise BadConfig(f"{file}: Zstandard needs Python 3.14 or later; use .tar.gz or .zip") from e
    with zstd.open(file, mode) as stream:
        yield stream
