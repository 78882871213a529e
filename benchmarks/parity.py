"""How long `paretoken parity scan` takes on a source tree: three runs, wall and CPU seconds.

python benchmarks/parity.py vllm-0.33.0 [--engine vllm]
"""

from __future__ import annotations

import argparse
import time

from paretoken.parity.scan import scan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree")
    parser.add_argument("--engine", default="vllm")
    parser.add_argument("--date")
    given = parser.parse_args()
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        found = scan(given.engine, given.tree, date=given.date)
        took = f"{time.perf_counter() - wall:.1f} s wall, {time.process_time() - cpu:.1f} s CPU"
        print(f"{took}: {len(found.rows):,} steps, {len(found.files):,} test files")


if __name__ == "__main__":
    main()
