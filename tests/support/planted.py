"""Small studies over planted curves, whose verdicts follow from a few numbers."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from paretoken.answers.study.config import Study
from paretoken.answers.study.result import StudyResult
from paretoken.answers.study.run import run_study
from paretoken.points.files import write_points
from tests.support.points import row, table

TODAY = date(2026, 11, 24)
Curve = list[tuple[float, float]]
STEADY: Curve = [(5, 200), (10, 400), (20, 800), (40, 1600)]


def curve(accelerator: str, points: Curve, **changes: object) -> list[dict]:
    """Rows of one configuration: (E2E latency s, total tok/s/GPU) at 4, 8, 16 … users."""
    plain = {"speculative": "none", "disaggregated": False, "multinode": False, "engine_version": "0.18.0"}
    return [
        row(
            **{
                **plain,
                "accelerator": accelerator,
                "concurrency": 4.0 * 2**i,
                "median_e2e_s": float(e2e_s),
                "median_tpot_s": e2e_s / 1100,
                "total_tput_per_gpu_tok_s": float(tput),
                "output_tput_per_gpu_tok_s": tput / 2,
                **changes,
            }
        )
        for i, (e2e_s, tput) in enumerate(points)
    ]


def times(points: Curve, factor: float) -> Curve:
    return [(x, y * factor) for x, y in points]


def planted_study(path: Path, *curves: list[dict], **fields: object) -> StudyResult:
    """A study of Llama 70B FP8 chat over these rows alone, kept at `path`; they need not obey Little's law."""
    write_points(table(*(r for c in curves for r in c)), path)
    named = {"name": "planted", "models": ["llama-3-70b"], "precisions": ["fp8"], "workloads": ["chat"]}
    study = Study(**named, points=[path], published=False, suspicious=True, draws=200, outlooks=[], **fields)
    return run_study(study, today=TODAY)
