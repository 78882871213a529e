"""The closed loop over two pools against what must hold of any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from paretoken.predict.calibration.file import shipped_calibration
from paretoken.predict.pools.predictor import base_columns, pool_columns
from paretoken.predict.pools.steady import DecodeCurve, PrefillTimes, pooled_steady, prefill_times
from paretoken.predict.terms import decode_seconds
from tests.predict.pools.conftest import case_of

USERS = (1, 4, 16, 64, 256, 1024, 4096)
LAYOUTS = ("1xDEP4+1xDEP8", "1xTP4+4xTP8", "4xDEP4+1xDEP32", "6xTEP4+1xDEP16")


@pytest.fixture(scope="module")
def columns(catalog):
    cases = [case_of(layout, n) for layout in LAYOUTS for n in USERS]
    return base_columns(cases, shipped_calibration(), catalog)


def test_littles_law(columns):
    s = pooled_steady(columns)
    tokens = columns.decode_load.osl - 1
    np.testing.assert_allclose(s.ttft_s + s.tpot_s * tokens, s.e2e_s, rtol=1e-9)
    decoding = s.batch * columns.decode_workers
    np.testing.assert_allclose(columns.users * s.tpot_s * tokens / s.e2e_s, decoding, rtol=1e-6)
    parts = s.lead_s + s.prompt_s + s.waiting_s + s.transfer_s
    np.testing.assert_allclose(parts, s.ttft_s, rtol=1e-6)


def test_tpot_is_the_step_at_the_batch(columns):
    plain = replace(columns, decode_pace=np.zeros_like(columns.decode_pace))
    s = pooled_steady(plain)
    context = plain.decode_load.isl + plain.decode_load.osl / 2
    step = decode_seconds(plain.decode, plain.decode_multipliers, np.maximum(s.batch, 0.7), context)
    np.testing.assert_allclose(s.tpot_s, step / plain.decode.engine.accepted, rtol=2e-3)


def test_twice_the_workers_serve_twice_the_users(columns):
    one = pooled_steady(columns)
    double = replace(
        columns,
        users=2 * columns.users,
        prefill_workers=2 * columns.prefill_workers,
        decode_workers=2 * columns.decode_workers,
    )
    two = pooled_steady(double)
    np.testing.assert_allclose(two.tpot_s, one.tpot_s, rtol=1e-3)
    np.testing.assert_allclose(two.ttft_s, one.ttft_s, rtol=0.03)
    shared = columns.users > 1  # of more workers, one is idle more often
    assert (two.ttft_s <= one.ttft_s * 1.002)[shared].all()


def test_a_prefill_step_takes_what_came_in_the_one_before():
    """Rates from none to full: a step of 10 ms takes 5 ms more for each prompt that came in it, or for one."""
    rate = np.array([0.0, 1.0, 20.0, 80.0, 150.0, 199.0])
    per_step, per_prompt = np.full(6, 0.01), np.full(6, 0.005)
    times = PrefillTimes(per_step + per_prompt, per_prompt + per_step / 50, np.full(6, 50.0), per_step, per_prompt)
    waits = times.rest_s(rate, np.ones(6))
    assert waits[0] == 0 and (np.diff(waits) > 0).all()
    step = np.full(6, 0.015)
    for _ in range(3000):
        came = np.minimum(rate * step, 50)
        step = per_step + per_prompt * np.minimum(came + np.exp(-came), 50)
    busy = came / (came + np.exp(-came))
    np.testing.assert_allclose(waits, busy * (step / 2 + per_prompt * came), rtol=1e-4)
    assert (times.rest_s(2 * rate, np.full(6, 2.0)) <= waits).all()
    assert (replace(times, places=np.ones(6)).rest_s(rate, np.ones(6)) == 0).all()


def test_a_prompt_waits_half_a_decode_step_for_its_place(columns):
    """Where prefill takes no time; with one user nothing decodes."""
    s = pooled_steady(replace(columns, prefill_pace=columns.prefill_pace - 12))
    step = s.tpot_s * columns.decode.engine.accepted
    many, one = (columns.users >= 64) & (columns.users <= 256), columns.users == 1
    np.testing.assert_allclose(s.waiting_s[many], step[many] / 2, rtol=0.02)
    assert (s.waiting_s[one] < 1e-3 * step[one]).all()


def test_prefill_bounds_the_throughput(columns):
    slow = replace(columns, prefill_pace=columns.prefill_pace + np.log(50))
    times = prefill_times(slow.prefill, slow.prefill_multipliers, slow.prefill_load)
    most = slow.prefill_workers / (times.full_s * np.exp(slow.prefill_pace))
    s = pooled_steady(slow)
    assert (s.prefill_busy <= 1).all()
    loaded = slow.users >= 1024
    np.testing.assert_allclose((slow.users / s.e2e_s)[loaded], most[loaded], rtol=0.15)


@pytest.mark.parametrize("slower", ["transfer_s", "prefill_pace", "decode_pace", "lead"])
def test_nothing_slower_makes_a_request_faster(columns, slower):
    s = pooled_steady(columns)
    value = getattr(columns, slower)
    worse = pooled_steady(replace(columns, **{slower: value + 0.2}))
    assert (worse.e2e_s >= s.e2e_s * (1 - 1e-6)).all()
    assert (worse.e2e_s > s.e2e_s * 1.0001).any()


def test_more_users_never_get_their_answers_sooner(columns):
    s = pooled_steady(columns)
    for name in ("e2e_s", "ttft_s"):
        assert (np.diff(getattr(s, name).reshape(len(LAYOUTS), -1), axis=1) >= -1e-6).all()


def test_users_beyond_the_slots_wait_for_their_first_token(catalog):
    few = {"settings": replace(case_of().pools.decode.settings, max_num_seqs=4)}
    cases = [case_of("4xTP4+1xTP8", n, **few) for n in (4, 64)]
    s = pooled_steady(pool_columns(cases, shipped_calibration(), catalog))
    assert s.batch[1] <= 4 + 1e-6
    assert s.ttft_s[1] > 10 * s.ttft_s[0]
    np.testing.assert_allclose(s.tpot_s[1], s.tpot_s[0], rtol=0.2)


def test_a_curve_is_read_off_between_its_batches(columns):
    curve = DecodeCurve.of(columns)
    rows = np.arange(len(columns.users))
    for k in (0, 17, 47):
        np.testing.assert_allclose(curve.tpot_s(curve.log_batch[:, k]), np.exp(curve.log_tpot[rows, k]), rtol=1e-6)
