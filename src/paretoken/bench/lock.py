"""A lock on a folder's file: the kernel's, so that it ends with the process that holds it."""

from __future__ import annotations

import errno
import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
"""What file systems without locks answer; there nothing can be excluded."""


@contextmanager
def locked(path: Path, wait_s: float, sleep: Callable[[float], None] = time.sleep) -> Iterator[bool]:
    """Hold the lock of a file: whether it was acquired within `wait_s`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + wait_s
    with path.open("wb") as file:
        while not (acquired := _acquired(file.fileno())) and time.monotonic() < until:
            sleep(0.1)
        yield acquired


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of a file; false where there is no file, or the file system has no locks."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _acquired(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True
