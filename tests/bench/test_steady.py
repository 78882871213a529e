"""The steady window against levels whose truth is known: ramps, bursts, drift, overload, too little time."""

from __future__ import annotations

import numpy as np
import pytest

from paretoken.bench.plan import Closed, Open, Stop
from paretoken.bench.stats.metrics import sample
from paretoken.bench.stats.precision import Precision, throughput_interval
from paretoken.bench.stats.steady import complete_until, find_window, latency_mask, mean_active
from paretoken.bench.stats.throughput import throughput, whole_run
from paretoken.bench.stats.trend import trend
from tests.support.levels import S, closed, opened, request, table

LIFE = 0.2 + 49 * 0.02


def noisy(mean, spread):
    return lambda rng, t: mean * rng.lognormal(0, spread)


def test_the_rate_in_the_window_is_exact_where_the_whole_run_is_not():
    """8 users in step, 50 tokens in 1.18 s: 8·50/1.18 output and 8·100/1.18 input tokens a second."""
    samples = sample(closed(8, 11.0))
    window = find_window(samples, Closed(8))
    amounts = throughput(samples, window.start_ns, window.end_ns)
    assert window.steady, window.reason
    assert amounts.output_tok_s == pytest.approx(8 * 50 / LIFE, rel=1e-9)
    assert amounts.input_tok_s == pytest.approx(8 * 100 / LIFE, rel=1e-9)
    assert window.mean_in_flight == pytest.approx(8)
    assert latency_mask(samples, window, Closed(8)).sum() == amounts.requests


def test_a_start_burst_is_outside_the_window():
    """The first round takes 3 s to its first token: 15 times the rest."""
    samples = sample(closed(10, 30.0, ttft=lambda rng, t: 3.0 if t == 0 else 0.2))
    window = find_window(samples, Closed(10))
    chosen = latency_mask(samples, window, Closed(10))
    assert window.steady, window.reason
    assert samples.ttft_s[chosen].max() == pytest.approx(0.2)
    assert throughput(samples, window.start_ns, window.end_ns).output_tok_s == pytest.approx(10 * 50 / LIFE, rel=1e-9)
    assert whole_run(samples).output_tok_s < 0.95 * 10 * 50 / LIFE


def test_a_ramp_of_users_is_outside_the_window():
    samples = sample(closed(20, 40.0, stagger_s=0.5))
    window = find_window(samples, Closed(20))
    assert window.start_ns >= 18 * 0.5 * S
    assert throughput(samples, window.start_ns, window.end_ns).output_tok_s == pytest.approx(20 * 50 / LIFE, rel=0.03)


def test_the_tail_is_outside_the_window():
    samples = sample(closed(5, 10.0, tokens=lambda rng: int(rng.integers(20, 200)), seed=3))
    window = find_window(samples, Closed(5))
    assert window.end_ns == samples.due_ns.max()
    assert window.mean_in_flight == pytest.approx(5)


def test_warm_up_seconds_and_requests_come_before_the_window():
    samples = sample(closed(4, 30.0))
    assert find_window(samples, Closed(4), Stop(warmup_s=10.0)).start_ns == 10 * S
    by_requests = find_window(samples, Closed(4), Stop(warmup_requests=12))
    assert by_requests.start_ns == pytest.approx(3 * LIFE * S, rel=1e-6)


def test_drift_is_found_and_said_in_words():
    samples = sample(closed(10, 60.0, tpot=lambda rng, t: 0.03 - 0.0003 * t + rng.normal(0, 2e-4), stagger_s=0.1))
    window = find_window(samples, Closed(10))
    assert not window.steady
    assert window.enough
    assert window.reason.startswith("no steady state: ")
    assert "still" in window.reason and window.reason.endswith("% per window")


def test_noise_alone_is_no_drift():
    steady = [
        find_window(sample(closed(8, 40.0, ttft=noisy(0.2, 0.3), tpot=noisy(0.02, 0.1), seed=seed)), Closed(8)).steady
        for seed in range(20)
    ]
    assert sum(steady) >= 19


def test_a_level_too_short_says_how_long_it_must_be():
    window = find_window(sample(closed(10, 3.0)), Closed(10))
    assert not window.steady and not window.enough
    assert "must hold at least 2 median requests" in window.reason
    assert window.needs_s > 3.0


def test_one_round_never_leaves_the_start_burst():
    window = find_window(sample(closed(10, 0.5)), Closed(10))
    assert not window.steady and not window.enough
    assert "no user began a second request" in window.reason


def test_a_load_that_is_not_reached_is_said():
    window = find_window(sample(closed(5, 10.0)), Closed(8))
    assert "only 5 of 8 users" in window.reason
    half_idle = sample(closed(8, 10.0))
    assert find_window(half_idle, Closed(8)).steady


def test_users_that_think_are_at_work():
    rows = []
    for user in range(4):
        at = 0
        while at < 40 * S:
            rows.append(request(at, [at + S, at + 2 * S], user=user))
            at += 4 * S
    samples = sample(table(rows))
    window = find_window(samples, Closed(4, think_s=2.0))
    assert window.steady, window.reason
    assert window.mean_in_flight == pytest.approx(2.0)
    assert mean_active(samples, window.start_ns, window.end_ns) == pytest.approx(4.0)


def test_users_that_think_in_step_are_cut_into_whole_rounds():
    """Lives of 1.18 s and pauses of 0.5 s: a round is 1.68 s, wherever warm-up ends in it."""
    period = 1.68
    rows = [
        request(round(k * period * S), [round((k * period + 0.2 + 0.02 * n) * S) for n in range(50)], user=user)
        for k in range(8)
        for user in range(4)
    ]
    samples = sample(table(rows))
    window = find_window(samples, Closed(4, think_s=0.5), Stop(warmup_requests=8))
    assert window.seconds == pytest.approx(5 * period)
    assert throughput(samples, window.start_ns, window.end_ns).output_tok_s == pytest.approx(4 * 50 / period)


def test_an_open_loop_within_capacity_is_steady():
    samples = sample(opened(20.0, 60.0, service_s=0.5, servers=40))
    window = find_window(samples, Open(np.zeros(0), 20.0))
    amounts = throughput(samples, window.start_ns, window.end_ns)
    assert window.steady, window.reason
    assert amounts.requests_s == pytest.approx(20.0, rel=0.08)
    assert window.mean_in_flight == pytest.approx(10.0, rel=0.1)


def test_an_open_loop_beyond_capacity_has_no_steady_state():
    samples = sample(opened(20.0, 60.0, service_s=0.5, servers=8))
    window = find_window(samples, Open(np.zeros(0), 20.0))
    assert not window.steady
    assert "requests in flight still rising" in window.reason


def test_an_open_loop_counts_those_who_waited_beyond_its_end():
    samples = sample(opened(20.0, 30.0, service_s=0.5, servers=8))
    window = find_window(samples, Open(np.zeros(0), 20.0))
    chosen = latency_mask(samples, window, Open(np.zeros(0), 20.0))
    assert samples.last_ns[chosen].max() > window.end_ns


def test_no_success_is_no_window():
    rows = [request(k * S, [], status="refused", output_tokens=-1) for k in range(5)]
    window = find_window(sample(table(rows)), Closed(1))
    assert (window.steady, window.reason) == (False, "no steady state: no request succeeded")


def test_trend_holds_its_level_and_sees_a_slope():
    rng = np.random.default_rng(1)
    false = sum(trend("x", 1 + 0.1 * rng.normal(size=12)).p_value < 0.05 for _ in range(500))
    assert false < 0.08 * 500
    rise = trend("x", np.linspace(1.0, 1.2, 12))
    assert rise.direction == "rising" and rise.p_value < 1e-4
    assert rise.change == pytest.approx(0.198, abs=0.01)
    assert trend("x", np.full(12, 3.0)).p_value == 1.0


def test_precision_says_stop_or_how_long_still():
    load = Closed(16)
    short = sample(closed(16, 6.0, tpot=noisy(0.02, 0.3), ttft=noisy(0.2, 0.3), stagger_s=0.07))
    rough = Precision(target=0.005).judge(short, load)
    assert not rough.stop and rough.seconds_left > 0
    long = sample(closed(16, 60.0, tpot=noisy(0.02, 0.05), ttft=noisy(0.2, 0.05), stagger_s=0.07))
    fine = Precision(target=0.02).judge(long, load)
    assert fine.stop and fine.seconds_left == 0.0
    assert fine.throughput < 0.02 and fine.median_tpot < 0.02
    assert Precision(target=0.02).judge(long, load) == fine


def test_precision_waits_for_a_steady_window():
    verdict = Precision().judge(sample(closed(10, 0.5)), Closed(10))
    assert not verdict.stop
    assert "no steady state" in verdict.reason


def test_precision_of_a_running_level_misses_no_tokens_in_flight():
    """A user whose long request has not ended yet has no record of the tokens it already gave."""
    whole = closed(8, 60.0, tokens=lambda rng: int(rng.integers(20, 400)), stagger_s=0.1)
    so_far = sample(whole.filter(whole["end_ns"] <= 40 * S))
    until = complete_until(so_far)
    everything = sample(whole)
    window = find_window(so_far, Closed(8), until_ns=until)
    assert window.end_ns <= until
    partial, full = (throughput(x, window.start_ns, window.end_ns) for x in (so_far, everything))
    assert partial.output_tokens == full.output_tokens
    careless = find_window(so_far, Closed(8))
    partial, full = (throughput(x, careless.start_ns, careless.end_ns) for x in (so_far, everything))
    assert partial.output_tokens < full.output_tokens


def test_the_interval_of_throughput_holds_the_truth_about_as_often_as_it_says():
    def level(seed, seconds):
        return sample(closed(8, seconds, ttft=noisy(0.2, 0.3), tpot=noisy(0.02, 0.2), seed=seed))

    long = level(999, 2000.0)
    window = find_window(long, Closed(8))
    truth = throughput(long, window.start_ns, window.end_ns).output_tok_s
    covered = 0
    for seed in range(60):
        short = level(seed, 40.0)
        interval = throughput_interval(short, find_window(short, Closed(8)), np.random.default_rng(seed))
        covered += interval.low <= truth <= interval.high
    assert covered >= 50


def in_sessions(users: int, sessions: int, calls: list[int], *, tool_s: float = 0.0, seed: int = 0):
    """Sessions dealt to users one by one, `calls[k]` calls of about 1.18 s each in session k, a tool between them."""
    rng, rows = np.random.default_rng(seed), []
    free = [(0, user) for user in range(users)]
    for k in range(sessions):
        at, user = min(free)
        free.remove((at, user))
        for turn in range(calls[k % len(calls)]):
            step = round(0.02 * S * rng.uniform(0.98, 1.02))
            arrivals = [at + round(0.2 * S) + i * step for i in range(50)]
            rows.append(request(at, arrivals, user=user, session=k, turn=turn))
            at = arrivals[-1] + round(tool_s * S)
        free.append((at - round(tool_s * S), user))
    return sample(table(rows))


def session_edges(samples, users: int):
    """(when `users` sessions had followed the first of each user, when the first user ended its last one), plainly."""
    rows = list(zip(samples.slot, samples.session, samples.due_ns, samples.end_ns, strict=True))
    begins = sorted(
        min(due for _, session, due, _ in rows if session == k) for k in {session for _, session, *_ in rows}
    )
    return begins[2 * users - 1], min(max(e for slot, *_, e in rows if slot == user) for user in range(users))


@pytest.mark.parametrize("tool_s", [0.0, 3.0])
@pytest.mark.parametrize("calls", [[6, 8, 7, 9], [30, 5, 8, 7, 9]])
def test_the_window_of_sessions_opens_after_one_generation_and_ends_when_users_leave(tool_s, calls):
    """Also where one of the first sessions outlasts all others of its generation."""
    samples = in_sessions(4, 16, calls, tool_s=tool_s)
    window = find_window(samples, Closed(4), Stop(sessions=16))
    assert (window.start_ns, window.end_ns) == session_edges(samples, 4)
    assert window.steady, window.reason
    assert window.mean_active == pytest.approx(4)
    # At the end of a time, requests and not sessions are cut: the load is full until then.
    assert find_window(samples, Closed(4), Stop(seconds=99)).end_ns == samples.due_ns.max()


def test_too_few_sessions_have_no_window_and_it_is_said():
    samples = in_sessions(4, 4, [20])
    window = find_window(samples, Closed(4), Stop(sessions=4))
    assert not window.steady and not window.enough
    assert window.reason == "no steady state: run too short: 0 sessions followed the first of 4 users, of 4 needed"
    assert window.needs_s == pytest.approx(3 * 20 * LIFE, rel=0.02)
    left = find_window(in_sessions(2, 4, [40, 30, 17, 20]), Closed(2), Stop(sessions=4))
    assert "use --until with 3 or more for each user" in left.reason and not left.enough


def test_contexts_that_grow_in_the_first_sessions_are_before_the_window():
    """Each call of a session is a tenth slower than the one before: the mean within is that of whole sessions."""
    rows, tpot = [], lambda turn: 0.02 * (1 + turn / 10)
    for user in range(6):
        at = user * S // 3
        for k in range(6):
            for turn in range(10):
                arrivals = [at + round(0.2 * S) + round(i * tpot(turn) * S) for i in range(50)]
                rows.append(request(at, arrivals, user=user, session=6 * k + user, turn=turn))
                at = arrivals[-1]
    samples = sample(table(rows))
    window = find_window(samples, Closed(6), Stop(sessions=36))
    assert window.steady, window.reason
    chosen = latency_mask(samples, window, Closed(6))
    assert samples.turn[chosen].mean() == pytest.approx(4.5, abs=0.15)
    assert samples.tpot_s[chosen].mean() == pytest.approx(np.mean([tpot(k) for k in range(10)]), rel=0.01)
