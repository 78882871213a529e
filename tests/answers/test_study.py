"""The main job: what a study computes, and that its outputs appear whole or not at all."""

from __future__ import annotations

import json

import polars as pl
import pytest

from paretoken import load_study, read_points, run_study, write_points, write_study
from paretoken.answers.study.config import to_toml
from paretoken.answers.study.tables import verdicts
from paretoken.errors import BadConfig, BadFile, CannotWrite, NoData, UnknownName
from paretoken.points.published import published_points
from tests.support.points import row, table

FILES = [
    "breakeven.csv",
    "costs.csv",
    "frontiers.csv",
    "points.parquet",
    "rents.csv",
    "report.html",
    "study.toml",
    "tco.csv",
    "verdicts.json",
]


def page(_) -> str:
    return "<html></html>"


@pytest.fixture(scope="module")
def out(default_result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "out"
    write_study(default_result, folder, page)
    return folder


def test_default_study_covers_what_is_asked(default_result):
    asked = {"llama-3-70b", "llama-3.1-405b", "deepseek-r1", "gpt-oss-120b"}
    assert {p.selection.model for p in default_result.panels} == asked
    assert {t.tier for t in default_result.tariffs} == {"hyperscaler", "rent-retail"}
    named = {a for p in default_result.panels for c in p.curves["e2e"] for a in [c.accelerator]}
    assert named == {"H100", "H200", "B200", "B300", "GB200", "GB300", "MI300X", "MI325X", "MI355X"}
    assert ("gpt-oss-120b", "reasoning") in default_result.gaps


def test_the_reports_own_matrix_is_whole_and_predictions_stand_only_where_nothing_does(default_result):
    reached = set()
    for panel in default_result.panels:
        keys = panel.points.select("accelerator", "engine", "origin").unique()
        for accelerator, engine, origin in keys.iter_rows():
            reached.add((panel.selection.model, panel.selection.precision, panel.workload, accelerator))
            if origin == "predicted":
                assert (accelerator, engine, "published") not in set(keys.iter_rows())
    for model, precision in (("llama-3-70b", "bf16"), ("llama-3.1-405b", "fp8"), ("deepseek-r1", "fp8")):
        for workload in ("Chat 1k/1k", "Summarisation 4k/1k", "Reasoning 1k/4k"):
            for accelerator in ("H200", "B200", "MI300X", "MI325X", "MI355X"):
                assert (model, precision, workload, accelerator) in reached


def test_every_comparison_says_all_accelerators(default_result):
    asked = set(default_result.study.accelerators)
    for panel in default_result.panels:
        for verdict in panel.verdicts:
            for c in verdict.comparisons:
                have = {p.accelerator for p in c.candidates}
                assert have | set(c.no_data) == asked
                assert not have & set(c.no_data)


def test_points_of_a_panel_are_unique_configurations(default_result):
    unstated = {"dp_attention": False, "ep": 1}
    key = (
        "accelerator",
        "engine",
        "tp",
        "n_gpus",
        "concurrency",
        "origin",
        "speculation",
        "speculative_tokens",
        *unstated,
    )
    for panel in default_result.panels:
        assert panel.points["suspicious"].null_count() == panel.points.height
        plain = panel.points.filter(~pl.col("disaggregated").fill_null(False), pl.col("tput_per_gpu").is_not_null())
        same = plain.with_columns(pl.col(c).fill_null(v) for c, v in unstated.items()).group_by(key).len()
        assert same["len"].max() == 1


def test_outputs_are_all_there(out):
    assert sorted(p.name for p in out.iterdir()) == FILES


def test_points_parquet_is_readable_and_in_the_schema(out, default_result):
    points, errors = read_points(out / "points.parquet")
    assert errors == [] and points.height > 1500
    assert set(points["model"].unique()) == {p.selection.model for p in default_result.panels}


def test_costs_follow_from_rent_and_throughput(out):
    costs = pl.read_csv(out / "costs.csv", infer_schema_length=None)
    again = costs["usd_per_gpu_h"] / (costs["tput_per_gpu"] * 0.0036)
    assert ((costs["usd_per_mtok_total"] - again).abs() / again).max() < 1e-12
    assert costs.filter(pl.col("usd_per_mtok_output").is_not_null()).height > 0


def test_break_even_matches_the_frontiers(default_result):
    """The rent times the reference's throughput over its own gives back the reference's rent."""
    panel = next(p for p in default_result.panels if p.selection.precision == "fp8")
    (curve,) = (b for b in panel.break_even if (b[0].axis, b[0].accelerator) == ("e2e", "MI300X"))

    def best(name: str, latency_s: float) -> float:
        mine = (c for c in panel.curves["e2e"] if c.accelerator == name and c.range_s[0] <= latency_s)
        return max(c.within(latency_s)[0] for c in mine)

    for point in curve:
        assert (point.against, point.rent_against_usd_per_gpu_h) == ("H200", 2.5)
        ratio = best("H200", point.value) / best("MI300X", point.value)
        assert point.break_even_usd_per_gpu_h * ratio == pytest.approx(2.5)


def test_break_even_rents_say_what_both_sides_rest_on(out):
    rows = pl.read_csv(out / "breakeven.csv", infer_schema_length=None)
    origins = set(rows.select("origin", "origin_against").unique().iter_rows())
    assert {("published", "published"), ("predicted", "predicted")} <= origins
    assert rows.select(pl.col("engine", "engine_against").null_count()).row(0) == (0, 0)


def test_verdicts_json_has_the_fields(out):
    held = json.loads((out / "verdicts.json").read_text())
    needed = {
        "accelerator",
        "engine",
        "tput_per_gpu",
        "input_tput_per_gpu",
        "output_tput_per_gpu",
        "usd_per_mtok_total",
        "usd_per_mtok_output",
        "e2e_s",
        "interactivity_tok_s",
        "tp",
        "origin",
        "source",
        "n_points",
    }
    comparisons = [c for v in held["verdicts"] for c in v["comparisons"]]
    assert comparisons
    for c in comparisons:
        assert {"winner", "margin", "no_data"} <= set(c)
        costs = [x["usd_per_mtok_total"] for x in c["candidates"] if x["usd_per_mtok_total"]]
        assert costs == sorted(costs)
        assert all(needed <= set(x) for x in c["candidates"])
        if len(costs) > 1:
            assert c["margin"] == pytest.approx(costs[1] / costs[0] - 1)


def test_the_resolved_study_gives_the_same_result(out, default_result):
    again = run_study(load_study(out / "study.toml"))
    mine, theirs = verdicts(again), verdicts(default_result)
    assert mine == theirs


def test_outputs_appear_whole_or_not_at_all(default_result, tmp_path):
    def broken(_):
        raise OSError(28, "No space left on device")

    out = tmp_path / "out"
    with pytest.raises(CannotWrite, match="nothing was written"):
        write_study(default_result, out, broken)
    assert list(tmp_path.iterdir()) == []


def test_an_older_output_is_replaced_and_other_files_stay(default_result, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    (out / "costs.csv").write_text("old")
    write_study(default_result, out, page)
    assert (out / "mine.txt").read_text() == "keep"
    assert (out / "costs.csv").read_text() != "old"


def test_out_that_is_a_file(default_result, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(CannotWrite, match="is a file"):
        write_study(default_result, tmp_path / "out", page)


def own_points(tmp_path):
    rows = [
        row(
            origin="measured",
            source="mine",
            accelerator=accelerator,
            concurrency=users,
            median_e2e_s=2 * users**0.5,
            median_tpot_s=0.002 * users**0.5,
            total_tput_per_gpu_tok_s=scale * users**0.5,
        )
        for accelerator, scale in (("H200", 100.0), ("MI300X", 90.0))
        for users in (4.0, 8.0, 16.0)
    ]
    write_points(table(*rows), tmp_path / "mine.parquet")


def test_own_points_beside_the_published_ones(tmp_path):
    own_points(tmp_path)
    (tmp_path / "s.toml").write_text('models = ["llama-3.3-70b"]\nprecisions = ["fp8"]\npoints = ["mine.parquet"]\n')
    result = run_study(load_study(tmp_path / "s.toml"))
    assert {c.origin for p in result.panels for c in p.curves["e2e"]} == {"published", "measured"}
    alone = tmp_path / "alone.toml"
    alone.write_text('models = ["llama-3-70b"]\npublished = false\npoints = ["mine.parquet"]\n')
    (panel,) = run_study(load_study(alone)).panels
    assert {c.accelerator for c in panel.curves["e2e"]} == {"H200", "MI300X"}


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("modles = []\n", BadConfig, "did you mean 'models'"),
        ("models = 3\n", BadConfig, "models = 3"),
        ('models = ["lama-3-70b"]\n', UnknownName, "llama-3-70b"),
        ('accelerators = ["H20O"]\n', UnknownName, "H200"),
        ('tco = "2020-01"\n', UnknownName, "2025-08|2026"),
        ('tiers = ["cheap"]\n', UnknownName, "hyperscaler"),
        ('scenarios = ["odd"]\n', BadConfig, "like-for-like"),
        ("serving_load = 0\n", BadConfig, "serving_load"),
        ("reference_rent_usd = inf\n", BadFile, "reference_rent_usd: inf is out of range"),
        ("e2e_s = [nan]\n", BadConfig, "e2e_s"),
        ('points = ["none.parquet"]\n', BadFile, "does not exist"),
        ("published = false\n", NoData, "no points selected"),
        ('models = ["llama-3.1-405b"]\nprecisions = ["bf16"]\n', NoData, "no operating point matches"),
        ("models = [", BadConfig.__mro__[1], "not valid TOML"),
    ],
)
def test_bad_studies(tmp_path, text, error, says):
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(error, match=says):
        run_study(load_study(tmp_path / "s.toml"))


def test_unknown_built_in_and_missing_file(tmp_path):
    with pytest.raises(BadConfig, match="amd-vs-nvidia"):
        load_study("amd-vs-nvida")
    with pytest.raises(BadFile, match="does not exist"):
        load_study(tmp_path / "none.toml")


def test_study_toml_round_trip(default_result, tmp_path):
    (tmp_path / "s.toml").write_text(to_toml(default_result.study))
    assert load_study(tmp_path / "s.toml") == default_result.study


def test_published_points_can_be_limited_to_a_source():
    study = load_study().model_copy(update={"sources": ["trtllm-perf-overview"]})
    with pytest.raises(NoData):
        run_study(study)
    assert "trtllm-perf-overview" in set(published_points()["source"])


def test_a_measured_point_may_be_of_a_machine_that_no_catalog_holds(tmp_path):
    rows = [
        row(
            origin="measured",
            accelerator="my box",
            engine="mine",
            model="my-model",
            concurrency=float(users),
            median_e2e_s=users**0.5,
            median_tpot_s=0.01,
            total_tput_per_gpu_tok_s=50.0 * users**0.5,
        )
        for users in (1, 2, 4)
    ]
    write_points(table(*rows), tmp_path / "mine.parquet")
    (tmp_path / "s.toml").write_text(
        'models = ["my-model"]\nreference = "my box"\npublished = false\npoints = ["mine.parquet"]\n'
    )
    (panel,) = run_study(load_study(tmp_path / "s.toml")).panels
    assert [c.accelerator for c in panel.curves["e2e"]] == ["my box"]
    write_points(table(row(model="lama-3-70b")), tmp_path / "published.parquet")
    with pytest.raises(UnknownName):
        read_all = tmp_path / "p.toml"
        read_all.write_text('points = ["published.parquet"]\n')
        run_study(load_study(read_all))


def test_lengths_of_own_points_need_no_catalog_entry(tmp_path):
    rows = [
        row(
            origin="measured",
            isl=128,
            osl=64,
            concurrency=float(users),
            median_e2e_s=users**0.5,
            median_tpot_s=0.01,
            total_tput_per_gpu_tok_s=24.0 * users**0.5,
        )
        for users in (1, 2, 4)
    ]
    write_points(table(*rows), tmp_path / "mine.parquet")
    (tmp_path / "s.toml").write_text('models = ["llama-3-70b"]\nprecisions = ["fp8"]\npoints = ["mine.parquet"]\n')
    result = run_study(load_study(tmp_path / "s.toml"))
    assert "128/64" in {p.workload for p in result.panels}
    assert all(w != "128/64" for _, w in result.gaps)
    write_study(result, tmp_path / "out", page)
    again = run_study(load_study(tmp_path / "out" / "study.toml"))
    assert [p.title for p in again.panels] == [p.title for p in result.panels]


def test_a_curve_measured_here_joins_the_study(tmp_path):
    from paretoken.answers.study.config import with_points

    rows = [row(origin="measured", accelerator="CPU of this machine", model="tiny", concurrency=1.0)]
    write_points(table(*rows), tmp_path / "p.parquet")
    joined = with_points(load_study(), tmp_path / "p.parquet")
    assert joined.models == [*load_study().models, "tiny"]
    assert joined.points == [tmp_path / "p.parquet"]
    everything = load_study().model_copy(update={"models": []})
    assert with_points(everything, tmp_path / "p.parquet").models == []
