"""The campaign file, its matrix, what cannot run, the order, the time: all before anything starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.bench.plan import Closed, Open
from paretoken.bench.run_folder import LevelOnDisk
from paretoken.campaign.climb import ClimbingLadder
from paretoken.campaign.config import AXES, Campaign, load_campaign
from paretoken.campaign.estimate import PredictedEstimate, RuleEstimate, kv_gb
from paretoken.campaign.feasible import check_here, nvidia_or_amd
from paretoken.campaign.matrix import MatrixCell, ServingConfig, cells
from paretoken.campaign.plan import MB_PER_POINT, check_room, make_plan
from paretoken.campaign.serve import served
from paretoken.catalog.loader import load_catalog
from paretoken.engines.container import docker
from paretoken.errors import BadConfig, BadFile, CannotWrite, UnknownName
from tests.support.summaries import summary

BASE = """
name = "base"
[matrix]
accelerator = ["H200", "MI300X"]
engine = ["vllm", "sglang"]
model = ["llama-3-70b"]
precision = ["fp8"]
tp = [2, 4]
workload = ["chat", "4k/1k"]
concurrency = "1:8:x2"
[models.llama-3-70b]
path = "meta/llama-fp8"
[bench]
until = "30s"
"""


def campaign(tmp_path: Path, text: str = BASE) -> Campaign:
    file = tmp_path / "c.toml"
    file.write_text(text)
    return load_campaign(file)


def plan(tmp_path: Path, text: str = BASE):
    return make_plan(campaign(tmp_path, text), load_catalog())


def test_weights_of_the_hub_come_with_its_cache_and_token(tmp_path, catalog):
    one = campaign(tmp_path)
    made = served(one, catalog, cells(one, catalog)[:1], 8, 8000)
    words = docker(made, folder=tmp_path)
    assert made.hub and "HF_TOKEN" in words and any(w.endswith(":/root/.cache/huggingface") for w in words)
    local = campaign(tmp_path, BASE.replace("meta/llama-fp8", "/models/llama-fp8"))
    words = docker(served(local, catalog, cells(local, catalog)[:1], 8, 8000), folder=tmp_path)
    assert "HF_TOKEN" not in words and "/models/llama-fp8:/models/llama-fp8:ro" in words


class TestMatrix:
    def test_every_combination_once(self, tmp_path, catalog):
        found = cells(campaign(tmp_path), catalog)
        assert len(found) == len(set(found)) == 2 * 2 * 2 * 2
        assert {c.workload for c in found} == {"chat", "summarisation"}

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
        found = cells(campaign(tmp_path, BASE.replace("[models.llama", more, 1)), catalog)
        assert not [c for c in found if (c.serving.accelerator, c.serving.engine) == ("MI300X", "sglang")]
        assert not [c for c in found if c.serving.tp == 2 and c.workload == "chat"]
        new = [c for c in found if c.serving.accelerator == "B200"]
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


class TestFeasible:
    """Facts of the published report: DeepSeek in FP8 does not fit eight H100, it does fit eight H200 or MI300X."""

    DEEPSEEK = (
        BASE.replace('["H200", "MI300X"]', '["H100", "H200", "MI300X"]')
        .replace("[2, 4]", "[8]")
        .replace("llama-3-70b", "deepseek-r1")
        .replace("meta/llama-fp8", "deepseek-ai/DeepSeek-R1")
    )

    def test_memory(self, tmp_path):
        made = plan(tmp_path, self.DEEPSEEK)
        assert {cell.serving.accelerator for cell, _ in made.infeasible} == {"H100"}
        assert all("needs at least 67" in why and "8 × H100 have 646 GB" in why for _, why in made.infeasible)
        assert {job.serving.accelerator for job in made.jobs} == {"H200", "MI300X"}

    def test_a_70b_in_bf16_needs_two_h100(self, tmp_path, catalog):
        text = BASE.replace('"fp8"', '"bf16"').replace('["H200", "MI300X"]', '["H100"]').replace("[2, 4]", "[1, 2]")
        made = plan(tmp_path, text)
        assert {(cell.serving.tp) for cell, _ in made.infeasible} == {1}

    @pytest.mark.parametrize(
        ("old", "new", "why"),
        [
            ("[2, 4]", "[16]", "exceeds the 8 GPUs of one"),
            ("[2, 4]", "[3]", "does not divide the 64 attention heads"),
            ('["chat", "4k/1k"]', '["130000/4096"]', "do not fit the 131,072 tokens"),
            ('["vllm", "sglang"]', '["trtllm"]', "does not run on MI300X"),
            ("path =", "tokenizer =", "no path to the weights"),
        ],
    )
    def test_other_reasons(self, tmp_path, old, new, why):
        text = BASE.replace(old, new, 1).replace('["H200", "MI300X"]', '["MI300X"]')
        with pytest.raises(BadConfig, match=why) as e:
            plan(tmp_path, text)
        assert "no cell of campaign 'base' can run" in str(e.value)

    def test_what_a_cache_of_keys_and_values_takes(self, catalog):
        """Llama 3 70B: 80 layers × 2 × 8 heads × 128 elements a token; one byte each."""
        assert kv_gb(catalog.models["llama-3-70b"], 1000) == pytest.approx(80 * 2 * 8 * 128 * 1000 / 1e9)
        deepseek = catalog.models["deepseek-r1"]
        assert kv_gb(deepseek, 1) == pytest.approx(61 * (512 + 64) / 1e9)

    def test_no_gpu_here(self, tmp_path, catalog, monkeypatch):
        made = campaign(tmp_path, BASE + '[engines.vllm]\nprogram = ["true"]\n[engines.sglang]\nprogram = ["true"]')
        found = cells(made, catalog)
        with pytest.raises(BadConfig, match="has no NVIDIA GPU"):
            check_here(made, catalog, found, lambda vendor: 0)
        with pytest.raises(BadConfig, match="needs 4 GPUs and this machine has 2"):
            check_here(made, catalog, found, lambda vendor: 2)
        check_here(made, catalog, found, lambda vendor: 8)
        assert nvidia_or_amd("Intel") is None

    def test_engine_not_here(self, tmp_path, catalog):
        made = campaign(tmp_path, BASE + '[engines.vllm]\nprogram = ["no-such-program"]')
        with pytest.raises(BadConfig, match=r"vLLM is not installed.*pip install vllm"):
            check_here(made, catalog, cells(made, catalog), lambda vendor: 8)

    def test_a_full_disk(self, tmp_path, monkeypatch):
        import shutil

        made = plan(tmp_path)
        free = MB_PER_POINT * made.points * 1_000_000
        usage = shutil.disk_usage(tmp_path)._replace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        check_room(made, tmp_path / "new" / "deep")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free - 1))
        with pytest.raises(CannotWrite, match=rf"{made.points} points may need"):
            check_room(made, tmp_path / "new" / "deep")


class TestPlan:
    def test_one_start_for_all_workloads(self, tmp_path):
        made = plan(tmp_path)
        assert len(made.jobs) == 8 and made.points == 8 * 2 * 4
        assert made.seconds == 8 * 2 * 4 * 30 and made.untimed == 0
        assert all(job.workloads == ("chat", "summarisation") for job in made.jobs)

    def test_a_start_for_each_workload(self, tmp_path):
        made = plan(tmp_path, BASE + "[run]\nrestart = true\nrepeat = 2")
        assert len(made.jobs) == 32 and {len(job.workloads) for job in made.jobs} == {1}
        assert made.points == 32 * 4

    def test_interleaved_takes_turns(self, tmp_path):
        made = plan(tmp_path, BASE + '[run]\norder = "interleaved"\nrepeat = 2')
        turns = [(job.serving.accelerator, job.serving.engine) for job in made.jobs]
        assert len(set(turns[:4])) == 4 and turns[:4] == turns[4:8]
        assert [job.repeat for job in made.jobs] == [1] * 8 + [2] * 8

    def test_random_is_a_permutation_that_the_seed_gives(self, tmp_path):
        given_order = {(j.serving, j.workloads, j.repeat) for j in plan(tmp_path).jobs}
        orders = {}
        for seed in (0, 0, 1):
            made = plan(tmp_path, BASE + f'[run]\norder = "random"\nseed = {seed}')
            order = [(j.serving, j.workloads, j.repeat) for j in made.jobs]
            assert set(order) == given_order and len(order) == len(given_order)
            assert orders.setdefault(seed, order) == order
        assert orders[0] != orders[1]

    def test_points_without_an_estimate(self, tmp_path):
        asked = campaign(tmp_path, BASE.replace('until = "30s"', 'until = "100 requests"'))
        made = make_plan(asked, load_catalog(), RuleEstimate(asked, load_catalog()))
        assert (made.seconds, made.untimed) == (0, made.points)

    def test_another_estimate(self, tmp_path, catalog):
        """A simulator in the rules' place: its memory and its times are the plan's."""

        class PredictedEstimate(RuleEstimate):
            def memory_gb(self, cell):
                return 1e6 if cell.serving.tp == 2 else 1.0

            def point_s(self, cell, load):
                return load.users * 10.0

        asked = campaign(tmp_path)
        made = make_plan(asked, catalog, PredictedEstimate(asked, catalog))
        assert {cell.serving.tp for cell, _ in made.infeasible} == {2}
        assert made.seconds == 4 * 2 * (1 + 2 + 4 + 8) * 10

    def test_rates(self, tmp_path, catalog):
        asked = campaign(tmp_path, BASE.replace('concurrency = "1:8:x2"', 'rate = "1,2,ramp:1:4:45s"'))
        made = make_plan(asked, catalog)
        assert made.points_per_cell == 3 and made.seconds == 16 * (30 + 30 + 45)
        assert RuleEstimate(asked, catalog).point_s(cells(asked, catalog)[0], Open(np.array([5.0]), 1.0)) == 5.0


def level(tok_s: float, e2e_s: float) -> LevelOnDisk:
    return LevelOnDisk(Path(), summary(1, tok_s, e2e_s=e2e_s))


class TestSimulated:
    """Where the rules know no time, the predictor says one."""

    CELL = MatrixCell(
        ServingConfig(
            accelerator="H200", engine="vllm", model="llama-3-70b", precision="fp8", tp=4, ep=1, dp_attention=False
        ),
        "chat",
    )

    def seconds(self, tmp_path, until, users, cell=CELL):
        asked = campaign(tmp_path, BASE.replace('until = "30s"', f'until = "{until}"'))
        return PredictedEstimate(asked, load_catalog()).point_s(cell, Closed(users))

    def test_stated_time_stands(self, tmp_path):
        assert self.seconds(tmp_path, "30s", 8) == 30

    def test_requests_take_as_many_rounds_as_users_need(self, tmp_path):
        one, ten = (self.seconds(tmp_path, f"{n} requests", 8) for n in (80, 800))
        assert one > 10
        assert ten == pytest.approx(10 * one)

    def test_what_cannot_be_predicted_has_no_time(self, tmp_path):
        unknown = MatrixCell(
            ServingConfig(
                accelerator="cpu", engine="llamacpp", model="tiny", precision="", tp=1, ep=1, dp_attention=False
            ),
            "chat",
        )
        assert self.seconds(tmp_path, "80 requests", 8, unknown) is None


class TestClimb:
    def climbed(self, *seen: tuple[float, float]) -> int:
        """How many levels are measured of those that would be seen."""
        ladder = ClimbingLadder([Closed(n + 1) for n in range(len(seen))], growth=0.02, e2e_s=10.0)
        count = 0
        while (load := ladder.next_load()) is not None:
            ladder.observe(load, level(*seen[count]))
            count += 1
        return count

    @pytest.mark.parametrize(
        ("seen", "levels"),
        [
            ([(100, 1), (200, 2), (300, 3)], 3),
            ([(100, 1), (200, 11), (201, 20), (500, 30)], 3),  # flat and slow
            ([(100, 1), (101, 2), (101, 3), (101, 4)], 4),  # flat, but within the bound
            ([(100, 11), (200, 20), (400, 40)], 3),  # slow, but it grows
            ([(100, 1), (90, 11), (300, 1)], 2),
            ([(100, 1), (102, 11), (102, 12)], 3),  # exactly 2 % more is growth
        ],
    )
    def test_ends_where_nothing_is_gained(self, seen, levels):
        assert self.climbed(*seen) == levels

    def test_says_why(self):
        ladder = ClimbingLadder([Closed(1), Closed(2), Closed(4)], growth=0.02, e2e_s=1.0)
        ladder.observe(Closed(1), level(100, 2))
        assert ladder.answer() is None
        ladder.observe(Closed(2), level(100, 3))
        assert ladder.next_load() is None
        assert "less than 2% above 100.0 and the median latency 3.0 s exceeds 1 s" in ladder.answer()["ended"]


class TestDocuments:
    """What the documents show can be used as it stands."""

    DOCS = Path(__file__).parent.parent.parent / "docs"

    def blocks(self, name: str, language: str) -> list[str]:
        text = (self.DOCS / name).read_text(encoding="utf-8")
        return [part.split("```")[0] for part in text.split(f"```{language}\n")[1:]]

    def test_the_campaign_file(self, tmp_path, catalog):
        (shown,) = self.blocks("campaigns.md", "toml")
        made = make_plan(campaign(tmp_path, shown), catalog)
        assert {job.serving.engine for job in made.jobs} == {"vllm", "sglang", "trtllm"}
        assert made.points_per_cell == 7

    def test_the_workflow(self):
        import shlex

        import click

        yaml = pytest.importorskip("yaml")
        github, gitlab = map(yaml.safe_load, self.blocks("regression.md", "yaml"))
        for lines in (
            [step.get("run", "") for step in github["jobs"]["check"]["steps"]],
            gitlab["performance"]["script"],
        ):
            commands = [shlex.split(line) for line in lines if line.startswith("paretoken")]
            assert [c[1] for c in commands] == ["campaign", "check"]
            self.parses(click, commands[0][2:])
            self.parses(click, commands[1][1:])

    def parses(self, click, words: list[str]) -> None:
        from paretoken.cli.compare import check
        from paretoken.cli.measure import campaign

        command = check.command if words[0] == "check" else campaign.command.commands[words[0]]
        command.make_context(words[0], words[1:])
