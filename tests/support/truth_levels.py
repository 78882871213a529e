"""Load levels against a truth server."""

from __future__ import annotations

from paretoken.bench.client.fidelity import Fidelity
from paretoken.bench.client.options import ClientOptions
from paretoken.bench.client.run import run_level
from paretoken.bench.truth.selftest import SameAgain
from paretoken.bench.truth.server import Pace, read_truth, truth_server

QUICK = Pace(ttft_ms=20, itl_ms=5)


def level(folder, load, stop, *, pace=QUICK, tokens=10, extra="", compiled=None, on_progress=None, **client):
    """One level against a truth server; (result, what the server did)."""
    with truth_server(pace, log=folder / "truth.log", compiled=compiled) as server:
        result = run_level(
            [server.endpoint],
            "completions",
            SameAgain(tokens, extra),
            load,
            stop,
            folder=folder / "run",
            client=ClientOptions(**client),
            on_progress=on_progress,
        )
    return result, read_truth(folder / "truth.log")


def undisturbed(fidelity: Fidelity) -> bool:
    """Whether the client says that nothing kept it from its work; else even the server's own log is coarse."""
    return not fidelity.client_limited and fidelity.cpu_wait_share < 0.05
