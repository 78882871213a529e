"""Whose deviations an accelerator takes where it was not measured; no better machine is predicted slower."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.predict.calibration.effects import EffectKey
from paretoken.predict.calibration.file import SeenCase, shipped_calibration
from paretoken.predict.calibration.stand_ins import stand_ins
from paretoken.predict.configure import case
from paretoken.predict.deployment import Case, Deployment, Lengths
from paretoken.predict.predictor import predict_cases

CATALOG = load_catalog()
FIGURES = ("hbm_tb_per_s", "memory_bytes", "bf16_tflops", "fp8_tflops", "fp4_tflops", "scaleup_gb_per_s")


def seen(*accelerators: str, model: str = "llama-3-70b") -> frozenset[SeenCase]:
    return frozenset(
        SeenCase(
            accelerator=a,
            engine="vllm",
            model=model,
            precision="fp8",
            size="8",
            lengths="1024/1024",
            drafting=False,
            site="public",
            first="",
            last="",
            points=1,
        )
        for a in accelerators
    )


def served(accelerator: str, model: str = "llama-3-70b", precision: str = "fp8", engine: str = "vllm") -> Case:
    d = Deployment(accelerator=accelerator, model=model, precision=precision, engine=engine, gpus=8, tp=8)
    return case(d, Lengths(1024, 1024, 0.8), 16, catalog=CATALOG)


def standing_in(accelerator: str, known: frozenset[SeenCase]) -> str:
    return stand_ins([served(accelerator)], known, CATALOG)[0].deployment.accelerator


def test_a_measured_accelerator_stands_for_itself():
    assert standing_in("GB300", seen("GB300", "GB200")) == "GB300"


def test_one_of_its_architecture_that_was_measured_in_the_cell_stands_for_another():
    assert standing_in("GB300", seen("GB200", "H200")) == "GB200"
    assert standing_in("MI325X", seen("MI300X", "MI355X")) == "MI300X"


def test_all_that_were_measured_nowhere_near_share_one():
    known = seen("B200", model="llama-3.1-8b") | seen("GB200", model="qwen3-32b")
    assert standing_in("GB300", known) == standing_in("B300", known)


def test_other_architectures_never_stand_in():
    assert standing_in("MI300X", seen("H200")) != "H200"


def worse_pairs() -> list[tuple[str, str]]:
    """Pairs of one architecture of which the first is better or equal in every figure."""

    def no_worse(one: str, other: str) -> bool:
        a, b = CATALOG.accelerators[one], CATALOG.accelerators[other]
        alike = a.architecture and a.architecture == b.architecture and a.scaleup_mesh == b.scaleup_mesh
        return bool(alike) and all((getattr(a, f) or 0) >= (getattr(b, f) or 0) for f in FIGURES)

    return [(a, b) for a in CATALOG.accelerators for b in CATALOG.accelerators if a != b and no_worse(a, b)]


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_no_better_machine_is_slower_unless_both_were_measured(engine):
    """Over a calibration with effects of every accelerator, alternately for and against it."""
    names = sorted(CATALOG.accelerators)
    shipped = shipped_calibration()
    spread = {EffectKey("pace", "accelerator", a): 0.05 * (-1) ** i for i, a in enumerate(names)}
    planted = replace(shipped, effects={**shipped.effects, **spread})
    pairs, broken, compared = worse_pairs(), [], 0
    measured = {(s.accelerator, s.engine, s.model, s.precision) for s in planted.seen}
    for model, precision in (("llama-3-70b", "fp8"), ("llama-3.1-8b", "bf16"), ("gpt-oss-120b", "fp4")):
        for better, worse in pairs:
            vendors = {CATALOG.accelerators[a].vendor for a in (better, worse)}
            both = all((a, engine, model, precision) in measured for a in (better, worse))
            if both or not vendors <= set(CATALOG.engines[engine].vendors):
                continue
            small = [a for a in (better, worse) if CATALOG.accelerators[a].memory_bytes < 40e9]
            if small:
                continue
            fast, slow = predict_cases(
                [served(a, model, precision, engine) for a in (better, worse)], calibration=planted, catalog=CATALOG
            ).tpot_s
            compared += 1
            if fast > slow * 1.0005:
                broken.append((better, worse, model))
    assert compared > 10 and broken == []


def test_the_sweep_would_see_what_noise_does():
    """Both measured: their own effects count, and the better machine is as slow as it was measured."""
    both = seen("GB300", "GB200")
    effects = {EffectKey("pace", "accelerator", "GB300"): 0.05, EffectKey("pace", "accelerator", "GB200"): -0.05}
    planted = replace(shipped_calibration(), effects=effects, seen=both)
    cases = [served("GB300"), served("GB200")]
    slower, faster = predict_cases(cases, calibration=planted, catalog=CATALOG).tpot_s
    assert slower > faster
    one = replace(planted, seen=seen("GB200"))
    better, worse = predict_cases(cases, calibration=one, catalog=CATALOG).tpot_s
    assert better <= worse
