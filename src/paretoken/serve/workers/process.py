"""A process that answers questions: jobs come as frames on standard input, results go as frames to standard output.

A frame is its length, 8 bytes, big-endian, then a name, a line break and bytes. The name of a job is
`module:function`; that of a result is `ok`, or the name of the error whose sentence follows. The parent names only
functions of this program, and ends the process to stop a job.
"""

from __future__ import annotations

import os
import resource
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import BinaryIO, cast

from paretoken.errors import ParetokenError

LENGTH_BYTES = 8
MOST_MEMORY_BYTES = 8_000_000_000
"""Memory of a worker. RLIMIT_DATA, since libraries reserve more addresses than they use."""
OK, DEFECT = "ok", "defect"
Job = Callable[[bytes], bytes]


def frame(name: str, payload: bytes) -> bytes:
    """A message to, or from, a worker."""
    body = name.encode() + b"\n" + payload
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def unframed(body: bytes) -> tuple[str, bytes]:
    """The name and the bytes of a message without its length."""
    name, _, payload = body.partition(b"\n")
    return name.decode(), payload


def work(jobs: BinaryIO, results: BinaryIO) -> None:
    """Do jobs until the parent closes the pipe."""
    while len(length := jobs.read(LENGTH_BYTES)) == LENGTH_BYTES:
        name, payload = unframed(jobs.read(int.from_bytes(length, "big")))
        results.write(frame(*_done(name, payload)))
        results.flush()


def _done(name: str, payload: bytes) -> tuple[str, bytes]:
    try:
        return OK, _job(name)(payload)
    except ParetokenError as e:
        return type(e).__name__, str(e).encode()
    except MemoryError:
        raise  # ends the process, and with it what it holds
    except Exception:  # a defect of ours must not end the worker
        traceback.print_exc()
        return DEFECT, b""


def _job(name: str) -> Job:
    module, _, function = name.partition(":")
    return cast("Job", getattr(import_module(module), function))


def limit_memory(most_bytes: int) -> None:
    """Limit the memory of this process and of each process that it starts; a larger allocation fails."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = most_bytes if hard == resource.RLIM_INFINITY else min(most_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def main() -> None:
    """Work in the folder that the command names; what a library prints goes to standard error."""
    os.chdir(sys.argv[1])
    limit_memory(MOST_MEMORY_BYTES)
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    work(sys.stdin.buffer, results)


if __name__ == "__main__":
    main()
