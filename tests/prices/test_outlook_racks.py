"""Like with like: racks start from a rack's predicted serving, and racks beside boxes are named."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from paretoken.answers.outlook import OutlookQuestion, outlook
from paretoken.answers.points import Data
from paretoken.answers.pool_search import PoolSearchQuestion, search_disaggregated
from paretoken.answers.scenario_rack import rack_starts, undecided, unlike
from paretoken.answers.scenario_start import ScenarioStart
from paretoken.answers.seam import to_json
from paretoken.cli.price.outlook import print_outlook
from paretoken.errors import BadConfig
from paretoken.prices.cost import usd_per_mtok
from paretoken.prices.outlook.project import Today, project
from paretoken.prices.outlook.scenario import find_scenario
from tests.prices.test_outlook import COMING, H200, MI300X, TODAY, scenario
from tests.support.points import prepared

ON_RACKS = {
    "serving": '"rack"',
    "e2e_s": "",
    "interactivity": "60",
    "accelerators": '["GB200", "VR200"]',
    "reference": '"GB200"',
}
COMING_RACK = """
[[coming]]
name = "VR200"
usd_per_gpu_h = 4
available = 2027-03-01
source = "test"
"""
START = ScenarioStart(engine="vllm", software="1", date=None, origin="published", source="a", tput_per_gpu=1.0, tp="8")


def test_a_prediction_moves_with_its_interval(tmp_path):
    changes = '[[change]]\naccelerator = "VR200"\non = 2027-04-01\nthroughput_factor = 2\n'
    racks = scenario(tmp_path, **ON_RACKS, **{"[c": COMING_RACK + changes})
    today = Today(
        {"GB200": 1000.0, "VR200": 3000.0},
        {"GB200": 2.0},
        interval={"VR200": (2000.0, 4000.0)},
        basis={"VR200": "predicted 1xDEP8+1xDEP64"},
    )
    states = project(racks, today)
    new = [s for s in states if s.accelerator == "VR200"]
    assert [s.day for s in new] == [date(2027, 4, 1), date(2027, 7, 1), date(2027, 10, 1)]
    assert (new[0].tput_per_gpu, new[0].interval, new[0].basis) == (6000, (4000, 8000), "predicted 1xDEP8+1xDEP64")
    assert new[0].usd_per_mtok_interval == (usd_per_mtok(4, 8000), usd_per_mtok(4, 4000))
    assert new[0].break_even_usd_per_gpu_h == 12
    assert {s.interval for s in states if s.accelerator == "GB200"} == {None}


def test_overlapping_intervals_decide_nothing(tmp_path):
    racks = scenario(tmp_path, **ON_RACKS, **{"[c": COMING_RACK})
    tput, price = {"GB200": 1000.0, "VR200": 3000.0}, {"GB200": 2.0}
    near = project(racks, Today(tput, price, interval={"GB200": (700, 1400), "VR200": (2000, 4000)}))
    (line,) = undecided(near)
    assert "VR200 and GB200 overlap" in line
    far = project(racks, Today(tput, price, interval={"GB200": (900, 1100), "VR200": (2900, 3100)}))
    assert list(undecided(far)) == []


def test_racks_beside_boxes_are_named(tmp_path, catalog):
    mixed = scenario(tmp_path, reference='"GB200"', accelerators='["GB200", "B200", "MI300X"]')
    (line,) = unlike(mixed, {}, catalog)
    assert "racks with 72 GPUs in a scale-up domain (GB200) beside boxes with 8 (B200 and MI300X)" in line
    for alike in ('["GB200", "GB300"]', '["GB200"]'):
        assert not list(unlike(scenario(tmp_path, reference='"GB200"', accelerators=alike), {}, catalog))
    boxes = scenario(tmp_path, accelerators='["H200", "L40S"]', **{"[c": COMING.format("H200")})
    assert not list(unlike(boxes, {}, catalog))


def test_two_servings_are_named(tmp_path, catalog):
    plain = scenario(tmp_path, accelerators='["H200", "MI300X"]', serving='"any"')
    starts = {"H200": replace(START, disaggregated=True), "MI300X": START}
    (line,) = unlike(plain, starts, catalog)
    assert "H200 served disaggregated and MI300X in one pool" in line
    assert not list(unlike(plain, dict.fromkeys(starts, START), catalog))


def test_the_answer_says_what_is_not_alike(tmp_path, catalog):
    data = Data(catalog, prepared(*H200, *MI300X))
    assert outlook(OutlookQuestion(scenario=scenario(tmp_path)), data).unlike == ()
    rack = COMING.format("H200").replace('"New"', '"VR200"')
    answer = outlook(OutlookQuestion(scenario=scenario(tmp_path, **{"[c": rack})), data)
    assert len(answer.unlike) == 1 and "racks with 72 GPUs in a scale-up domain (VR200)" in answer.unlike[0]


def test_a_box_is_no_rack(tmp_path, catalog):
    boxes = scenario(tmp_path, **(ON_RACKS | {"accelerators": '["GB200", "B200"]'}))
    with pytest.raises(BadConfig, match="B200 has a scale-up domain of 8 GPUs, less than the rack of 72"):
        rack_starts(boxes, catalog)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"[c": COMING.format("GB200")}, "leave its like out"),
        ({"interactivity": "", "e2e_s": "20"}, "needs a precision, an interactivity"),
        ({"precision": ""}, "needs a precision"),
        ({"speculative": '"any"'}, "speculative = none"),
        ({"accelerators": ""}, "needs accelerators"),
        ({"serving": '"single-node"', "[c": COMING_RACK}, "VR200 needs like"),
        ({"[r": "[rack]\ngpus = 0\n"}, "greater than 0"),
        ({"[r": "[rack]\ngpu = 72\n"}, "gpu"),
    ],
)
def test_a_bad_scenario_of_racks_says_why(tmp_path, changes, says):
    with pytest.raises(BadConfig, match=says):
        scenario(tmp_path, **(ON_RACKS | changes))


def test_states_without_a_prediction_are_as_before(tmp_path):
    states = project(scenario(tmp_path), TODAY)
    assert {(s.interval, s.usd_per_mtok_interval, s.basis) for s in states} == {(None, None, "own frontier")}


@pytest.mark.slow
def test_a_rack_starts_from_the_best_predicted_layout(call, tmp_path, catalog):
    """The same figure as `predict --disaggregated auto` on the same GPUs and limits."""
    racks = find_scenario("mi455x-vs-vr200-racks").model_copy(update={"accelerators": ("GB300",), "reference": "GB300"})
    start = rack_starts(racks.model_copy(update={"coming": ()}), catalog)["GB300"]
    question = PoolSearchQuestion(
        model="deepseek-r1",
        precision="fp4",
        accelerator="GB300",
        engine="sglang",
        isl=1024,
        osl=1024,
        gpus=72,
        slo="ttft=5s,interactivity=60",
    )
    best = search_disaggregated(question).best[0]
    assert start.tput_per_gpu == best.total_tput_per_rented_gpu_tok_s and start.layout == best.row.layout
    assert start.interval[0] < start.tput_per_gpu < start.interval[1]


@pytest.mark.slow
def test_the_shipped_racks(capsys):
    scenario = find_scenario("mi455x-vs-vr200-racks")
    played = outlook(OutlookQuestion(scenario=scenario))
    print_outlook(scenario, played)
    out = capsys.readouterr().out
    assert out.startswith("SCENARIO") and "predicted" in out and "overlap: either may be cheaper" in out
    answer = to_json(played)
    assert answer["origin"] == "scenario" and answer["winners"]
    assert answer["unlike"] == [] and answer["verdict_today"] is None
    starts = answer["starts_from"]
    assert {s["origin"] for s in starts.values()} == {"predicted"} and set(starts) == {"MI455X", "VR200", "GB300"}
    # Between the peaks' ratios: FP4 20 over 35 PFLOPS, HBM 23.3 over 22 TB/s.
    ratio = starts["MI455X"]["tput_per_gpu"] / starts["VR200"]["tput_per_gpu"]
    assert 20 / 35 < ratio < 23.3 / 22
    assert answer["undecided"]
    assert all(s["interval"][0] < s["tput_per_gpu"] < s["interval"][1] for s in answer["states"])
