"""Load from many nodes: exact shares, exact merge, clocks with a bound, a node lost, and a real Ray cluster of two.

How late a busy machine is shows in the server's log and in the level's own verdict on its client; both are asked.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.bench.client.fidelity import WorkerTally
from paretoken.bench.config import BenchConfig
from paretoken.bench.fleet.clock import ClockOffset, between, offset
from paretoken.bench.fleet.level import NodePool
from paretoken.bench.fleet.merge import SentShare, merge, surviving
from paretoken.bench.fleet.nodes import LocalNode, NodeLost, do_share, ray_nodes, unpack
from paretoken.bench.fleet.share import Share, Slice, _load_json, _load_of, spec
from paretoken.bench.fleet.spread import spread
from paretoken.bench.plan import Closed, Open, Prepared, Stop, describe_load
from paretoken.bench.run_folder import RunFolder
from paretoken.bench.setup import prepare
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.bench.sweep import sweep
from paretoken.bench.truth.server import Pace, TruthServer, read_truth, truth_server
from paretoken.bench.workload.prompts import Correction
from paretoken.errors import BadConfig, ParetokenError
from tests.support.runs import loaded
from tests.support.sessions import write_sessions


class TestShares:
    @given(users=st.integers(1, 500), nodes=st.integers(1, 20), stop=st.integers(1, 10_000))
    def test_they_add_up(self, users, nodes, stop):
        shares = [Share(n, nodes, 1) for n in range(nodes)]
        assert sum(s.load(Closed(users)).users for s in shares) == users
        assert sum(s.stop(Stop(requests=stop)).requests for s in shares) == stop
        assert [s.first(users) for s in shares] == [0, *itertools.accumulate(s.of(users) for s in shares)][:-1]

    @given(count=st.integers(0, 300), nodes=st.integers(1, 5), workers=st.integers(1, 4))
    def test_every_arrival_is_due_on_one_node_as_on_one_big_client(self, count, nodes, workers):
        due = np.arange(count) / 7
        load = Open(due, 7.0)
        parts = [Share(n, nodes, workers).load(load) for n in range(nodes)]
        assert sorted(np.concatenate([p.due_s for p in parts])) == due.tolist()
        for n, w in itertools.product(range(nodes), range(workers)):
            # process w of node n has what process w·nodes + n of one client with them all would have
            assert parts[n].due_s[w::workers].tolist() == due[w * nodes + n :: nodes * workers].tolist()

    @given(count=st.integers(0, 60), nodes=st.integers(1, 4), workers=st.integers(1, 3))
    def test_a_number_of_sessions_is_the_first_of_the_trace_each_once(self, count, nodes, workers):
        class Numbers:
            def requests(self, worker, workers):
                return itertools.count(worker, workers)

        played = []
        for share in (Share(n, nodes, workers) for n in range(nodes)):
            sessions = share.stop(Stop(sessions=count)).sessions
            for w in range(workers):
                mine = Slice(Numbers(), share).requests(w, workers)
                played += itertools.islice(mine, sessions // workers + (w < sessions % workers))
        assert sorted(played) == list(range(count))

    @given(
        st.builds(Closed, users=st.integers(4, 50), think_s=st.floats(0, 9), from_users=st.integers(0, 4)),
        st.integers(1, 4),
    )
    def test_loads_keep_all_that_is_not_shared_out(self, closed, nodes):
        shares = [Share(n, nodes, 1) for n in range(nodes)]
        for load in (replace(closed, ramp_s=3.0), Open(np.arange(12.0), 4.0, sessions=True)):
            sent = [_load_of(_load_json(share.load(load))) for share in shares]
            assert {type(part) for part in sent} == {type(load)}
            whole = surviving(load, shares)
            assert describe_load(whole) == describe_load(load)
            if isinstance(load, Open):
                assert all(part.sessions for part in sent) and whole.due_s.tolist() == load.due_s.tolist()
            else:
                assert {(part.think_s, part.ramp_s) for part in sent} == {(load.think_s, load.ramp_s)}
                assert sum(part.from_users for part in sent) == load.from_users
        stop = Stop(seconds=3.0, requests=9, sessions=8, warmup_s=1.0, drain_s=7.0)
        assert all(
            (part.seconds, part.warmup_s, part.drain_s) == (3.0, 1.0, 7.0) for part in (s.stop(stop) for s in shares)
        )

    def test_no_prompt_is_sent_twice(self):
        class Numbers:
            def requests(self, worker, workers):
                return (Prepared(str(k).encode(), 1, 1) for k in range(worker, 60, workers))

        sent = [r.body for n in range(3) for w in range(2) for r in Slice(Numbers(), Share(n, 3, 2)).requests(w, 2)]
        assert sorted(map(int, sent)) == list(range(60))


class TestClock:
    @given(
        off=st.floats(-1e4, 1e4),
        ways=st.lists(st.tuples(st.floats(1e-5, 0.5), st.floats(1e-5, 0.5)), min_size=1, max_size=10),
    )
    def test_the_truth_lies_within_the_bound(self, off, ways):
        """Two clocks `off` apart, asked over ways of known length there and back."""
        now, queue = [0.0], list(ways)

        def remote():
            there, back = queue.pop()
            now[0] += there
            answer = now[0] + off
            now[0] += back
            return answer

        found = offset(remote, readings=len(ways), clock=lambda: now[0])
        assert abs(found.seconds - off) <= found.bound_s + 1e-9
        assert found.bound_s <= min(sum(w) for w in ways) / 2 + 1e-9

    def test_a_drift_widens_the_bound(self):
        found = between(ClockOffset(0.010, 0.001), ClockOffset(0.014, 0.002))
        assert (found.seconds, found.bound_s) == (pytest.approx(0.012), pytest.approx(0.004))


def split(requests: pl.DataFrame, nodes: int, clocks: list[float]) -> list[SentShare]:
    """The records of one big client as `nodes` nodes would have given them back, each by its own clock."""
    users = int(requests["user"].max()) + 1
    sent = []
    for n in range(nodes):
        share = Share(n, nodes, 1)
        first, mine = share.first(users), share.of(users)
        rows = requests.filter(pl.col("user").is_between(first, first + mine - 1))
        start_s = 0.0 if n == 0 else int(rows["due_ns"].min()) / 1e9  # a node that began late
        by = -round(start_s * 1e9)
        moved = rows.with_columns(
            *(
                pl.when(pl.col(c) >= 0).then(pl.col(c) + by).otherwise(pl.col(c)).alias(c)
                for c in ("due_ns", "sent_ns", "headers_ns", "first_ns", "last_ns", "end_ns")
            ),
            chunk_ns=pl.col("chunk_ns").list.eval(pl.element() + by),
            user=pl.col("user") - first,
            worker=pl.lit(0, pl.Int32),
        )
        about = {
            "t0_unix_s": 1e9 + start_s + clocks[n],
            "sending_s": 10.0,
            "elapsed_s": 11.0,
            "steal": 0.0,
            "lost": 0,
            "tallies": [WorkerTally(started=rows.height).to_json()],
        }
        sent.append(SentShare(share, moved, about, ClockOffset(clocks[n], 1e-4)))
    return sent


class TestMerge:
    @settings(max_examples=12, deadline=None)
    @given(
        nodes=st.integers(1, 4),
        clocks=st.lists(st.floats(-100, 100), min_size=4, max_size=4),
        seed=st.integers(0, 3),
    )
    def test_equal_to_one_big_client(self, nodes, clocks, seed):
        """Whatever the nodes' clocks say, the merged records are those of one client, and so is all that follows."""
        whole = loaded(8, 12.0, seed=seed).sort("due_ns", maintain_order=True)
        result = merge(split(whole, nodes, clocks), Closed(8))
        keys = ["user", "due_ns"]
        columns = [c for c in whole.columns if c not in ("index", "worker")]
        mine, one = result.requests.sort(keys).select(columns), whole.sort(keys).select(columns)
        # Unix seconds as floats hold about 0.2 µs; nothing else may differ.
        for column in columns:
            if column == "chunk_ns":
                a, b = (t[column].list.explode().to_numpy() for t in (mine, one))
                assert abs(a - b).max() < 1_000
            elif column.endswith("_ns"):
                assert (mine[column] - one[column]).abs().fill_null(0).max() < 1_000
            else:
                assert mine[column].equals(one[column]), column
        assert result.requests["index"].to_list() == list(range(whole.height))
        about = LevelContext(columns={"isl": 1, "osl": 1})
        left, right = (summarise(r, Closed(8), about) for r in (result.requests, whole))
        assert left.throughput.window.output_tokens == right.throughput.window.output_tokens
        for metric in ("ttft", "tpot", "e2e"):
            assert left.latency.by_metric[metric].p50 == pytest.approx(right.latency.by_metric[metric].p50, abs=1e-5)

    def test_of_a_load_without_a_node(self):
        shares = [Share(0, 3, 1), Share(2, 3, 1)]
        assert surviving(Closed(10, 0.5), shares) == Closed(7, 0.5)
        left = surviving(Open(np.arange(9.0), 3.0), shares)
        assert left.due_s.tolist() == [0, 2, 3, 5, 6, 8] and left.rate == pytest.approx(2.0)


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """A server of known truth: first token after 50 ms, then one every 5 ms."""
    with truth_server(Pace(ttft_ms=50, itl_ms=5), log=tmp_path_factory.mktemp("truth") / "log") as server:
        yield server


def setup_for(server, users: str, until: str = "2s", **more):
    config = BenchConfig(
        urls=(server.base_url,),
        isl="16",
        osl="20",
        concurrency=users,
        until=until,
        warmup_per_user=1,
        dialect="vllm",
        **more,
    )
    return prepare(config, api_key="sk-secret")


def measured(setup, folder, fleet):
    class Nobody:
        begins = goes_on = ends = staticmethod(lambda *_: None)

    fleet.start_after_s = 1.0
    run = RunFolder(folder)
    run.create(setup.metadata("test"))
    return list(sweep(setup, run, Nobody(), run_one=fleet.measure))


def summary_of(level) -> dict:
    return json.loads((level.folder / "summary.json").read_bytes())


def agrees_with(server: TruthServer, level, answers_before: int) -> None:
    """No answer came before the server sent it; and none late, but where the client says that it was kept waiting."""
    truth, summary = read_truth(server.log, answers_before), summary_of(level)
    ttft_s, tpot_s = (summary["latency"][metric]["p50"] for metric in ("ttft_s", "tpot_s"))
    assert ttft_s >= truth.ttft_s.min() - 1e-3 and tpot_s > 0
    if not summary["fidelity"]["client_limited"]:
        assert ttft_s == pytest.approx(np.median(truth.ttft_s), abs=0.03)
        assert tpot_s == pytest.approx(np.nanmedian(truth.tpot_s), abs=0.003)


class TestProcessesHere:
    def test_three_clients_are_as_one(self, truth, tmp_path):
        fleet = NodePool([LocalNode(n) for n in range(3)])
        before = len(read_truth(truth.log).tokens)
        (level,) = measured(setup_for(truth, "7"), tmp_path / "run", fleet)
        summary = summary_of(level)
        requests = level.requests()
        assert summary["load"]["users"] == 7 and set(requests["user"]) == set(range(7))
        assert set(requests["worker"]) == {0, 1, 2}
        assert summary["errors"]["failed"] == 0 and set(requests["output_tokens"]) == {20}
        agrees_with(truth, level, before)
        assert summary["fleet"]["lost"] == [] and summary["fleet"]["start_spread_s"] >= 0
        assert requests["index"].to_list() == list(range(requests.height))
        assert "sk-secret" not in json.dumps(summary)

    def test_no_two_prompts_are_equal_and_the_open_loop_keeps_its_arrivals(self, truth, tmp_path):
        config = {"rate": "20", "arrivals": "constant", "concurrency": None, "until": "2s"}
        setup = prepare(BenchConfig(urls=(truth.base_url,), isl="16", osl="4", dialect="vllm", **config))
        (level,) = measured(setup, tmp_path / "run", NodePool([LocalNode(0), LocalNode(1)]))
        due_s = level.requests()["due_ns"].to_numpy() / 1e9
        spread_s = summary_of(level)["fleet"]["start_spread_s"]
        assert len(due_s) == len(setup.loads()[0].due_s)
        assert np.abs(np.diff(due_s) - 0.05).max() < spread_s + 1e-3

    def test_a_mistake_on_a_node_is_the_users(self, truth, tmp_path):
        setup = setup_for(truth, "2")
        told = spec(setup.config, 1, 1, Closed(2), Correction(), Share(0, 1, 1), time.time())
        told["config"]["urls"] = ["http://127.0.0.1:9/v1"]
        with pytest.raises(ParetokenError, match="nothing answers at"):
            do_share(told, None)

    def test_a_node_that_is_lost_is_said_and_not_counted(self, truth, tmp_path):
        class Gone(LocalNode):
            def result(self):
                super().result()
                raise NodeLost("pulled the plug")

        said = []
        fleet = NodePool([LocalNode(0), Gone(1), LocalNode(2)], report=said.append)
        (level,) = measured(setup_for(truth, "8", "2s"), tmp_path / "run", fleet)
        summary = summary_of(level)
        assert summary["load"]["users"] == 3 + 2
        assert summary["fleet"]["asked_users"] == 8
        assert "here-1 is lost, its share is not counted" in summary["fleet"]["lost"][0]
        assert len(said) == 1 and [n.name for n in fleet.nodes] == ["here-0", "here-2"]
        assert set(level.requests()["worker"]) == {0, 2}

    def test_all_lost(self, truth, tmp_path):
        class Gone(LocalNode):
            def clock(self):
                raise NodeLost("never there")

        with pytest.raises(ParetokenError, match="all nodes are lost"):
            measured(setup_for(truth, "2"), tmp_path / "run", NodePool([Gone(0)]))

    @pytest.mark.parametrize(
        ("users", "until", "match"), [("2", "3s", "each node at least one user"), ("8", "2%", "by precision")]
    )
    def test_what_a_fleet_cannot(self, truth, tmp_path, users, until, match):
        with pytest.raises(BadConfig, match=match):
            measured(setup_for(truth, users, until), tmp_path / "run", NodePool([LocalNode(n) for n in range(3)]))

    @pytest.mark.parametrize(("verb", "nodes"), [("bench", "--nodes 2"), ("fleet", "--nodes 2"), ("fleet", "")])
    def test_by_the_command(self, truth, call, tmp_path, monkeypatch, verb, nodes):
        monkeypatch.setattr("paretoken.bench.fleet.level.START_AFTER_S", 1.0)
        line = f"{verb} {truth.base_url} {nodes} --dialect vllm --isl 16 --osl 8 --concurrency 4 --until 1s --out run"
        code, out, err = call(line)
        assert code == 0, err
        assert "Measured" in out
        (level,) = json.loads((tmp_path / "run" / "summary.json").read_bytes())["levels"]
        assert level["fleet"]["nodes"] == level["fleet"]["sent"] == (2 if nodes else 1)

    @pytest.mark.parametrize(
        ("load", "name"),
        [
            ("--rate 20 --arrivals constant --until 7sessions", "20 sessions/s"),
            ("--concurrency 4 --until 7sessions", "4 users"),
        ],
        ids=["open", "closed"],
    )
    def test_two_nodes_play_the_sessions_of_a_trace(self, truth, call, tmp_path, monkeypatch, load, name):
        monkeypatch.setattr("paretoken.bench.fleet.level.START_AFTER_S", 1.0)
        first, then = ({"input_tokens": n, "output_tokens": 4} for n in (20, 40))
        steps = [
            {"id": "a", "call": first},
            {"id": "t", "after": ["a"], "seconds": 0.1},
            {"id": "b", "after": ["t"], "call": then | {"continues": "a"}},
        ]
        write_sessions(tmp_path / "s.jsonl", {str(k): steps for k in range(7)})
        line = f"bench {truth.base_url} --nodes 2 --workers 2 --dialect vllm --trace s.jsonl {load} --out run --json"
        code, out, err = call(line)
        assert code == 0, err
        (level,) = json.loads(out)["levels"]
        assert level["load"].get("sessions", False) == ("rate" in load)
        run = RunFolder(tmp_path / "run")
        (measured_level,) = run.levels()
        assert measured_level.summary.load.name == name
        traced = pl.read_parquet(tmp_path / "run" / "sessions.parquet")
        assert list(tmp_path.rglob("sessions.parquet")) == [tmp_path / "run" / "sessions.parquet"]
        rows = measured_level.requests()
        calls = traced.filter(traced["call"] >= 0)
        assert sorted(rows.select("session", "turn").rows()) == sorted(calls.select("session", "call").rows())
        assert set(rows["status"]) == {"ok"} and rows["session"].n_unique() == 7
        assert rows.group_by("session").agg(pl.col("worker").n_unique())["worker"].to_list() == [1] * 7
        assert rows["worker"].n_unique() == 4

    def test_many_nodes_need_an_endpoint(self, call):
        code, _, err = call("bench --nodes 2")
        assert code == 2 and "--nodes and --ray need the URL" in err


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
        said = []
        with ray_nodes(cluster.address) as nodes:
            fleet = NodePool(nodes, report=said.append)
            before = truth.log.stat().st_size
            plug = threading.Thread(target=self.pull, args=(truth.log, before, lambda: cluster.remove_node(second)))
            plug.start()
            (level,) = measured(setup_for(truth, "5", "5s"), tmp_path / "run", fleet)
            plug.join()
        assert len(said) == 1 and "its share is not counted" in said[0]
        assert len(fleet.nodes) == 1
        summary = summary_of(level)
        assert summary["load"]["users"] in (2, 3)
        assert summary["errors"]["failed"] == 0
        users = set(level.requests()["user"])
        assert users in ({0, 1, 2}, {3, 4})


def test_packed_records_are_the_same(truth, tmp_path):
    setup = setup_for(truth, "2", "1s")
    told = spec(setup.config, 5, 1, Closed(2), Correction(), Share(0, 1, 1), time.time())
    requests, about = unpack(do_share(told, None))
    assert requests.height > 2 and about["lost"] == 0 and len(about["tallies"]) == 1
