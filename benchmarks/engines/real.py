"""A real engine on CPUs, from a fresh clone to figures, with one command.

    python benchmarks/engines/real.py vllm
    python benchmarks/engines/real.py transformers
    python benchmarks/engines/real.py llamacpp

Installs the engine into an environment of its own (first time only), makes a small random model, serves it,
runs `paretoken bench` against it, shows its table, and stops it. Other options go to `paretoken bench`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from recipes import ENGINES, serving
from venvs import NotInstalled


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("engine", choices=ENGINES)
    ask.add_argument("--cpu", type=int, help="CPU that the server is kept on")
    ask.add_argument("--isl", default="64")
    ask.add_argument("--osl", default="32")
    ask.add_argument("--concurrency", default="1,4,16")
    told, more = ask.parse_known_args()
    try:
        with serving(told.engine, told.cpu) as server:
            print(f"{told.engine} ready in {server.ready_s:.1f} s", file=sys.stderr)
            words = [
                sys.executable,
                "-m",
                "paretoken",
                "bench",
                server.base_url,
                "--model",
                server.model,
                "--isl",
                told.isl,
                "--osl",
                told.osl,
                "--concurrency",
                told.concurrency,
                "--until",
                "8s",
                *server.options,
                *more,
            ]
            return subprocess.run(words).returncode
    except NotInstalled as why:
        print(f"error: {told.engine} {why}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
