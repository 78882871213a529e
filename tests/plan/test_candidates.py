"""What a plan chooses from: every size that fits, each engine and layout, and a reason for what is missing."""

from __future__ import annotations

import pytest

from paretoken.errors import BadConfig, UnknownName
from paretoken.plan.candidates import LAYOUTS, MOST_OF_A_REPLICA, MOST_POOLED, FleetChoices, fleet_candidates
from paretoken.predict.calibration.file import shipped_calibration
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.slo import parse_slos

CHAT = Lengths(isl=1024, osl=256)
LIMITS = parse_slos("ttft_p99=5s,tpot=100ms")


@pytest.fixture
def candidates_of(catalog):
    """Deployments and exclusions of choices; llama-3-70b in fp8 on H200 with vLLM where nothing else is stated."""

    def find(lengths: Lengths = CHAT, **fields: object):
        stated = {"model": "llama-3-70b", "accelerators": ("H200",), "engines": ("vllm",), "precisions": ("fp8",)}
        choices = FleetChoices(**{**stated, **fields})
        candidates, excluded = fleet_candidates(choices, lengths, LIMITS, shipped_calibration(), catalog)
        return [c.deployment for c in candidates], [(x.name, x.reason) for x in excluded]

    return find


def test_every_size_that_fits(candidates_of):
    deployments, excluded = candidates_of()
    assert [(d.gpus, d.tp, d.ep) for d in deployments] == [(1, 1, 1), (2, 2, 1), (4, 4, 1), (8, 8, 1)]
    assert not excluded
    assert max(d.gpus for d in deployments) == MOST_OF_A_REPLICA
    assert [d.gpus for d in candidates_of(precisions=("bf16",))[0]] == [
        2,
        4,
        8,
    ]  # 141 GB of weights and 141 GB of memory


def test_a_model_with_experts_has_every_parallelism(candidates_of):
    deployments, _ = candidates_of(model="deepseek-r1", tp=8)
    assert {(d.gpus, d.ep > 1, d.dp_attention) for d in deployments} == {
        *((8, False, False), (8, True, False), (8, False, True), (8, True, True))
    }


def test_one_size(candidates_of):
    assert [d.gpus for d in candidates_of(tp=4)[0]] == [4]
    with pytest.raises(BadConfig, match=r"nothing can serve llama-3-70b: H200 vllm fp8: tp 3 .* use 1 or 2 or 4 or 8$"):
        candidates_of(tp=3)


def test_engines_are_those_with_data_else_the_usual(candidates_of):
    engines = {d.engine for d in candidates_of(engines=(), tp=4)[0]}
    assert "vllm" in engines and len(engines) > 1
    assert {d.engine for d in candidates_of(engines=(), tp=8, accelerators=("Gaudi3",))[0]} <= {"vllm", "sglang"}


def test_the_precision_is_the_models_own(candidates_of):
    assert {d.precision for d in candidates_of(precisions=(), tp=8)[0]} == {"bf16"}
    assert {d.precision for d in candidates_of(precisions=("fp8", "bf16"), tp=8)[0]} == {"fp8", "bf16"}


def test_a_choice_without_a_deployment_is_named_beside_the_others(candidates_of):
    deployments, excluded = candidates_of(accelerators=("H200", "MI300X"), engines=("atom",))
    assert {d.accelerator for d in deployments} == {"MI300X"}
    assert [name for name, _ in excluded] == ["H200 atom fp8"]
    assert "does not run on H200" in excluded[0][1]


def test_what_nothing_can_serve(candidates_of):
    with pytest.raises(BadConfig, match="tokens exceed the context of llama-3-70b, 131072"):
        candidates_of(Lengths(isl=900_000, osl=10))
    with pytest.raises(BadConfig, match=r"L4 vllm fp8: kimi-k2\.5 in fp8 does not fit"):
        candidates_of(model="kimi-k2.5", precisions=("fp8",), accelerators=("L4",), engines=("vllm",))
    with pytest.raises(BadConfig, match="only disaggregated; give a layout"):
        candidates_of(engines=("dynamo-vllm",))
    with pytest.raises(BadConfig, match=r"does not run on H200.* \(and 1 more\)$"):
        candidates_of(engines=("atom", "atom-vllm"))


@pytest.mark.parametrize("fields", [{"accelerators": ("B9000",)}, {"engines": ("foo",)}, {"model": "nosuch"}])
def test_names_that_the_catalog_lacks(candidates_of, fields):
    with pytest.raises(UnknownName):
        candidates_of(**fields)


class TestLayouts:
    def test_beside_one_pool(self, candidates_of):
        deployments, excluded = candidates_of(tp=4, layouts=("1xTP4+2xTP2",))
        plain, pooled = deployments
        assert isinstance(plain, Deployment) and not isinstance(pooled, Deployment)
        assert (pooled.layout, pooled.gpus, pooled.prefill.gpus, pooled.decode_workers) == ("1xTP4+2xTP2", 8, 4, 2)
        assert not excluded

    def test_alone(self, candidates_of):
        deployments, _ = candidates_of(layouts=("1xTP4+1xTP4",), pooled_only=True)
        assert [d.layout for d in deployments] == ["1xTP4+1xTP4"]

    def test_none_twice(self, candidates_of):
        assert len(candidates_of(tp=4, layouts=("1xTP4+1xTP4", "TP4+TP4"))[0]) == 2

    @pytest.mark.parametrize("layout", ["foo", "1xTP4", "1xTP4+1xTP4+1xTP4", "1xXP4+1xTP4", ""])
    def test_what_is_no_layout_is_refused_though_one_pool_serves(self, candidates_of, layout):
        with pytest.raises(BadConfig, match=r"unknown disaggregated layout .* write WORKERSxKINDGPUS"):
            candidates_of(tp=4, layouts=(layout,))

    @pytest.mark.parametrize("layout", ["0xTP4+1xTP4", "1xDEP4+1xDEP4", "1xTP3+1xTP3"])
    def test_one_that_cannot_exist_is_left_out_with_the_reason(self, candidates_of, layout):
        deployments, ((name, reason),) = candidates_of(tp=4, layouts=(layout,))
        assert len(deployments) == 1
        assert name == f"H200 vllm fp8 {layout}" and reason

    @pytest.mark.slow
    def test_a_search(self, candidates_of):
        deployments, _ = candidates_of(tp=8, layouts=("auto",))
        pooled = [d for d in deployments if not isinstance(d, Deployment)]
        assert 1 <= len(pooled) <= LAYOUTS
        assert all(d.gpus <= MOST_POOLED for d in pooled)
