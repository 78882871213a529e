"""One level by paretoken's client, as a command: what run.py measures from outside, like any other client."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--users", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--user-stamps", action="store_true")
    options = parser.parse_args()
    import numpy as np

    from paretoken.bench.client.options import ClientOptions
    from paretoken.bench.client.run import run_level
    from paretoken.bench.plan import Closed, Endpoint, Open, Stop
    from paretoken.bench.truth.selftest import SameAgain

    if options.rate:
        gaps = np.random.default_rng(1).exponential(1 / options.rate, int(options.rate * options.seconds))
        load, stop = Open(np.cumsum(gaps), options.rate), Stop()
    else:
        load, stop = Closed(options.users), Stop(seconds=options.seconds)
    most = [0]
    result = run_level(
        [Endpoint(options.url, "truth")],
        "completions",
        SameAgain(),
        load,
        stop,
        folder=options.folder,
        client=ClientOptions(workers=options.workers, kernel_stamps=not options.user_stamps),
        on_progress=lambda p: most.__setitem__(0, max(most[0], p.running)),
    )
    result.requests.write_parquet(options.folder / "requests.parquet")
    json.dump({"most_running": most[0], "fidelity": result.fidelity.to_dict()}, sys.stdout)


if __name__ == "__main__":
    main()
