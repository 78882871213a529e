"""Figures of accelerators and models: one unit, one basis, and what no source states is left out in words."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from paretoken.catalog.entries import Accelerator
from paretoken.prices.outlook.scenario import find_scenario

RACKS = {"GB200": 72, "GB300": 72, "VR200": 72}
ACCELERATORS = {
    "Ascend-910B",
    "Ascend-910C",
    "DGX-Spark",
    "GH200",
    "H100-NVL",
    "H20",
    "L4",
    "RTX-4090",
    "RTX-5090",
    "RTX-PRO-6000",
    "Strix-Halo",
    "TPUv5p",
    "Trainium3",
}
PARAMETERS_B = {
    "mistralai/Mistral-Small-3.2-24B-Instruct-2506": 24,
    "mistralai/Mistral-Large-3-675B-Instruct-2512": 675,
    "mistralai/Devstral-2-123B-Instruct-2512": 125,
    "moonshotai/Kimi-K2-Thinking": 1027,
    "zai-org/GLM-4.7": 355,
    "ibm-granite/granite-4.0-h-small": 32,
    "baidu/ERNIE-4.5-300B-A47B-PT": 300,
    "tencent/Hy3-preview": 295,
}
REPORTED_MIB = {"H100": 81_559, "GB200": 189_471}


def with_figures(**figures) -> Accelerator:
    return Accelerator(
        name="X1", vendor="Acme", hbm_gib=64, hbm_tb_per_s=2, source="data sheet", date="2026", **figures
    )


@pytest.mark.parametrize(("name", "mib"), REPORTED_MIB.items())
def test_memory_is_what_the_driver_reports(catalog, name, mib):
    """`nvidia-smi` shows these; CUDA tells a program of up to 0.6 % less."""
    memory = catalog.accelerators[name].memory_bytes
    assert mib * 2**20 * 0.994 < memory < mib * 2**20 * 1.002


def test_power_has_one_basis_but_for_the_one_that_says_so(catalog):
    others = {k: a.node_kw_basis for k, a in catalog.accelerators.items() if a.node_kw_basis not in ("", "all-in")}
    assert others == {"A100": "server maximum"}


def test_power_of_a_gpu_is_plausible_by_its_basis(catalog):
    for key, a in catalog.accelerators.items():
        if a.node_kw and a.tdp_w:
            assert 1.0 < a.node_kw / a.node_kw_gpus / (a.tdp_w / 1000) < 2.5, key
        if a.node_kw_gpus:
            assert a.node_kw_gpus in (a.gpus_per_node, a.max_scaleup_gpus), key


@pytest.mark.parametrize(("name", "gpus"), RACKS.items())
def test_power_of_a_rack_is_that_of_its_72(catalog, name, gpus):
    assert catalog.accelerators[name].node_kw_gpus in (None, gpus)
    assert catalog.accelerators[name].max_scaleup_gpus == gpus


@pytest.mark.parametrize("figures", [{"node_kw": 10}, {"node_kw": 10, "node_kw_basis": "all-in"}, {"node_kw_gpus": 8}])
def test_power_without_its_basis_is_refused(figures):
    with pytest.raises(ValidationError, match="belong together"):
        with_figures(**figures)
    assert with_figures(node_kw=10, node_kw_basis="all-in", node_kw_gpus=8).node_kw == 10


NETWORKS_GB_PER_S = {
    **dict.fromkeys(("H100", "H200", "B200", "GB200", "MI300X", "MI325X", "MI355X"), 50),
    **dict.fromkeys(("B300", "GB300"), 100),
}


def test_networks_beyond_the_domain_have_a_source_and_others_are_absent(catalog):
    for key, a in catalog.accelerators.items():
        assert a.scaleout_gb_per_s == NETWORKS_GB_PER_S.get(key)
        assert (a.scaleout_gb_per_s is not None) == ("network: " in a.source), key


HOST_LINKS_GB_PER_S = {
    **dict.fromkeys(("H100", "H200", "B200", "B300", "MI300X", "MI325X", "MI350X", "MI355X"), 63),
    **dict.fromkeys(("RTX-PRO-6000", "RTX-5090"), 63),
    **dict.fromkeys(("A100", "L40S", "L4", "RTX-4090"), 31.5),
    **dict.fromkeys(("GB200", "GB300"), 225),
    "GH200": 450,
}


def test_links_to_the_host_have_a_source_and_others_are_absent(catalog):
    for key, a in catalog.accelerators.items():
        assert a.host_gb_per_s == HOST_LINKS_GB_PER_S.get(key)
        assert (a.host_gb_per_s is not None) == ("host link: " in a.source), key
        if "PCIe" in a.host_tech:  # 16 lanes of 16 or 32 GT/s, 128 of 130 bits
            gigatransfers = {"4.0": 16, "5.0": 32}[a.host_tech.split()[1]]
            assert a.host_gb_per_s == pytest.approx(gigatransfers * 16 * 128 / 130 / 8, rel=1e-3)


def test_a_link_without_its_name_is_refused():
    with pytest.raises(ValidationError, match="host_gb_per_s and host_tech belong together"):
        with_figures(host_gb_per_s=63)
    with pytest.raises(ValidationError, match="scaleout_gb_per_s and scaleout_tech belong together"):
        with_figures(scaleout_gb_per_s=50)
    assert with_figures(scaleout_gb_per_s=50, scaleout_tech="400 GbE").domain_gpus == 8


def test_corrected_figures(catalog):
    a = catalog.accelerators
    assert a["B200"].hbm_tb_per_s == 7.67
    assert a["MI250X"].scaleup_gb_per_s == 400
    assert a["MI455X"].fp4_tflops == pytest.approx(20_150, rel=0.01) and "sparsity" in a["MI455X"].notes
    assert "NVL72" in a["VR200"].name


def test_accelerators_of_the_field_are_there(catalog):
    assert set(catalog.accelerators) >= ACCELERATORS


PREDICT = "predict --model llama-3.1-8b --precision bf16 --engine vllm --isl 1024 --osl 1024 --tp 1 --accelerator"


@pytest.mark.parametrize("name", sorted(ACCELERATORS))
def test_an_accelerator_predicts_or_says_in_one_sentence_why_not(run, name):
    done = run(*PREDICT.split(), name)
    if done.code:
        assert done.err.startswith("error: ") and len(done.err.splitlines()) == 1
    else:
        assert "tok/s" in done.out


@pytest.mark.parametrize("name", ["RTX-5090", "DGX-Spark", "Strix-Halo"])
def test_without_a_rate_predict_says_which_is_missing(run, name):
    assert "no source states its dense BF16 rate" in run(*PREDICT.split(), name).err


@pytest.mark.parametrize(("name", "billions"), PARAMETERS_B.items())
def test_models_of_the_field_have_their_size(catalog, name, billions):
    assert catalog.models[name].params_total_b == pytest.approx(billions, rel=0.02)


def test_kimi_k2_thinking_is_another_model_than_k2_5(catalog):
    assert catalog.models.id_of("kimi-k2-thinking") != catalog.models.id_of("kimi-k2.5")
    assert catalog.models.id_of("kimi-k2.7") == catalog.models.id_of("kimi-k2.5")


@pytest.mark.parametrize("name", ["MI455X", "VR200"])
def test_a_coming_accelerator_is_scaled_by_the_smaller_ratio_of_the_catalog(catalog, name):
    scenario = find_scenario("mi455x-vs-vr200")
    coming = next(c for c in scenario.coming if c.name == name)
    new, old = catalog.accelerators[name], catalog.accelerators[coming.like]
    factor = min(new.hbm_tb_per_s / old.hbm_tb_per_s, new.fp4_tflops / old.fp4_tflops)
    assert coming.throughput_factor == pytest.approx(factor, rel=0.02)
    assert old.max_scaleup_gpus == 8, "both start from a server, not one from a rack"
