"""What each node sends, and what all of them sent together: exact shares, exact merge, clocks with a bound."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.bench.client.fidelity import WorkerTally
from paretoken.bench.fleet.clock import ClockOffset, between, offset
from paretoken.bench.fleet.merge import SentShare, merge, surviving
from paretoken.bench.fleet.share import Share, Slice, _load_json, _load_of
from paretoken.bench.plan import Closed, Open, Prepared, Stop, describe_load
from paretoken.bench.stats.summary import LevelContext, summarise
from tests.support.runs import loaded


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
            way_there, back = queue.pop()
            now[0] += way_there
            answer = now[0] + off
            now[0] += back
            return answer

        measured = offset(remote, readings=len(ways), clock=lambda: now[0])
        assert abs(measured.seconds - off) <= measured.bound_s + 1e-9
        assert measured.bound_s <= min(sum(w) for w in ways) / 2 + 1e-9

    def test_a_drift_widens_the_bound(self):
        measured = between(ClockOffset(0.010, 0.001), ClockOffset(0.014, 0.002))
        assert (measured.seconds, measured.bound_s) == (pytest.approx(0.012), pytest.approx(0.004))


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
