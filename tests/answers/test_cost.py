"""`cost` on points that have no price says so."""

from __future__ import annotations

import pytest

from paretoken.answers.cost import CostQuestion, cost
from paretoken.answers.points import Data
from paretoken.errors import NoData
from tests.support.points import prepared, row

FIGURES = {"total_tput_per_gpu_tok_s": 500.0, "output_tput_per_gpu_tok_s": 250.0, "median_e2e_s": 9.0}


def test_points_without_an_accelerator_are_one_sentence(catalog):
    question = CostQuestion(model="llama-3-70b", precision="fp8", isl=1024, osl=1024)
    priced = cost(question, Data(catalog, prepared(row(**FIGURES))))
    assert {p.accelerator for p in priced.points} == {"H200"}
    with pytest.raises(NoData, match=r"no price for the accelerator of these points \(unknown\).*--accelerator"):
        cost(question, Data(catalog, prepared(row(accelerator="unknown", **FIGURES))))
