"""What verbs print that need a server, a cluster or minutes: their tables, from made-up figures."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from paretoken.accuracy.verdicts import FAIL, PASS, TierVerdict
from paretoken.answers.data_diff import DataDiffAnswer
from paretoken.answers.verdict_change import CellVerdict, SoftwareChange, VerdictChange
from paretoken.bench.run_folder import RunFolder
from paretoken.cli.data.data_tables import show_diff
from paretoken.cli.measure.campaign_view import COLUMNS
from paretoken.cli.measure.levels import show_levels
from paretoken.cli.output import print_table
from paretoken.cli.predict.validate import _print, _print_groups
from paretoken.cli.price.plan_tables import print_plan
from paretoken.predict.calibration.coverage import GroupCoverage
from paretoken.predict.calibration.make import Scoreboard
from paretoken.predict.calibration.ranks import Ranks
from paretoken.predict.calibration.scoreboard import Score
from paretoken.predict.calibration.worst import WorstCell
from tests.support.plans import plan_answer
from tests.support.runs import ladder


def plan() -> None:
    print_plan(plan_answer())


def levels() -> None:
    with TemporaryDirectory() as folder:
        show_levels(RunFolder(ladder(Path(folder) / "run", (1, 4, 16))).levels())


def gate() -> None:
    why = "log-probabilities of 3 of 32 prompts differ by more than the limit of 0.05 nats, first at token 17"
    verdicts = (TierVerdict("T0", PASS, ""), TierVerdict("T3", FAIL, why))
    rows = [(v.title, v.verdict, v.why) for v in verdicts]
    print_table("Accuracy of m at http://127.0.0.1:8000", ("tier", "verdict", "why"), rows)


def campaign() -> None:
    rows = [
        (job, gpu, "vllm", "deepseek-r1", "fp8", 8, workload, "running: 1,024 users", 3, 12, 1)
        for job, (gpu, workload) in enumerate((("MI355X", "chat"), ("H200", "summarisation-8k")), 1)
    ]
    print_table("runs/campaign", COLUMNS, rows)


def changed_verdicts() -> None:
    before = CellVerdict(winner="H200", engine="trtllm", software="2026-01", usd_per_mtok=0.21, margin=0.125)
    after = CellVerdict(winner="MI355X", engine="atom-sglang", software="2026-05", usd_per_mtok=0.17, margin=0.4)
    by = SoftwareChange(
        accelerator="MI355X",
        engine_before="sglang",
        engine_after="atom-sglang",
        software_before="0.5.5",
        software_after="2026-05",
        throughput=1.42,
    )
    changes = [
        VerdictChange(
            kind="flip",
            model=model,
            precision="fp8",
            isl=8192,
            osl=1024,
            scenario="like-for-like",
            axis="interactivity",
            value=40.0,
            before=side,
            after=after,
            by=by,
        )
        for model, side in (("deepseek-r1", before), ("gpt-oss-120b", None))
    ]
    show_diff(
        DataDiffAnswer(
            before="2026-02-01",
            after="2026-06-01",
            tco="2026-09",
            tier="hyperscaler",
            compared=40,
            flipped=2,
            origins=("published",),
            sources=("inferencex-2026-07",),
            changes=tuple(changes),
        )
    )


def scores() -> None:
    answer = Scoreboard(
        scores=[
            Score(
                split=split, outcome=outcome, cases=1234, mape=0.123, median=0.081, bias=-0.012, coverage=0.9, width=1.4
            )
            for split in ("cell", "accelerator")
            for outcome in ("tpot", "throughput")
        ],
        groups=[
            GroupCoverage(split="cell", by="model", group=m, outcome="tpot", cases=40, coverage=0.7, width=1.3)
            for m in ("deepseek-r1", "llama-3-70b")
        ],
        intervals=[],
        ranks={
            "cell": Ranks(right=0.9, pairs=1200, crude=0.7, winner=0.8, latencies=300),
            "accelerator": Ranks(right=0.8, pairs=1100, crude=0.6, winner=0.75, latencies=280),
        },
        worst=[
            WorstCell(
                split="cell",
                accelerator=gpu,
                engine="dynamo-trtllm",
                model="deepseek-v4-pro",
                precision="fp4",
                cases=12,
                factor=2.5,
                bias=0.4,
                reason="new engine on new hardware",
            )
            for gpu in ("GB300", "MI355X")
        ],
        noise={"tpot": 0.021},
        pools=[],
        pool_cells=[],
    )
    _print(answer)
    _print_groups(answer, "model")
