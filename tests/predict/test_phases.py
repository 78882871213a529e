"""The shares of prefill and decode in GPU time, as predicted and by the GPUs of two pools."""

from __future__ import annotations

import pytest

from paretoken.errors import NoData, ParetokenError
from paretoken.predict.phases import shares_of_point
from tests.support.points import prepared, row

WORKERS = {"prefill_workers": 1, "decode_workers": 3, "prefill_tp": 8, "engine": "dynamo-trtllm"}


def point(**changes) -> dict:
    figures = {"total_tput_per_gpu_tok_s": 500.0, "median_e2e_s": 9.0, "median_tpot_s": 0.008, **changes}
    return prepared(row(**figures)).row(0, named=True)


def share(catalog, **changes) -> float:
    return shares_of_point(point(**changes), catalog).prefill_share


def test_longer_prompts_and_shorter_answers_take_more_prefill(catalog):
    chat = share(catalog)
    assert 0 < chat < 0.5
    assert share(catalog, isl=8192) > 2 * chat
    assert share(catalog, osl=128) > 2 * chat


def test_more_users_take_more_prefill_since_decode_steps_are_shared(catalog):
    shares = [share(catalog, concurrency=users) for users in (1.0, 8.0, 64.0)]
    assert shares == sorted(shares)
    assert shares[0] > 0.002, "a single user's prompts take time, too"


def test_two_pools_say_it_by_their_gpus(catalog):
    pools = {"disaggregated": True, "prefill_gpus": 8, "decode_gpus": 24, "n_gpus": 32, "multinode": True}
    shares = shares_of_point(point(**pools), catalog)
    assert shares.prefill_share == 0.25
    assert "8 prefill, 24 decode" in shares.basis
    served = point(**pools, **WORKERS, date=None, concurrency=500.0 * 32 * 9.0 / 2048)
    assert shares_of_point(served, catalog).kv_share > 0
    with pytest.raises(NoData, match="GPUs of both pools"):
        shares_of_point(point(disaggregated=True), catalog)


def test_the_share_of_the_kv_cache_grows_with_the_context(catalog):
    short, long = (shares_of_point(point(isl=isl, concurrency=64.0), catalog).kv_share for isl in (1024, 16_384))
    assert 0 < short < long < 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_gpus": None}, "GPUs"),
        ({"concurrency": None, "load_kind": "open", "request_rate": 3.0}, "concurrency"),
        ({"precision": None}, "precision"),
        ({"accelerator": "my-chip"}, "my-chip"),
    ],
)
def test_a_point_that_cannot_be_predicted_says_why(catalog, changes, words):
    with pytest.raises(ParetokenError, match=words):
        shares_of_point(point(**changes), catalog)
