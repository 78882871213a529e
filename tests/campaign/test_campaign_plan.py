"""The order of a campaign, its time, where it ends, and what the documents show of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paretoken.bench.plan import Closed, Open
from paretoken.bench.run_folder import LevelOnDisk
from paretoken.campaign.climb import ClimbingLadder
from paretoken.campaign.estimate import PredictedEstimate, RuleEstimate
from paretoken.campaign.matrix import MatrixCell, ServingConfig, cells
from paretoken.campaign.plan import make_plan
from paretoken.catalog.loader import load_catalog
from tests.support.campaign_files import BASE, campaign, plan
from tests.support.summaries import summary


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
        steps = github["jobs"]["check"]["steps"]
        (command,) = (shlex.split(s["run"]) for s in steps if s.get("run", "").startswith("paretoken"))
        assert command[1] == "campaign"
        self.parses(click, command[2:])
        (action,) = (s for s in steps if "deploy/github" in s.get("uses", ""))
        assert (
            action["with"].keys()
            <= yaml.safe_load((self.DOCS.parent / "deploy" / "github" / "action.yml").read_text())["inputs"].keys()
        )
        head, _ = yaml.safe_load_all((self.DOCS.parent / "deploy" / "gitlab" / "check.yml").read_text())
        (include,) = gitlab["include"]
        assert include["inputs"].keys() <= head["spec"]["inputs"].keys()
        assert head["spec"]["inputs"]["job"]["default"] in gitlab

    def parses(self, click, words: list[str]) -> None:
        from paretoken.cli.compare import check
        from paretoken.cli.measure import campaign

        command = check.command if words[0] == "check" else campaign.command.commands[words[0]]
        command.make_context(words[0], words[1:])
