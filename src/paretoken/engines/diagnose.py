"""Why a server failed, from its exit status and the last lines of its log."""

from __future__ import annotations

import re
from pathlib import Path

KINDS = {
    "out of GPU memory": "ran out of GPU memory",
    "out of memory": "ran out of host memory",
    "port in use": "cannot use its port, which is taken",
    "no model": "cannot find its model",
    "no GPU": "finds no GPU",
    "bad flag": "refused an argument",
    "hang": "is running but does not answer",
    "slow start": "was not ready in time",
    "crash": "ended unexpectedly",
}
"""Kinds of failure, and how a message states them."""

_SIGNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (
            "out of GPU memory",
            r"(cuda|hip|torch)\S*[ .:]*out ?of ?memory|(CUDA|hip)_?ERROR_?OUT_?OF_?MEMORY|"
            r"no available memory for the cache blocks|free memory on device .* is less than desired|"
            r"not enough memory\. please try to increase --mem-fraction",
        ),
        (
            "out of memory",
            r"\bMemoryError\b|std::bad_alloc|cannot allocate memory|oom-?kill|"
            r"DefaultCPUAllocator: can't allocate|failed to allocate (CPU )?buffer",
        ),
        ("port in use", r"address already in use|EADDRINUSE|couldn't bind .*socket|failed to bind socket"),
        ("no GPU", r"no (CUDA|HIP) GPUs are available|found no NVIDIA driver|libcuda\.so.*cannot open|no HIP-capable"),
        (
            "no model",
            r"repository not found|is not a (valid model identifier|local folder)|no such file or directory.*"
            r"(gguf|safetensors|config\.json)|failed to open GGUF|failed to load model",
        ),
        ("bad flag", r"unrecognized arguments|no such option|invalid choice:|unexpected extra argument"),
    )
)


def kind_of(log: str, status: int | None, oom_kills: int = 0) -> str:
    """One of KINDS, by the first sign in the log; `status` as `ServerProcess.ended` gives it, None while it runs."""
    for kind, sign in _SIGNS:
        if sign.search(log):
            return kind
    if oom_kills and status == -9:
        return "out of memory"
    return "hang" if status is None else "crash"


def oom_kills(events: Path = Path("/sys/fs/cgroup/memory.events")) -> int:
    """How often the kernel has killed a process of our container for memory (Linux, cgroup v2); 0 where unknown."""
    try:
        words = dict(line.split() for line in events.read_text(encoding="ascii").splitlines())
        return int(words["oom_kill"])
    except (OSError, ValueError, KeyError):
        return 0
