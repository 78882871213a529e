"""Intervals: planted residuals whose spread is known, what is new about a case, and that no band sees its own fold."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import polars as pl
import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig, BadFile
from paretoken.points.files import write_points
from paretoken.points.load import load_points
from paretoken.points.schema import conform
from paretoken.predict.calibration.band_fit import BandSample, fit_bands, half_widths, out_of_fold
from paretoken.predict.calibration.bands import COVERAGES, KINDS, SIDES, BandModel, Bands, assumed_bands, log_bands
from paretoken.predict.calibration.coverage import Intervals, covered, group_coverage, nominal_coverage
from paretoken.predict.calibration.file import read_calibration, shipped_calibration, write_calibration
from paretoken.predict.calibration.make import calibrate
from paretoken.predict.calibration.novelty import Seen, SeenCase, novelty_weights, novelty_words
from paretoken.predict.calibration.sample import OUTCOMES
from paretoken.predict.calibration.worst import worst_cells
from paretoken.predict.configure import case
from paretoken.predict.deployment import Case, Deployment, Lengths, check, first_shipping
from paretoken.predict.predictor import band_of, novelty, predict_cases
from paretoken.predict.rows import predicted_points

CATALOG = load_catalog()
CHAT = Lengths(1024, 1024, 0.8)
LLAMA = Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=4, tp=4)
ENGINES, FOLDS, EACH, CELLS = ("calm", "wild"), 4, 1000, 100
NORMAL = 1.645
Folds = list[tuple[int, Bands]]


def planted(calm: float = 0.05, wild: float = 0.10, new: float = 0.3, slower: float = 2.0) -> BandSample:
    """Half of the cases new in their TP, on two engines of other spread (deviations of ln), above twice that below."""
    rng = np.random.default_rng(1)
    n = FOLDS * EACH
    fold = np.repeat(np.arange(FOLDS), EACH)
    engine, is_new = rng.integers(2, size=n), rng.random(n) < 0.5
    weights = np.zeros((n, len(KINDS)))
    weights[:, KINDS.index("known")] = 1
    weights[:, KINDS.index("tp")] = is_new
    deviation = np.hypot(np.array([calm, wild])[engine], new * is_new)
    drawn = rng.standard_normal(n) * deviation
    groups = np.full((n, 4), -1)
    groups[:, 0], groups[:, 1] = engine, 2 + rng.integers(CELLS, size=n) * 2 + engine
    return BandSample(
        row=np.arange(n),
        fold=fold,
        weights=weights,
        groups=groups,
        names=(*(f"engine {name}" for name in ENGINES), *(f"cell {i}" for i in range(2 * CELLS))),
        residual=np.tile(np.where(drawn > 0, slower * drawn, drawn)[:, None], (1, len(OUTCOMES))),
        counted=np.ones(n, dtype=bool),
    )


def test_planted_spreads_are_recovered():
    """Both ends, new or not, within a third; what is assumed is off by up to three times."""
    model = BandModel(fit_bands(planted()))
    weights = np.zeros((4, len(KINDS)))
    weights[:, KINDS.index("known")] = 1
    weights[2:, KINDS.index("tp")] = 1
    groups = [["engine calm"], ["engine wild"]] * 2
    h = model.half_widths(weights, groups)[:, 0]
    truth = NORMAL * np.array([0.05, 0.10, np.hypot(0.05, 0.3), np.hypot(0.10, 0.3)])
    assert h[:, 0] == pytest.approx(truth, rel=0.35)
    assert h[:, 1] == pytest.approx(2 * truth, rel=0.35)
    assert h[1, 0] > 1.3 * h[0, 0]


@pytest.fixture(scope="module")
def bands() -> Folds:
    """The bands of the planted sample, by the fold that they have not seen."""
    return list(out_of_fold(planted()))


def judged(s: BandSample, folds: Folds) -> tuple[Intervals, pl.DataFrame]:
    widths, reach = half_widths(s, folds)
    engines = np.where(s.groups[:, 0] == 0, *ENGINES)
    names = {"accelerator": "X", "model": "Y", "source": "Z", "precision": "fp8", "date": "2026-01-01"}
    table = pl.DataFrame({"engine": engines}).with_columns(**{k: pl.lit(v) for k, v in names.items()})
    return Intervals(s, ("cell",) * FOLDS, widths, reach), table


def test_every_group_is_covered_as_promised_by_bands_of_other_folds(bands):
    x, table = judged(planted(), bands)
    groups = group_coverage(x, table)
    assert {g.group for g in groups if g.by == "engine"} == set(ENGINES)
    assert all(0.84 <= g.coverage <= 0.96 for g in groups)
    calm, wild = (next(g for g in groups if g.group == name and g.outcome == "tpot") for name in ENGINES)
    assert calm.width < wild.width
    for c in nominal_coverage(x):
        assert c.observed == pytest.approx(c.nominal, abs=0.07)


def test_known_cases_have_narrow_intervals_beside_new_ones(bands):
    s = planted()
    x, _ = judged(s, bands)
    new = s.weights[:, KINDS.index("tp")] > 0
    known_width, new_width = (covered(x, 0, at)[1] for at in (~new, new))
    assert known_width < 1.8 < new_width


def test_a_band_never_sees_its_own_fold(bands):
    """The residuals of one fold made ten times as large: its own bands stay, those of the others do not."""
    s = planted()
    wider = replace(s, residual=np.where((s.fold == 0)[:, None], 10 * s.residual, s.residual))
    before, after = dict(bands), dict(islice(out_of_fold(wider), 2))
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_the_same_points_in_another_split_are_left_out_as_well():
    s = planted()
    again = replace(s, row=s.row % EACH)
    assert not again.without(0).any()


def test_without_residuals_the_bands_are_those_assumed():
    s = planted()
    bands = fit_bands(s, np.zeros(len(s.row), dtype=bool))
    assert bands == assumed_bands()


def test_a_wider_nominal_coverage_has_a_wider_interval():
    model = BandModel(shipped_calibration().bands)
    reach = np.array([model.reach(c) for c in (0.5, 0.8, 0.9, 0.93, 0.99)])
    assert (np.diff(reach, axis=0) >= 0).all()
    assert (model.reach(0.9) == 1).all()


# What is new


def seen_case(**changes: object) -> SeenCase:
    values: dict[str, object] = {
        "accelerator": "H200",
        "engine": "vllm",
        "model": "llama-3-70b",
        "precision": "fp8",
        "size": "4",
        "lengths": "1024/1024",
        "drafting": False,
        "site": "public",
        "first": "2026-01-15",
        "last": "2026-03-15",
        "points": 5,
    }
    return SeenCase(**(values | changes))  # type: ignore[arg-type] # the fields by name


def new_ways(seen: list[SeenCase], lengths: Lengths = CHAT, **changes: object) -> dict[str, float]:
    d = replace(LLAMA, **changes)
    return novelty_weights(Case(deployment=d, lengths=lengths, concurrency=16.0), Seen.of(frozenset(seen)))


@pytest.mark.parametrize(
    ("changes", "new"),
    [
        ({"date": "2026-02-01"}, ()),
        ({"date": "2026-01-02"}, ()),
        ({"date": "2025-10-01"}, ("earlier date",)),
        ({"date": "2026-08-01"}, ("later date",)),
        ({"gpus": 8, "tp": 8}, ("tp",)),
        ({"speculative": "mtp"}, ("speculation",)),
        ({"precision": "bf16"}, ("precision",)),
        ({"engine": "sglang"}, ("engine",)),
        ({"lengths": Lengths(4096, 1024, 0.8)}, ("workload",)),
        ({"lengths": Lengths(1024, 1024, 1.0)}, ("other site",)),
    ],
)
def test_the_ways_of_being_new(changes, new):
    assert novelty_words(new_ways([seen_case()], **changes)) == new


def test_a_cell_that_nobody_combined_is_new():
    others = [seen_case(engine="sglang"), seen_case(accelerator="H100")]
    assert novelty_words(new_ways(others)) == ("cell",)


def test_the_months_outside_are_counted_from_the_cells_own_dates():
    later = seen_case(accelerator="H100", last="2026-11-15")
    assert new_ways([seen_case(), later], date="2026-06-15")["later"] == pytest.approx(3.0, abs=0.1)


def test_the_users_own_machine_is_no_other_site():
    equal = Lengths(1024, 1024, 1.0)
    assert new_ways([seen_case(site="measured")], lengths=equal, date="2026-02-01") == {}
    assert "site" in new_ways([seen_case(site="lab")])


@pytest.mark.parametrize("day", ["2025-03-01", "2026-11-01"])
def test_a_date_outside_the_data_widens_the_interval_and_is_named(day):
    inside, outside = (case(replace(LLAMA, date=d), CHAT, 16) for d in ("2026-01-15", day))
    word = "earlier date" if day < "2026" else "later date"
    assert word in novelty(outside, shipped_calibration()) and word not in novelty(inside, shipped_calibration())
    low, high = band_of(outside, shipped_calibration())["tpot"]
    near_low, near_high = band_of(inside, shipped_calibration())["tpot"]
    assert high - low > 1.3 * (near_high - near_low)
    if day < "2026":
        assert high > -low


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"date": "2024-07-22"}, "llama-3-70b was released 2024-07-23"),
        ({"model": "gemma-3-27b", "date": "2025-02-28"}, "gemma-3-27b was released 2025-03"),
        ({"accelerator": "MI355X", "date": "2025-09-30"}, "MI355X first shipped 2025-10"),
    ],
)
def test_a_date_before_the_model_or_the_accelerator_is_refused(changes, sentence):
    with pytest.raises(BadConfig, match=sentence):
        check(replace(LLAMA, **changes), CATALOG)


@pytest.mark.parametrize(
    ("changes"),
    [
        {"date": "2024-07-23"},
        {"model": "gemma-3-27b", "date": "2025-03-01"},
        {"accelerator": "MI355X", "date": "2025-10-01"},
        {"date": None},
    ],
)
def test_a_date_on_which_both_existed_is_taken(changes):
    check(replace(LLAMA, **changes), CATALOG)


@pytest.mark.parametrize(
    ("text", "month"),
    [
        ("2025-Q2 volume (SemiAnalysis May 2026)", "2025-04"),
        ("2024-H2", "2024-07"),
        ("2026-01 (maker); elsewhere 2025-08-15", "2025-08-15"),
        ("2023", "2023-01"),
        ("", ""),
        ("soon", ""),
    ],
)
def test_words_on_first_shipping(text, month):
    assert first_shipping(text) == month


# The file, and a user's own runs


def test_bands_survive_the_file(tmp_path):
    write_calibration(replace(shipped_calibration(), bands=assumed_bands()), tmp_path / "c.parquet")
    again = read_calibration(tmp_path / "c.parquet")
    assert again.bands == assumed_bands() and again.seen == shipped_calibration().seen


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_file_without_all_widths_is_refused(tmp_path, outcome):
    bands = {o: {s: dict(side) for s, side in sides.items()} for o, sides in assumed_bands().items()}
    bands[outcome][SIDES[1]]["widths"] = {"known": 0.1}
    write_calibration(replace(shipped_calibration(), bands=bands), tmp_path / "c.parquet")
    with pytest.raises(BadFile, match="not complete; recreate it"):
        read_calibration(tmp_path / "c.parquet")


def test_predictions_carry_the_bands_of_their_cases():
    cases = [case(LLAMA, CHAT, 16), case(replace(LLAMA, model="mistral-large-2"), CHAT, 64)]
    p = predict_cases(cases, catalog=CATALOG)
    for i, c in enumerate(cases):
        bands = np.array(list(band_of(c, shipped_calibration()).values()))
        assert p.log_band[i] == pytest.approx(bands, rel=1e-9)
    assert (p.log_band[:, :, 0] < 0).all() and (p.log_band[:, :, 1] > 0).all()
    assert p.log_band[0, 0, 1] < p.log_band[1, 0, 1]


def own_runs(off: float, users: tuple[int, ...]) -> pl.DataFrame:
    """Runs of a cell that nobody published, `off` by a random factor of that deviation."""
    d = replace(LLAMA, accelerator="L40S", gpus=4, tp=4, date="2026-11-20")
    points = predicted_points(predict_cases([case(d, CHAT, n) for n in users], catalog=CATALOG))
    factor = np.exp(off * np.random.default_rng(3).standard_normal(len(points))) * 1.3
    times = ("median_tpot_s", "median_e2e_s", "median_ttft_s")
    rates = ("total_tput_per_gpu_tok_s", "input_tput_per_gpu_tok_s", "output_tput_per_gpu_tok_s")
    return conform(
        points.with_columns(
            origin=pl.lit("measured"),
            source=pl.lit("mine"),
            multinode=pl.lit(False),
            **{name: points[name] * factor for name in times},
            **{name: points[name] / factor for name in rates},
        )
    )


@pytest.mark.slow
def test_own_runs_narrow_the_interval_of_the_machine_they_measured(tmp_path):
    users = (2, 4, 8, 16, 32, 48, 64)
    asked = case(replace(LLAMA, accelerator="L40S", gpus=4, tp=4, date="2026-11-20"), CHAT, 24)

    def width(calibration):
        low, high = band_of(asked, calibration)["tpot"]
        return float(np.exp(high - low))

    def on_top(off):
        write_points(own_runs(off, users), tmp_path / "mine.parquet")
        points = load_points((tmp_path / "mine.parquet",), published=False, bundles=(), catalog=CATALOG)
        return calibrate(points, base=shipped_calibration(), catalog=CATALOG)

    calm, noisy = on_top(0.01), on_top(0.12)
    assert width(calm) < 1.35 < 1.6 < width(shipped_calibration())
    assert width(calm) < width(noisy)
    assert novelty(asked, calm) == ("random half",)


# The report


def test_the_worst_cells_say_why():
    s = planted()
    weights = s.weights.copy()
    weights[:, KINDS.index("tp")] = 1
    new = replace(s, weights=weights)
    x, table = judged(new, list(out_of_fold(new)))
    worst = worst_cells(x, table, np.ones(len(table), dtype=bool))
    assert [w.engine for w in worst] and all(w.reason.startswith("new tp") for w in worst)
    assert worst[0].factor >= worst[-1].factor > 1


def test_ends_of_an_interval_are_either_side_of_the_prediction():
    assert log_bands(np.array([[[0.1, 0.2]]])).tolist() == [[[-0.1, 0.2]]]
    assert len(COVERAGES) == len(shipped_calibration().bands["tpot"]["low"]["quantiles"])
