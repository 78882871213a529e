"""The campaign file and its matrix: every combination once, and mistakes in one sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.campaign.config import AXES
from paretoken.campaign.load import load_campaign
from paretoken.campaign.matrix import MatrixCell, ServingConfig, cells
from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig, BadFile, UnknownName
from tests.support.campaign_files import BASE, campaign


class TestMatrix:
    def test_every_combination_once(self, tmp_path, catalog):
        made = cells(campaign(tmp_path), catalog)
        assert len(made) == len(set(made)) == 2 * 2 * 2 * 2
        assert {c.workload for c in made} == {"chat", "summarisation"}

    def test_names_become_ids(self, tmp_path, catalog):
        text = BASE.replace('"llama-3-70b"]', '"meta-llama/Llama-3.3-70B-Instruct"]').replace('"H200"', '"h200_sxm"')
        assert cells(campaign(tmp_path, text), catalog)[0].serving == ServingConfig(
            accelerator="H200", engine="vllm", model="llama-3-70b", precision="fp8", tp=2, ep=1, dp_attention=False
        )

    def test_a_precision_takes_any_spelling(self, tmp_path, catalog):
        spelt = BASE.replace('precision = ["fp8"]', 'precision = ["FP8", "nvfp4", "float16"]')
        assert {c.serving.precision for c in cells(campaign(tmp_path, spelt), catalog)} == {"fp8", "fp4", "bf16"}

    def test_exclude_and_include(self, tmp_path, catalog):
        more = (
            'exclude = [{ accelerator = "MI300X", engine = ["sglang"] }, { tp = 2, workload = "chat" }]\n'
            'include = [{ accelerator = "B200", engine = "trtllm", tp = [8], workload = "8k/1k" }]\n[models.llama'
        )
        made = cells(campaign(tmp_path, BASE.replace("[models.llama", more, 1)), catalog)
        assert not [c for c in made if (c.serving.accelerator, c.serving.engine) == ("MI300X", "sglang")]
        assert not [c for c in made if c.serving.tp == 2 and c.workload == "chat"]
        new = [c for c in made if c.serving.accelerator == "B200"]
        assert new == [
            MatrixCell(
                ServingConfig(
                    accelerator="B200",
                    engine="trtllm",
                    model="llama-3-70b",
                    precision="fp8",
                    tp=8,
                    ep=1,
                    dp_attention=False,
                ),
                "summarisation-8k",
            )
        ]

    @pytest.mark.parametrize(
        ("old", "new", "why"),
        [
            ('engine = ["vllm", "sglang"]', "engine = []", "the axis 'engine' has no value"),
            ("[models.llama", 'exclude = [{ model = "llama-3-70b" }]\n[models.llama', "exclude removes every cell"),
        ],
    )
    def test_an_empty_one(self, tmp_path, catalog, old, new, why):
        with pytest.raises(BadConfig, match=why):
            cells(campaign(tmp_path, BASE.replace(old, new, 1)), catalog)

    @given(
        kept=st.sets(st.sampled_from(AXES[:5] + AXES[7:]), min_size=1),
        pick=st.integers(0, 1),
    )
    def test_exclude_takes_what_it_names_and_nothing_else(self, tmp_path_factory, kept, pick):
        catalog = load_catalog()
        base = campaign(tmp_path_factory.mktemp("c"))
        whole = cells(base, catalog)
        when = {axis: (v := getattr(base.matrix, axis))[min(pick, len(v) - 1)] for axis in kept}
        matrix = base.matrix.model_copy(update={"exclude": [when]})
        try:
            left = cells(base.model_copy(update={"matrix": matrix}), catalog)
        except BadConfig:
            left = []
        taken = [c for c in whole if c not in left]
        size = 1
        for axis in AXES:
            size *= 1 if axis in kept else len(getattr(base.matrix, axis))
        assert len(taken) == size
        assert len(left) + len(taken) == len(whole)


class TestFile:
    @pytest.mark.parametrize(
        ("old", "new", "error", "match"),
        [
            ("accelerator =", "acelerator =", BadConfig, "did you mean 'accelerator'"),
            ('until = "30s"', 'untill = "30s"', UnknownName, "did you mean until"),
            ('until = "30s"', 'concurrency = "4"', BadConfig, "set by the matrix"),
            ("[bench]", "[run]\nrepeats = 3\n[bench]", BadConfig, "did you mean 'repeat'"),
            ("[bench]", "[run.climb]\ngrow = 3\n[bench]", BadConfig, "did you mean 'growth'"),
            ("[models.llama", 'exclude = [{ gpu = "H200" }]\n[models.llama', UnknownName, "axis in campaign"),
            ("[matrix]", "[matrix", BadFile, "not valid TOML"),
            ("[bench]", '[engines.vllm]\nenv = { HF_TOKEN = "hf_abc" }\n[bench]', BadConfig, "looks like a secret"),
            *(
                ("[bench]", f"{table}\n[bench]", BadConfig, match)
                for table, match in (
                    ('[engines.vllm]\nenv = { HF_AUTH = "abc" }', "env.HF_AUTH looks like a secret"),
                    ('[engines.vllm]\nenv = { DB_PASSWD = "abc" }', "env.DB_PASSWD looks like a secret"),
                    ('[engines.vllm]\nextra = ["--api-key", "abc"]', "--api-key holds a secret"),
                    ('[engines.vllm]\nextra = ["--api-key=abc"]', "--api-key holds a secret"),
                    ('[[override]]\nextra = ["-H", "Authorization: Bearer abc"]', "Authorization holds a secret"),
                    ('[engines.vllm]\nset = { api_key = "abc" }', "api_key holds a secret"),
                    ('[slurm]\nsetup = ["export HF_TOKEN=abc"]', "HF_TOKEN holds a secret"),
                    ('[slurm]\nlines = ["--export=ALL,DB_PASS=abc"]', "DB_PASS holds a secret"),
                )
            ),
            ("[bench]", '[bench]\nheaders = ["Authorization: Bearer abc"]', BadConfig, "Authorization holds a secret"),
            ("[bench]", '[bench]\nextra_body = \'{"password": "abc"}\'', BadConfig, "password holds a secret"),
            ('concurrency = "1:8:x2"', 'concurrency = "1"\nrate = "2"', BadConfig, "not both"),
        ],
    )
    def test_mistakes(self, tmp_path, old, new, error, match):
        with pytest.raises(error, match=match):
            campaign(tmp_path, BASE.replace(old, new, 1))

    def test_none(self, tmp_path):
        with pytest.raises(BadFile, match="does not exist"):
            load_campaign(tmp_path / "no.toml")

    def test_the_hash_is_that_of_what_it_says(self, tmp_path):
        first = campaign(tmp_path).digest()
        assert campaign(tmp_path, "# a comment\n" + BASE.replace(" = ", "   =   ")).digest() == first
        assert campaign(tmp_path, BASE.replace("30s", "31s")).digest() != first

    def test_unknown_names(self, tmp_path, catalog):
        with pytest.raises(UnknownName, match="H200"):
            cells(campaign(tmp_path, BASE.replace('"H200"', '"H2OO"')), catalog)
