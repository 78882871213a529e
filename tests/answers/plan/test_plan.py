"""`plan`: the ranking, what is never fewer, what is refused, and answers as JSON."""

from __future__ import annotations

import json
from math import isfinite

import orjson
import pytest

from paretoken.answers.plan.run import plan
from paretoken.answers.prediction import PredictionData
from paretoken.answers.seam import to_json
from paretoken.errors import BadConfig, NoData
from tests.support.plans import question


@pytest.fixture(scope="module")
def answer(tmp_path_factory, shipped):
    """The answer of a plan for 600 requests in 10 s; with `growth`, for more."""
    log = tmp_path_factory.mktemp("plan") / "log.csv"
    lines = [f"{i / 60:.4f},{300 + i % 400},{50 + i % 100}" for i in range(600)]
    log.write_text("\n".join(["time_s,input_tokens,output_tokens", *lines]))
    data = PredictionData.of(question())

    def ask(**fields: object):
        return plan(question(**{"log": log, "rate": None, "isl": None, "osl": None, **fields}), data, shipped)

    return ask


CHOICE = {"accelerators": ("H200", "MI300X"), "tp": None}


@pytest.mark.slow
class TestPlan:
    def test_rows_by_rising_cost(self, answer):
        rows = answer(**CHOICE).rows
        costs = [r.bills[0].usd_per_day for r in rows]
        assert len(rows) > 4 and costs == sorted(costs) and [r.rank for r in rows] == list(range(1, len(rows) + 1))
        assert rows[0].cheaper == 0.5 and all(0 <= r.cheaper <= 1 for r in rows)
        assert {r.accelerator for r in rows} == {"H200", "MI300X"}
        assert len(answer(**CHOICE, top=3).rows) == 3

    def test_a_row_is_its_fleet(self, answer):
        (r,) = answer().rows
        assert r.gpus == (r.replicas + r.spares) * r.gpus_per_replica and r.replicas == max(h.replicas for h in r.hours)
        assert 0 < r.utilisation <= 1 <= r.headroom
        assert r.bills[0].usd_per_task == pytest.approx(r.bills[0].usd_per_day / (60 * 86_400), rel=0.01)
        tokens_s = (400 * 499.5 + 200 * 399.5 + 600 * 99.5) / 10
        assert r.bills[0].usd_per_mtok == pytest.approx(r.bills[0].usd_per_day / (tokens_s * 0.0864), rel=0.02)

    def test_more_traffic_never_needs_fewer_gpus(self, answer):
        gpus = [answer(growth=g).rows[0].gpus for g in (1, 1.5, 2, 4)]
        assert gpus == sorted(gpus) and gpus[-1] > gpus[0]

    def test_more_confidence_never_needs_fewer_gpus(self, answer):
        of = [answer(growth=10, confidence=c).rows[0] for c in (0.5, 0.51, 0.8, 0.9, 0.95)]
        assert [r.gpus for r in of] == sorted(r.gpus for r in of) and of[-1].gpus > of[0].gpus
        assert of[3].gpus == of[0].gpus_at_90 == of[3].gpus_at_90

    def test_the_closed_form_errs_as_far_as_its_limit_does(self, answer):
        ttft, tpot = (answer(slo=slo, confidence=0.9).rows[0] for slo in ("ttft_p95=150ms", "tpot=50ms"))
        assert min(ttft.probability, tpot.probability) >= 0.9
        assert ttft.headroom > 2  # TTFT is far less certain than TPOT, whose error is no factor of two

    def test_requests_that_no_replica_serves_are_refused(self, answer, tmp_path):
        log = tmp_path / "long.csv"
        lines = [f"{i / 10:.1f},{200_000 if i % 20 == 0 else 1000},100" for i in range(600)]
        log.write_text("\n".join(["time_s,input_tokens,output_tokens", *lines]))
        for coarse in (True, False):
            with pytest.raises(NoData, match=r"longer than the 131,072 tokens .* 30 requests of 600"):
                answer(log=log, slo="ttft_p95=20s", coarse=coarse)

    def test_spares_and_tasks(self, answer):
        bare, one, more = (answer(spares=n).rows[0].gpus for n in (0, 1, 3))
        assert (one - bare, more - bare) == (4, 12)
        three = answer(requests_per_task=3.0)
        assert three.task == "3 requests"
        assert three.rows[0].bills[0].usd_per_task == pytest.approx(3 * answer().rows[0].bills[0].usd_per_task)

    def test_the_largest_fleet_is_bounded(self, answer):
        gpus = answer().rows[0].gpus
        with pytest.raises(NoData, match=f"it needs {gpus} GPUs, more than {gpus - 1}"):
            answer(most_gpus=gpus - 1)
        assert answer(most_gpus=gpus).rows[0].gpus == gpus

    def test_a_price_of_ones_own(self, answer):
        (r,) = answer(price_usd_per_gpu_h={"h200": 1.0}, contracts=("on-demand",)).rows
        assert [(b.contract, b.usd_per_day) for b in r.bills] == [("stated, fixed", pytest.approx(r.gpus * 24))]

    def test_what_cannot_be_planned(self, answer):
        with pytest.raises(BadConfig, match="the SLO is empty"):
            answer(slo=" , ")
        with pytest.raises(NoData, match="no fleet meets tpot=1ms"):
            answer(slo="tpot=1ms")
        with pytest.raises(NoData, match="H200 has no price under 5-year; add 'price_usd_per_gpu_h' H200=USD"):
            answer(contracts=("5-year",))

    def test_json_has_numbers_where_its_schema_does(self, answer):
        made = answer(**CHOICE)
        text = orjson.dumps(to_json(made))
        assert json.loads(text, parse_constant=pytest.fail) == to_json(made)
        assert all_finite(to_json(made))


@pytest.mark.slow
def test_simulated(answer):
    closed, made = answer(), answer(coarse=False)
    (r,) = made.rows
    assert r.simulated == "busiest hour" and closed.rows[0].simulated == "closed form"
    assert [limit.text for limit in r.limits] == ["ttft_p95=2s", "tpot=50ms"]
    assert all(limit.ratio <= 1 and limit.value == pytest.approx(limit.ratio * limit.bound) for limit in r.limits)
    assert abs(r.replicas - closed.rows[0].replicas) <= 2 and 0 <= r.probability <= 1
    assert all_finite(to_json(made))
    assert to_json(answer(coarse=False)) == to_json(made)


@pytest.mark.slow
def test_the_first_fleet_is_sized_by_whole_hours():
    """Of an hour with more requests than a comparison replays."""
    rows = plan(question(coarse=False, rate="3/s", accelerators=("H200", "H100", "B200", "MI300X"), top=20)).rows
    replayed = [r.simulated for r in rows]
    assert replayed[0] == "busiest hour" and "sampled hours" in replayed


@pytest.mark.slow
@pytest.mark.parametrize("slo", ["tpot=1ms", "ttft_p95=1ms,tpot=50ms", "e2e=10ms"])
def test_the_nearest_slo_that_is_named_is_met(answer, slo):
    with pytest.raises(NoData, match="it meets") as refused:
        answer(coarse=False, slo=slo)
    assert answer(coarse=False, slo=str(refused.value).rpartition("it meets ")[2]).rows


@pytest.mark.slow
def test_progress_is_shown():
    calls: list[tuple[int, int]] = []
    plan(question(coarse=False, rate="1000/day"), None, None, lambda done, total: calls.append((done, total)))
    assert calls == [(1, 1)]


@pytest.mark.slow
def test_a_simulated_fleet_never_shrinks(answer):
    """With more traffic, and with more confidence."""
    one, two = (answer(coarse=False, growth=g).rows[0].gpus for g in (1, 2))
    sure = answer(coarse=False, confidence=0.9).rows[0].gpus
    assert one < two and one <= sure


def all_finite(value: object) -> bool:
    """Whether no number of a JSON value is infinite or NaN."""
    if isinstance(value, dict):
        return all(map(all_finite, value.values()))
    if isinstance(value, list):
        return all(map(all_finite, value))
    return not isinstance(value, float) or isfinite(value)
