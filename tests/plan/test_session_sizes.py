"""Sizes of fleets under sessions agree with what one replica serves of them at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.plan import session_replay
from paretoken.plan.candidate import FleetCandidate
from paretoken.plan.replica import Replica
from paretoken.plan.session_replay import SessionReplays
from paretoken.plan.sized import SizedFleet, SizingJob, Unsized, size_fleet
from paretoken.predict.calibration.file import shipped_calibration
from paretoken.predict.deployment import Deployment
from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.pools import Worker
from paretoken.predict.simulation.run import simulate
from paretoken.predict.slo import last_that
from paretoken.predict.traces.load import load_of, mean_call
from paretoken.predict.traces.server import trace_server
from paretoken.slo import parse_slos
from paretoken.traffic.as_served import in_period, times_as_served
from paretoken.traffic.sessions import traffic_of_sessions
from tests.plan.fleets import BY_HAND, session_by_hand
from tests.support.recorded_sessions import chain, growing, trace_of

TURNS = growing(12, start=20_000, added=1_500, outputs=400)
DEPLOYMENT = Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=2, tp=2)


def steady(count: int, every_s: float):
    """Sessions without recorded durations of answers."""
    return [chain(TURNS, name=str(i), begin_s=every_s * i) for i in range(count)]


def sized(recorded, slo: str) -> SizedFleet | Unsized:
    job = SizingJob(
        candidate=FleetCandidate(DEPLOYMENT),
        traffic=traffic_of_sessions(trace_of(recorded)),
        slos=parse_slos(slo),
        spares=0,
        cold_start_s=0.0,
        calibration=shipped_calibration(),
        catalog=load_catalog(),
    )
    return size_fleet(job)


@pytest.mark.slow
def test_a_fleet_has_the_replicas_of_what_one_serves_within_the_limits():
    """The sizes agree with the search of `predict --trace --slo`, within the rounding to whole replicas."""
    slo, every_s = "tpot=25ms", 8.0
    recorded = steady(450, every_s)
    fleet = sized(recorded, slo)
    server = trace_server(DEPLOYMENT, mean_call(recorded), calibration=shipped_calibration(), catalog=load_catalog())
    some = recorded[:150]
    at = {}

    def meets(users: int) -> bool:
        at[users] = server.figures(load_of(some, users=users, idle_cap_s=None))
        return at[users].tpot_s["p50"] <= 0.025

    users = last_that(meets, 64)
    sessions_per_h = at[users].sessions_per_gpu_h * DEPLOYMENT.gpus
    assert isinstance(fleet, SizedFleet) and users > 2
    needed = 3600 / every_s / sessions_per_h
    assert abs(fleet.size.replicas - needed) <= 1.5


@pytest.mark.slow
def test_limits_that_hits_alone_make_possible_leave_no_candidate_out():
    """Whole prompts of 37,000 tokens take longer than the limit; all but 1,500 tokens of later ones are hits."""
    fleet = sized(steady(60, 30.0), "ttft_p90=1s")
    assert isinstance(fleet, SizedFleet) and fleet.size.worst.worst <= 1
    assert isinstance(sized(steady(20, 30.0), "ttft_p90=20ms"), Unsized)


def replays_of(recorded, slos=()) -> SessionReplays:
    worker = Worker(BY_HAND, SchedulerLimits(max_num_seqs=64, max_batched_tokens=100_000, kv_blocks=100_000))
    return SessionReplays(
        replica=Replica(server=worker),
        worker=worker,
        traffic=traffic_of_sessions(trace_of(recorded)),
        slos=slos,
        cache=CacheOptions(policy="vllm"),
    )


def test_one_session_at_once_on_the_curve_is_alone():
    """By hand: three calls, hits in whole blocks of 16, two tools of 2 s; Little's law gives the calls per second."""
    _, _, alone_s = session_by_hand()
    recorded = [chain(growing(3), name=str(i), begin_s=60.0 * i, call_s=0.1) for i in range(20)]
    curve = replays_of(recorded, parse_slos("ttft_p99=100s")).curve()
    assert curve.points[0].rate_s == pytest.approx(3 / alone_s)
    assert [p.rate_s for p in curve.points] == sorted(p.rate_s for p in curve.points)


def test_the_batch_of_a_point_is_what_its_sessions_decode_at_once():
    """By hand for one session; two that end together are never more than two."""
    calls, _, alone_s = session_by_hand()
    recorded = [chain(growing(3), name=str(i), begin_s=60.0 * i, call_s=0.1) for i in range(20)]
    one = replays_of(recorded, parse_slos("ttft_p99=100s")).curve().points[0]
    assert one.batch == pytest.approx(sum(0.02 * (outputs - 1) for _, outputs in calls) / alone_s)
    short = [chain(growing(1), name=str(i), begin_s=60.0 * i, call_s=0.1) for i in range(2)]
    batches = [point.batch for point in replays_of(short, parse_slos("ttft_p99=100s")).curve().points]
    assert 0 < batches[0] < 1 < batches[1] < 2


def test_a_faster_replay_is_that_of_sessions_that_begin_sooner():
    """Also after a replay of the same sessions at their own pace."""
    recorded = [chain(growing(3), name=str(i), begin_s=7.0 * i, call_s=0.1) for i in range(20)]
    replays = replays_of(recorded)
    own, fast = (replays.between(0.0, 600.0, 1, pace) for pace in (1.0, 2.0))
    sooner = load_of([replace(s, begin_s=s.begin_s / 2) for s in recorded], users=None, idle_cap_s=None)
    expected = simulate(replays.worker.step_time, replays.worker.limits, sooner, replays.replica.serving, replays.cache)
    assert fast.run.due_s.tolist() == expected.due_s.tolist() and fast.run.last_s.tolist() == expected.last_s.tolist()
    assert own.load.begin_s.tolist() == [7.0 * i for i in range(20)]
    assert replays.between(0.0, 600.0, 1).run.last_s.tolist() == own.run.last_s.tolist()


def test_the_load_of_the_same_sessions_is_built_once(monkeypatch):
    """20 sessions of 3 calls are few: every point of the curve simulates all of them."""
    built = []
    monkeypatch.setattr(session_replay, "load_of", lambda *a, **k: built.append(a) or load_of(*a, **k))
    recorded = [chain(growing(3), name=str(i), begin_s=60.0 * i, call_s=0.1) for i in range(20)]
    assert len(replays_of(recorded, parse_slos("ttft_p99=100s")).curve().points) > 3
    assert len(built) == 1


def test_calls_come_when_answers_of_the_server_let_them():
    """Answers of 100 tokens take 0.5 s and 99 gaps of 10 ms; a tool of 2 s follows each."""
    traffic = traffic_of_sessions(trace_of([chain(growing(3), name=str(i), begin_s=100.0 * i) for i in range(3)]))
    times = times_as_served(traffic, 0.5, 0.01)
    turn_s = 0.5 + 99 * 0.01 + 2.0
    assert sorted(times) == pytest.approx([100.0 * s + turn_s * call for s in range(3) for call in range(3)])
    moved, rows = in_period(traffic, times)
    assert len(moved) == len(rows) == sum(t <= traffic.span_s for t in times)
    assert moved.time_s.tolist() == sorted(moved.time_s.tolist())
