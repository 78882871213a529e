"""Comparison of runs: equal ones are called equal, different ones different, unlike ones are refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import stats

from paretoken.bench.plan import Closed
from paretoken.bench.stats.differences import RawDifference
from paretoken.bench.stats.figures import FIGURES, compared_level
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.bench.stats.warnings import LevelWarning
from paretoken.errors import BadConfig, NoData
from paretoken.history.at_load import compare, differing, holm
from tests.support.levels import MS, S, closed, request, table
from tests.support.runs import proof

COLUMNS = {"model": "m", "isl": 100, "osl": 50}
ABOUT = LevelContext(columns=COLUMNS, config={"workload": "chat"})


def run(seed, *, tpot=0.02, users=8, seconds=40.0, config=None, drift=0.0):
    """One level as measured; `drift` is a disturbance of the whole run, as another day would bring."""
    records = closed(
        users,
        seconds,
        ttft=lambda rng, t: 0.2 * rng.lognormal(0, 0.2),
        tpot=lambda rng, t: tpot * (1 + drift) * rng.lognormal(0, 0.05),
        stagger_s=0.13,
        seed=seed,
    )
    about = LevelContext(columns=COLUMNS, config=config or {"workload": "chat"})
    return compared_level(records, summarise(records, Closed(users), about))


def test_equal_runs_are_rarely_called_different():
    wrong = 0
    for seed in range(20):
        found = compare([run(2 * seed, seconds=15.0)], [run(2 * seed + 1, seconds=15.0)], seed=seed)
        wrong += any(d.significant for d in found.differences)
    assert wrong <= 3


def drafted(length: float | None):
    level = run(1, seconds=15.0)
    point = {"speculative": "mtp", "speculative_tokens": 3, "acceptance_length": length}
    return replace(level, summary=replace(level.summary, point=point))


@pytest.mark.parametrize(
    ("a", "b", "says"),
    [
        (2.9, 2.8, None),
        (2.9, 2.4, "8 users: unlike acceptance, MTP K=3, 2.9 tokens a step in A and MTP K=3, 2.4 tokens a step in B"),
        (2.9, None, "8 users: drafts tokens, and the acceptance length of B is not known"),
    ],
)
def test_runs_that_draft_at_unlike_acceptance_are_doubted(a, b, says):
    doubts = [text for text in compare([drafted(a)], [drafted(b)]).doubts if "acceptance" in text]
    assert (doubts == []) if says is None else doubts[0].startswith(says)


def test_a_slower_engine_is_seen_and_said():
    found = compare([run(1)], [run(2, tpot=0.022)])
    by_name = {d.figure: d for d in found.differences}
    tpot, rate = by_name["median TPOT"], by_name["output throughput"]
    assert tpot.significant and tpot.low < 0.1 < tpot.high + 0.01
    assert not tpot.better and not rate.better
    assert rate.significant and rate.change < 0
    assert "higher in B" in str(tpot) and "worse" in str(tpot)
    assert not by_name["mean TTFT"].significant


def test_where_nothing_is_seen_the_smallest_visible_difference_is_named():
    found = compare([run(1)], [run(2)])
    quiet = [d for d in found.differences if not d.significant]
    assert quiet
    assert all(0 < d.visible < 0.5 for d in quiet)
    assert "no significant difference; smallest detectable: " in str(quiet[0])


def test_the_visible_difference_is_seen_about_four_times_in_five():
    visible = np.median([d.visible for d in compare([run(1)], [run(2)]).differences if d.figure == "median TPOT"])
    seen = 0
    for seed in range(15):
        found = compare([run(100 + seed)], [run(200 + seed, tpot=0.02 * (1 + visible))], seed=seed)
        seen += next(d for d in found.differences if d.figure == "median TPOT").significant
    assert 8 <= seen <= 15


def test_the_noise_of_a_difference_is_that_of_its_own_distribution():
    """Bootstrapped medians between two modes are far from normal, and few repeats have Student's tails."""
    drawn = np.random.default_rng(3).standard_t(2, 4000)
    about = {"figure": FIGURES[0], "load": ("closed", 4.0), "a": 1.0, "b": 1.2, "low": 0.0, "high": 0.4, "p_value": 1.0}
    alpha = 0.05 / 24
    heavy = RawDifference(**about, spread=float(drawn.std()), deviations=np.abs(drawn), basis="blocks")
    exceeded = float(np.mean(np.abs(drawn) > heavy.noise(alpha)))
    assert exceeded == pytest.approx(alpha, abs=1 / 4000)
    normal, repeats = (RawDifference(**about, spread=0.1, freedom=n, basis="") for n in (math.inf, 4))
    assert normal.noise(alpha) == pytest.approx(0.1 * stats.norm.ppf(1 - alpha / 2))
    assert repeats.noise(alpha) == pytest.approx(0.1 * stats.t.ppf(1 - alpha / 2, 4)) and repeats.noise(alpha) > 0.5


def test_repeats_use_the_spread_between_runs():
    """Runs that differ from day to day by 3 % hide what each alone would swear to."""
    rng = np.random.default_rng(5)
    a = [run(k, drift=rng.normal(0, 0.03), seconds=15.0) for k in range(4)]
    b = [run(10 + k, drift=rng.normal(0, 0.03), seconds=15.0) for k in range(4)]
    found = {d.figure: d for d in compare(a, b).differences}
    assert found["median TPOT"].basis == "4 against 4 repeats"
    assert not found["median TPOT"].significant
    assert found["median TPOT"].visible > 0.03


def test_welch_agrees_with_scipy():
    a, b = [run(k, seconds=15.0) for k in range(3)], [run(9 + k, tpot=0.0205, seconds=15.0) for k in range(3)]
    found = {d.figure: d for d in compare(a, b).differences}["median TPOT"]
    values = [[np.log(np.nanmedian(x.samples.tpot_s[x.done])) for x in side] for side in (a, b)]
    raw = stats.ttest_ind(*values, equal_var=False).pvalue
    assert found.p_value >= raw
    assert found.p_value <= raw * 8 + 1e-12


def failing(seed, every):
    """A level with every n-th request failed, marked as `bench` does past 5 %."""
    bad = pl.arange(0, pl.len()) % every == 0
    records = closed(8, 40.0, stagger_s=0.13, seed=seed).with_columns(
        status=pl.when(bad).then(pl.lit("http_5xx")).otherwise("status"),
        first_ns=pl.when(bad).then(-1).otherwise("first_ns"),
        last_ns=pl.when(bad).then(-1).otherwise("last_ns"),
    )
    summary = summarise(records, Closed(8), ABOUT)
    return compared_level(records, replace(summary, failed="too many" if every < 20 else None))


def test_requests_cut_at_the_end_dilute_no_compared_error_rate():
    sound, bad = run(1), failing(2, 3)
    cut = replace(bad.summary.errors, requests=20 * bad.summary.errors.requests)
    comparison = compare([sound], [replace(bad, summary=replace(bad.summary, errors=cut))])
    rate = next(d for d in comparison.differences if d.figure == "error rate")
    assert rate.b == pytest.approx(1 / 3, abs=0.01)


def test_errors_are_compared_and_named():
    sound, bad = run(1), failing(2, 3)
    found = compare([sound], [bad])
    rate = next(d for d in found.differences if d.figure == "error rate")
    assert rate.significant and not rate.better and rate.a == 0 and rate.b == pytest.approx(1 / 3, abs=0.01)
    assert rate.low < rate.change < rate.high and "0.0% in A, 33." in str(rate) and "worse" in str(rate)
    assert found.failed == ("8 users",) and found.regressions[0] == "B failed at 8 users"
    assert "B at 8 users: FAILED: too many" in found.doubts
    assert not compare([bad], [sound]).regressions


def test_a_few_errors_more_make_b_worse_where_that_is_no_chance():
    few = failing(2, 25)
    found = compare([run(1)], [few])
    assert not found.failed and next(d for d in found.differences if d.figure == "error rate").b < 0.05
    assert found.regressions
    assert not any(d.figure == "error rate" for d in compare([run(1)], [run(2)]).differences)


def test_a_level_where_nothing_succeeded_is_compared_by_its_errors():
    gone = {name: pl.lit(-1, pl.Int64) for name in ("first_ns", "last_ns")}
    records = closed(8, 5.0).with_columns(status=pl.lit("refused"), **gone)
    dead = compared_level(records, replace(summarise(records, Closed(8), ABOUT), failed="100 %"))
    found = compare([run(1)], [dead])
    assert [d.figure for d in found.differences] == ["error rate"] and found.regressions


def test_what_to_know_of_the_levels_is_said():
    short, limited = run(1, seconds=3.0), run(2)
    limited = replace(limited, summary=replace(limited.summary, fidelity=proof(8, limited=True)))
    found = compare([short], [limited])
    assert any(t.startswith("A at 8 users: no steady state") for t in found.doubts)
    assert "B at 8 users: client-limited" in found.doubts


def test_repeats_against_a_single_run_are_pooled_and_said():
    """A first repeat that is off by 20 % does not stand for all."""
    a = [run(1, tpot=0.024, seconds=15.0), *(run(k, seconds=15.0) for k in range(2, 6))]
    found = compare(a, [run(9, seconds=15.0)])
    tpot = next(d for d in found.differences if d.figure == "median TPOT")
    assert tpot.basis == "5 against 1 repeats" and not tpot.significant
    assert abs(tpot.change) < 0.06
    assert any("5 in A, 1 in B" in t for t in found.doubts)
    steady = compare([run(k, seconds=15.0) for k in range(5)], [run(9, tpot=0.024, seconds=15.0)])
    assert next(d for d in steady.differences if d.figure == "median TPOT").significant


def test_loads_are_matched_and_the_rest_is_named():
    found = compare([run(1), run(2, users=4)], [run(3), run(4, users=16)])
    assert {d.load for d in found.differences} == {("closed", 8.0)}
    assert found.unmatched == (("closed", 4.0), ("closed", 16.0))
    with pytest.raises(NoData):
        compare([run(1)], [run(2, users=4)])
    with pytest.raises(NoData):
        compare([], [run(1)])


def test_a_length_that_differs_is_named_once():
    """As the option states it, not again as the column of the points."""
    a, b = (replace(run(1, config={"isl": isl}).summary, columns={"isl": int(isl)}) for isl in ("128", "1024"))
    assert differing(a, b) == ["config.isl: '128' in A, '1024' in B"]


def test_runs_of_another_configuration_are_refused_unless_asked():
    a, b = run(1), run(2, config={"workload": "summarisation", "api": {"stream": True}})
    keys = differing(a.summary, b.summary)
    assert [k.split(":")[0] for k in keys] == ["config.api.stream", "config.workload"]
    with pytest.raises(BadConfig, match=r"config\.workload: 'chat' in A, 'summarisation' in B"):
        compare([a], [b])
    assert compare([a], [b], force=True).differing == tuple(keys)


def test_the_same_seed_gives_the_same_verdict():
    a, b = run(1), run(2)
    assert compare([a], [b], seed=4) == compare([a], [b], seed=4)


def test_a_run_does_not_differ_from_itself():
    a = run(1)
    assert all(d.change == 0 and d.p_value == 1.0 and not d.significant for d in compare([a], [a]).differences)


def test_holm_is_monotone_and_agrees_with_the_textbook():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])).max() == 1.0


def whole(level):
    """The level with answers that arrived in one piece."""
    return replace(level, summary=replace(level.summary, warnings=(LevelWarning("buffered", "in one piece"),)))


def test_answers_in_one_piece_are_a_regression_where_they_were_not_before():
    a, b = [run(1, seconds=15.0), run(1, users=4, seconds=15.0)], [run(2, seconds=15.0), run(2, users=4, seconds=15.0)]
    found = compare(a, [whole(b[0]), b[1]])
    assert found.hidden == ("8 users",)
    assert found.regressions[0] == "B at 8 users: answers arrive in one piece, so TTFT and TPOT are unknown"
    assert compare([whole(level) for level in a], [whole(level) for level in b]).hidden == ()
    assert compare([whole(level) for level in a], b).hidden == ()
    assert compare(a[:1], [b[0], whole(b[1])]).hidden == ()


def level_of(rows, users=1):
    frame = table(rows)
    return compared_level(frame, summarise(frame, Closed(users), LevelContext(columns={"model": "m"})))


def test_a_change_is_at_least_minus_one_and_none_without_an_upper_bound():
    """A single request fills few of the bins, so that most drawn rates of the baseline are 0 or less."""
    one = level_of([request(0, [100 * MS, 200 * MS, 300 * MS], user=0)])
    with pytest.raises(NoData, match="no load with enough requests"):
        compare([one], [one])
    steady = level_of([request(k * S, [k * S + 100 * MS, k * S + 900 * MS], user=0) for k in range(40)])
    (output,) = (d for d in compare([steady], [one]).differences if d.figure == "output throughput")
    assert output.low >= -1


def test_no_throughput_is_compared_where_nobody_counted_the_output():
    rows = [
        request(k * S, [k * S + 100 * MS], user=0, output_tokens=-1, planned_output=50, first_ns=-1) for k in range(40)
    ]
    level = level_of(rows)
    assert {d.figure for d in compare([level], [level]).differences} == {"median E2E"}


def test_a_request_cut_before_its_first_token_hides_no_throughput():
    rows = closed(8, 40.0, stagger_s=0.13).to_dicts()
    never = {"first_ns": -1, "last_ns": -1, "end_ns": 60 * S, "output_tokens": -1}
    cut = [request(39 * S, [], status="cancelled", user=user, **never) for user in range(3)]
    whole, with_cut = level_of(rows, 8), level_of(rows + cut, 8)
    figures = [d.figure for d in compare([whole], [with_cut]).differences]
    assert figures[:2] == ["output throughput", "total throughput"]
    assert with_cut.summary.intervals["total_tok_s"] is not None
