"""One level by paretoken's client, as a command: what run.py measures from outside, like any other client."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def main() -> None:
    ask = argparse.ArgumentParser()
    ask.add_argument("url")
    ask.add_argument("folder", type=Path)
    ask.add_argument("--users", type=int, default=0)
    ask.add_argument("--rate", type=float, default=0.0)
    ask.add_argument("--seconds", type=float, default=10.0)
    ask.add_argument("--workers", type=int, default=1)
    ask.add_argument("--user-stamps", action="store_true")
    told = ask.parse_args()
    import numpy as np

    from paretoken.bench.client.run import run_level
    from paretoken.bench.plan import Closed, Endpoint, Open, Stop
    from paretoken.bench.truth.selftest import SameAgain

    if told.rate:
        gaps = np.random.default_rng(1).exponential(1 / told.rate, int(told.rate * told.seconds))
        load, stop = Open(np.cumsum(gaps), told.rate), Stop()
    else:
        load, stop = Closed(told.users), Stop(seconds=told.seconds)
    most = [0]
    result = run_level(
        [Endpoint(told.url, "truth")],
        "completions",
        SameAgain(),
        load,
        stop,
        folder=told.folder,
        workers=told.workers,
        kernel_stamps=not told.user_stamps,
        on_progress=lambda p: most.__setitem__(0, max(most[0], p.running)),
    )
    result.requests.write_parquet(told.folder / "requests.parquet")
    json.dump({"held": most[0], "fidelity": result.fidelity.to_dict()}, sys.stdout)


if __name__ == "__main__":
    main()
