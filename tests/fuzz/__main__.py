"""`python -m tests.fuzz [INPUTS] [WORD…]`: fuzz all readers, or those whose name holds a word, and list the faults."""

from __future__ import annotations

import sys
import time

from tests.fuzz.pool import FuzzPool, kept
from tests.fuzz.registry import READERS


def main(arguments: list[str]) -> int:
    """The number of readers with a fault."""
    many, words = int(arguments[0]) if arguments else 60, arguments[1:]
    pool, bad = FuzzPool(), 0
    for name in READERS:
        if words and not any(word in name for word in words):
            continue
        start = time.monotonic()
        faults = pool.faults(name, [*kept(name), *range(many)])
        print(f"{name}: {len(faults)} faults of {many} inputs, {time.monotonic() - start:.1f} s", flush=True)
        for kind in {f.why.rpartition(" at ")[2]: f for f in faults}.values():
            print(f"    {kind}", flush=True)
        bad += bool(faults)
    pool.close()
    return bad


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
