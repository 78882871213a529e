"""Load from processes of this machine: they are as one client, and a node that is lost is reported.

How late a busy machine is shows in the server's log and in the level's own verdict on its client; both are checked.
"""

from __future__ import annotations

import json
import time

import numpy as np
import polars as pl
import pytest

from paretoken.bench.config import BenchConfig
from paretoken.bench.fleet.level import NodePool
from paretoken.bench.fleet.nodes import LocalNode, NodeLost, do_share, unpack
from paretoken.bench.fleet.share import Share, spec
from paretoken.bench.plan import Closed
from paretoken.bench.run_folder import RunFolder
from paretoken.bench.setup import prepare
from paretoken.bench.truth.server import read_truth
from paretoken.bench.workload.prompts import Correction
from paretoken.errors import BadConfig, ParetokenError
from tests.support.fleet_levels import agrees_with, measured, setup_for, summary_of
from tests.support.sessions import write_sessions


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
        share_spec = spec(setup.config, 1, 1, Closed(2), Correction(), Share(0, 1, 1), time.time())
        share_spec["config"]["urls"] = ["http://127.0.0.1:9/v1"]
        with pytest.raises(ParetokenError, match="nothing answers at"):
            do_share(share_spec, None)

    def test_a_node_that_is_lost_is_said_and_not_counted(self, truth, tmp_path):
        class Gone(LocalNode):
            def result(self):
                super().result()
                raise NodeLost("pulled the plug")

        reports = []
        fleet = NodePool([LocalNode(0), Gone(1), LocalNode(2)], report=reports.append)
        (level,) = measured(setup_for(truth, "8", "2s"), tmp_path / "run", fleet)
        summary = summary_of(level)
        assert summary["load"]["users"] == 3 + 2
        assert summary["fleet"]["asked_users"] == 8
        assert "here-1 is lost, its share is not counted" in summary["fleet"]["lost"][0]
        assert len(reports) == 1 and [n.name for n in fleet.nodes] == ["here-0", "here-2"]
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


def test_packed_records_are_the_same(truth, tmp_path):
    setup = setup_for(truth, "2", "1s")
    share_spec = spec(setup.config, 5, 1, Closed(2), Correction(), Share(0, 1, 1), time.time())
    requests, about = unpack(do_share(share_spec, None))
    assert requests.height > 2 and about["lost"] == 0 and len(about["tallies"]) == 1
