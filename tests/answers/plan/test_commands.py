"""The commands of a fleet: what a server takes, and what its autoscaler holds it at."""

from __future__ import annotations

import shlex
from itertools import pairwise
from types import SimpleNamespace

import pytest

from paretoken.answers.plan.commands import start_commands
from paretoken.plan.candidate import FleetCandidate
from paretoken.predict.deployment import Deployment

TP4 = FleetCandidate(Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=4, tp=4))


def options(users: float | None, *, fixed: bool, catalog) -> list[dict[str, str]]:
    """The options of each command of a fleet of 2 to 6 replicas and a spare."""
    need = SimpleNamespace(candidate=TP4, replicas=(2, 6, 4), spares=1)
    words = [shlex.split(line) for line in start_commands(need, users, catalog, fixed=fixed)]
    return [{w: more for w, more in pairwise(line) if w.startswith("--")} for line in words]


@pytest.mark.parametrize("users", [1.0, 7.3, 64.0, 300.0])
def test_an_autoscaler_holds_a_server_below_what_meets_the_limits(catalog, users):
    scaled, server = options(users, fixed=False, catalog=catalog)
    assert (scaled["--replicas"], scaled["--max-replicas"]) == ("3", "7")
    assert int(scaled["--target-requests"]) <= max(users * 0.85, 1)
    assert int(scaled["--target-requests"]) > users * 0.85 - 1
    assert int(scaled["--concurrency"]) == int(server["--concurrency"]) >= users + 2 * users**0.5
    assert int(server["--concurrency"]) < users + 2 * users**0.5 + 1


def test_a_fixed_fleet_has_no_target(catalog):
    fixed, server = options(64.0, fixed=True, catalog=catalog)
    assert fixed["--replicas"] == "7" and fixed["--concurrency"] == server["--concurrency"] == "80"
    assert "--target-requests" not in fixed and "--max-replicas" not in fixed


def test_without_a_number_of_requests_none_is_stated(catalog):
    for line in options(None, fixed=False, catalog=catalog):
        assert "--concurrency" not in line and "--target-requests" not in line
