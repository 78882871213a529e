"""Work spread over processes, and over a real Ray cluster of two nodes, one of which dies."""

from __future__ import annotations

import os
import threading
import time

import pytest

from paretoken.bench.fleet.level import NodePool
from paretoken.bench.fleet.nodes import ray_nodes
from paretoken.bench.fleet.spread import spread
from paretoken.bench.truth.server import read_truth
from paretoken.errors import BadConfig
from tests.support.fleet_levels import agrees_with, measured, setup_for, summary_of


def square(value: int) -> int:
    return value * value


def fails(value: int) -> int:
    raise BadConfig(f"not {value}")


class TestSpread:
    @pytest.mark.parametrize("workers", [0, 1, 2])
    def test_same_as_a_loop(self, workers):
        assert spread(square, list(range(23)), workers=workers) == [v * v for v in range(23)]
        assert spread(square, [], workers=workers) == []

    def test_errors_come_back(self):
        with pytest.raises(BadConfig, match="not 1"):
            spread(fails, [1, 2], workers=2)


@pytest.fixture(scope="module")
def ray_cluster():
    """Two nodes, each a raylet of its own, on this machine."""
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    try:
        yield cluster, second
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.mark.filterwarnings("ignore")
class TestRay:
    """In the order written: the last test takes a node away."""

    def test_a_sweep_over_the_cluster(self, ray_cluster):
        cluster, _ = ray_cluster
        assert spread(square, list(range(17)), ray_address=cluster.address) == [v * v for v in range(17)]

    def test_two_nodes_are_as_one_client(self, ray_cluster, truth, tmp_path):
        cluster, _ = ray_cluster
        before = len(read_truth(truth.log).tokens)
        with ray_nodes(cluster.address) as nodes:
            assert len(nodes) == 2
            (level,) = measured(setup_for(truth, "6"), tmp_path / "run", NodePool(nodes))
        summary = summary_of(level)
        assert summary["load"]["users"] == 6 and set(level.requests()["worker"]) == {0, 1}
        agrees_with(truth, level, before)
        assert summary["fleet"]["clock_bound_s"] > 0
        # one machine, one clock: what was measured between the nodes must be nothing, within its own bound
        assert all(abs(s) <= summary["fleet"]["clock_bound_s"] for s in summary["fleet"]["clock_offset_s"])

    def test_more_nodes_than_there_are(self, ray_cluster):
        cluster, _ = ray_cluster
        with (
            pytest.raises(BadConfig, match="--nodes is 3 and the Ray cluster has 2 nodes"),
            ray_nodes(cluster.address, 3),
        ):
            pass

    def pull(self, log, before: int, plug) -> None:
        """Pull the plug once the server has answered: the level has begun, and is not over for seconds."""
        end = time.monotonic() + 120
        while log.stat().st_size == before and time.monotonic() < end:
            time.sleep(0.01)
        plug()

    def test_a_node_dies_while_it_sends(self, ray_cluster, truth, tmp_path):
        cluster, second = ray_cluster
        reports = []
        with ray_nodes(cluster.address) as nodes:
            fleet = NodePool(nodes, report=reports.append)
            before = truth.log.stat().st_size
            plug = threading.Thread(target=self.pull, args=(truth.log, before, lambda: cluster.remove_node(second)))
            plug.start()
            (level,) = measured(setup_for(truth, "5", "5s"), tmp_path / "run", fleet)
            plug.join()
        assert len(reports) == 1 and "its share is not counted" in reports[0]
        assert len(fleet.nodes) == 1
        summary = summary_of(level)
        assert summary["load"]["users"] in (2, 3)
        assert summary["errors"]["failed"] == 0
        users = set(level.requests()["user"])
        assert users in ({0, 1, 2}, {3, 4})
