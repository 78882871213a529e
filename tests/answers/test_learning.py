"""The points that a calibration learns from: measured and published ones, whoever asks."""

from __future__ import annotations

import pytest

from paretoken.answers.bundles import BundlesQuestion
from paretoken.answers.calibrate import CalibrateQuestion, calibrate
from paretoken.answers.learning import points_data
from paretoken.answers.plan.question import PlanQuestion
from paretoken.answers.plan.run import plan
from paretoken.answers.validate import ValidateQuestion, validate
from paretoken.errors import BadConfig

HEAD = (
    "origin,source,accelerator,n_gpus,model,precision,engine,tp,isl,osl,load_kind,concurrency,"
    "median_tpot_s,median_ttft_s"
)
ENTRY = "ours,H200,2,llama-3-70b,fp8,vllm,2,1024,256,closed"


def file_of(folder, name, *origins):
    """A file of points of these origins, at rising loads."""
    rows = [f"{origin},{ENTRY},{2**i},{(10 + i) / 1000},{(50 + 10 * i) / 1000}" for i, origin in enumerate(origins)]
    path = folder / name
    path.write_text("\n".join([HEAD, *rows]) + "\n")
    return path


@pytest.fixture
def files(tmp_path):
    ours = file_of(tmp_path, "ours.csv", *["measured"] * 4)
    return ours, file_of(tmp_path, "mixed.csv", "measured", "predicted", "measured", "predicted", "predicted")


def test_predicted_points_are_refused_by_the_name_of_their_file(files, tmp_path):
    asked = {
        "plan": lambda: plan(
            PlanQuestion(
                model="llama-3-70b",
                slo="tpot=50ms",
                rate="200/min",
                isl="1800",
                osl="250",
                accelerators=("H200",),
                coarse=True,
                points=files,
            )
        ),
        "calibrate": lambda: calibrate(CalibrateQuestion(points=files, on_top=True, out=tmp_path / "c.parquet")),
        "validate": lambda: validate(ValidateQuestion(points=files)),
    }
    for ask in asked.values():
        with pytest.raises(
            BadConfig, match=r"mixed\.csv: 3 of 5 points are predicted, .*; leave out .*origin=predicted"
        ):
            ask()
    assert not (tmp_path / "c.parquet").exists()


def test_one_predicted_point(tmp_path):
    one = file_of(tmp_path, "one.csv", "predicted", "measured")
    with pytest.raises(BadConfig, match=r"one\.csv: 1 of 2 points is predicted"):
        points_data(BundlesQuestion(), (one,), (), published=True)


def test_measured_points_are_taken(files):
    points = points_data(BundlesQuestion(), files[:1], (), published=False).points
    assert points["origin"].to_list() == ["measured"] * 4
