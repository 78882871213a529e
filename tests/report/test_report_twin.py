"""The page works out curves and verdicts itself: at every mark of the study they are the library's.

The page's figures carry 4 to 6 digits, so margins agree to half a percent, and words and orders wherever the library's
own are not closer to a change than that. Two points of a curve whose latencies differ by less than rounding are one on
the page; the spline bends elsewhere then, so accelerators with such a curve are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import polars as pl
import pytest
from playwright.sync_api import Page

from paretoken.answers.compare import CompareAnswer
from paretoken.answers.study.result import StudyResult
from paretoken.frontier.compare import from_axis
from paretoken.frontier.consistency import LIKELY, LIKELY_PREDICTED, TIE, TIE_PREDICTED
from paretoken.frontier.curve import Curve
from paretoken.frontier.pareto import pareto
from paretoken.frontier.verdict import verdict_at
from paretoken.points.selection import AXES
from paretoken.prices.cost import break_even_rent
from paretoken.prices.fleet import utility_power
from paretoken.prices.owner.levelised import total
from tests.support.html_pages import data_of
from tests.support.pages import watched

pytestmark = pytest.mark.browser

ROUNDING = 5e-3
VERDICTS = """wanted => {
  const { data } = globalThis.paretoken["study/study.js"];
  const { verdictAt, rentNeeded } = globalThis.paretoken["study/verdict.js"];
  return wanted.map(([panel, axis, value]) => {
    const v = verdictAt(data.panels[panel], axis, value);
    return { winner: v.winner?.a ?? null, engine: v.winner?.curve.engine, margin: v.margin, sure: v.sure,
      fragile: v.fragile, withheld: v.withheld, dataEnd: v.dataEnd, acceptance: v.acceptance, daysApart: v.daysApart,
      ranked: v.ranked.map((l) => [l.a, l.usd, l.t, rentNeeded(v, l.a)]) };
  });
}"""
PUT = """changes => {
  const { state, DEFAULTS } = globalThis.paretoken["study/state.js"];
  Object.assign(state, DEFAULTS, { prices: new Map(Object.entries(changes.prices)), off: new Set(changes.off),
    basis: changes.basis ?? DEFAULTS.basis, operator: changes.operator ?? DEFAULTS.operator });
}"""
"""Sets the prices and the accelerators switched off, without a redraw."""
PAIR = re.compile(r"([\w ]+) serves [\d.,]+ tok/s/GPU and ([\w ]+) [\d.,]+, though")
"""The two accelerators out of order in a reason to withhold a verdict."""


@pytest.fixture(scope="module")
def page(browser, default_page) -> Iterator[Page]:
    with watched(browser, default_page) as opened:
        yield opened()


@pytest.fixture(scope="module")
def cases(page: Page, default_result: StudyResult) -> list[tuple[CompareAnswer, dict]]:
    """What the library and the page say of every panel at every mark, at the first tier's prices.

    The page's has `merged`: the accelerators whose curves have points that rounding makes one.
    """
    tier = default_result.tariffs[0].tier
    wanted = {
        (place, verdict.axis, comparison.value): comparison
        for place, panel in enumerate(default_result.panels)
        for verdict in panel.verdicts
        if verdict.tariff.tier == tier
        for comparison in verdict.comparisons
    }
    of_page = page.evaluate(VERDICTS, [list(key) for key in wanted])
    merged = [merged_in(default_result.panels[place].curves[axis]) for place, axis, _ in wanted]
    return [(c, {**v, "merged": m}) for c, v, m in zip(wanted.values(), of_page, merged, strict=True)]


def merged_in(curves: Sequence[Curve]) -> set[str]:
    return {c.accelerator for c in curves if any(b / a - 1 < 1e-5 for a, b in pairwise(c.latency_s))}


def priced(comparison: CompareAnswer) -> list[tuple[str, float, float]]:
    """(accelerator, USD per million tokens, tok/s/GPU) of those with a price."""
    return [
        (c.accelerator, c.usd_per_mtok_total, c.tput_per_gpu)
        for c in comparison.candidates
        if c.usd_per_mtok_total is not None and c.origin != "emulated"
    ]


def clear_of(margin: float, predicted: bool) -> bool:
    """Whether rounding cannot change the word for a margin."""
    bounds = (TIE_PREDICTED, LIKELY_PREDICTED) if predicted else (TIE, LIKELY)
    return all(abs(margin - bound) > ROUNDING / 5 for bound in bounds)


def in_page_words(confidence: str | None) -> str | None:
    return confidence and confidence.replace("thin", "few points")


def test_all_panels_and_axes_are_compared(cases: list, default_result: StudyResult) -> None:
    assert len(cases) >= 5 * len(default_result.panels) * len(AXES) / 2
    assert {c.axis for c, _ in cases} == set(AXES)
    assert sum(page["winner"] is not None for _, page in cases) > 300
    assert sum(len(page["merged"]) for _, page in cases) < 0.05 * sum(len(page["ranked"]) for _, page in cases)


def test_the_ranking_is_the_librarys(cases: list) -> None:
    for library, page in cases:
        ours = priced(library)
        theirs = {a: (usd, t) for a, usd, t, _ in page["ranked"] if usd is not None}
        assert {a for a, _, _ in ours} == set(theirs), library.limits
        ours = [(a, usd, tput) for a, usd, tput in ours if a not in page["merged"]]
        for a, usd, tput in ours:
            assert theirs[a] == (pytest.approx(usd, rel=ROUNDING), pytest.approx(tput, rel=ROUNDING)), (a, library)
        order = list(theirs)
        for (first, low, _), (second, high, _) in pairwise(ours):
            if high / low - 1 > ROUNDING:
                assert order.index(first) < order.index(second), library.limits


def test_winner_margin_and_confidence_are_the_librarys(cases: list) -> None:
    for library, page in cases:
        ours = priced(library)
        if not ours:
            assert page["winner"] is None
            continue
        if (library.margin is not None and library.margin < ROUNDING) or page["merged"] & {a for a, _, _ in ours[:2]}:
            continue
        assert page["winner"] == ours[0][0]
        assert page["engine"] == library.candidates[0].engine or library.candidates[0].usd_per_mtok_total is None
        assert page["margin"] == (
            None if library.margin is None else pytest.approx(library.margin, abs=ROUNDING * (1 + library.margin))
        )
        if library.margin is None or clear_of(library.margin, "predicted" in library.confidence):
            assert page["sure"] == in_page_words(library.confidence), library.limits


def test_a_verdict_is_fragile_for_the_librarys_reasons(cases: list) -> None:
    """Within 5 % of a change of winner, or with one load level that decides it."""
    reasons = {"within 5 %": "a limit 5 % away", "one load l": "one load level"}
    of_library = [reasons[c.fragile[:10]] if c.fragile else "" for c, _ in cases]
    of_page = [(page["fragile"] or "")[:16].rstrip() for _, page in cases]
    unlike = [
        (c.axis, c.value, a, b)
        for (c, _), a, b in zip(cases, of_library, of_page, strict=True)
        if not b.startswith(a[:14]) or bool(a) != bool(b)
    ]
    assert set(of_library) == {"", *reasons.values()}
    # A change of winner exactly 5 % away may fall on either side of the rounding.
    assert len(unlike) <= len(cases) / 100, unlike


@contextmanager
def at_prices(page: Page, **changes: object) -> Iterator[None]:
    """The page at other prices; afterwards at its own again."""
    page.evaluate(PUT, {"prices": {}, "off": [], **changes})
    yield
    page.evaluate(PUT, {"prices": {}, "off": []})


def prices_of(result: StudyResult, basis: str) -> tuple[dict[str, object], dict[str, float]]:
    """What the page is set to for a basis, and the prices that the library has for it, USD per GPU-hour."""
    tariff, economy = result.tariffs[0], result.economy
    match basis.split(":"):
        case ["study"]:
            return {}, tariff.usd_per_gpu_h
        case ["typed"]:
            return {"prices": {"H100": 9, "B200": 2.5}}, {**tariff.usd_per_gpu_h, "H100": 9, "B200": 2.5}
        case ["owner", operator]:
            inputs = economy.owners[operator]
            usd = {i.accelerator: float(total(i.values)) for i in inputs}
            return {"basis": "owner", "operator": operator}, usd
        case ["market", term]:
            medians = {c.accelerator: c.median_usd_per_gpu_h for c in economy.cells if c.term == term}
            return {"basis": basis}, {a: usd for a, usd in medians.items() if usd is not None}
    raise AssertionError(basis)


BASES = ("study", "typed", "owner:hyperscaler", "owner:neocloud", "market:on-demand")
LIMITS = {"e2e": (5, 20, 60), "interactivity": (25, 50, 100)}


@pytest.mark.parametrize("basis", BASES)
def test_at_any_prices_doubts_are_the_librarys(page: Page, default_result: StudyResult, basis: str) -> None:
    """Withheld verdicts with their pair, ended data, unstated acceptance and dates: at the same prices the same."""
    changes, usd = prices_of(default_result, basis)
    wanted = [
        (place, axis, limit)
        for place in range(len(default_result.panels))
        for axis, limits in LIMITS.items()
        for limit in limits
    ]
    with at_prices(page, **changes):
        of_page = page.evaluate(VERDICTS, wanted)
    weight = {a: 1 / price for a, price in usd.items()}
    compared, unlike = {"withheld": 0, "ended": 0, "unstated": 0}, []
    for (place, axis, limit), own in zip(wanted, of_page, strict=True):
        panel = default_result.panels[place]
        library = verdict_at(panel.curves[axis], from_axis(limit, axis), weight, panel.grids[axis].order)
        if library is None:
            assert own["winner"] is None
            continue
        pairs = [PAIR.search(reason or "") for reason in (library.withheld, own["withheld"])]
        names = [match and (match[1].split()[-1], match[2]) for match in pairs]
        doubts = (
            (library.winner, own["winner"]),
            tuple(names),
            (library.acceptance, own["acceptance"]),
            (library.days_apart, own["daysApart"]),
            (led(library.data_end), led(own["dataEnd"])),
        )
        if any(a != b for a, b in doubts):
            unlike.append((place, axis, limit, doubts))
        assert pairs[0] or not library.withheld
        compared["withheld"] += library.withheld is not None
        compared["ended"] += library.data_end is not None
        compared["unstated"] += library.acceptance is not None
    assert compared["ended"] and compared["unstated"]
    assert compared["withheld"] or basis.startswith("market")
    # Rounding may turn a verdict that is closer than half a percent to another one.
    assert len(unlike) <= len(wanted) / 50, unlike


def led(reason: str | None) -> list[str]:
    """Who led until its data end."""
    return [part.split()[0] for part in (reason or "").split("; ") if part]


def test_what_the_library_withholds_the_page_withholds(cases: list) -> None:
    barred = [bool(c.withheld) for c, _ in cases]
    unlike = [(c.limits, a) for (c, page), a in zip(cases, barred, strict=True) if a != bool(page["withheld"])]
    assert any(barred)
    assert len(unlike) <= len(cases) / 100, unlike


def test_an_accelerator_switched_off_wins_nothing_and_mends_no_data(page: Page) -> None:
    panels = page.evaluate("globalThis.paretoken['study/study.js'].data.panels.length")
    wanted = [(place, "e2e", 20) for place in range(panels)]
    shown = page.evaluate(VERDICTS, wanted)
    with at_prices(page, off=["B200"]):
        without = page.evaluate(VERDICTS, wanted)
    assert any(v["winner"] == "B200" for v in shown)
    assert not any("B200" in (a for a, *_ in v["ranked"]) for v in without)
    kept = [v for v in without if v["withheld"] and "B200" in v["withheld"]]
    assert all(v["winner"] != "B200" for v in kept) and kept


def test_throughput_per_mw_is_that_of_compare(page: Page, cases: list, default_result: StudyResult) -> None:
    """At the utility's meter of the operator of the tier, not of the owner whose inputs are being looked at."""
    kw = page.evaluate(
        """() => Object.fromEntries(globalThis.paretoken["study/study.js"].data.accelerators
          .map(({ id }) => [id, globalThis.paretoken["study/owner.js"].kwOf(id)]))"""
    )
    assert kw["B200"] == pytest.approx(utility_power(default_result.tariffs[0]).kw_per_gpu["B200"])
    compared = 0
    for library, own in cases:
        speeds = {a: t for a, _, t, _ in own["ranked"] if a not in own["merged"]}
        for c in library.candidates:
            if c.tok_s_per_utility_mw and c.accelerator in speeds and c.origin != "emulated":
                mw = speeds[c.accelerator] * 1000 / kw[c.accelerator]
                assert mw == pytest.approx(c.tok_s_per_utility_mw, rel=ROUNDING)
                compared += 1
    assert compared > 500


def test_the_rent_needed_is_the_break_even_rent(cases: list, default_result: StudyResult) -> None:
    rents = default_result.tariffs[0].usd_per_gpu_h
    compared = 0
    for _, page in cases:
        speeds = {a: t for a, _, t, _ in page["ranked"]}
        for a, _, t, needed in page["ranked"]:
            winner = page["winner"]
            if winner is None or a == winner:
                assert needed is None
            else:
                assert needed == pytest.approx(break_even_rent(rents[winner], speeds[winner], t), rel=1e-9)
                compared += 1
    assert compared > 500


def test_the_pareto_sets_on_ttft_are_the_librarys(page: Page, default_page) -> None:
    data = data_of(default_page.read_text(encoding="utf-8"))
    sets = page.evaluate(
        """() => { const { data } = globalThis.paretoken["study/study.js"];
          return data.panels.map((p) => globalThis.paretoken["study/curves.js"].paretoSets(p).map((c) => c.p)); }"""
    )
    for panel, of_page in zip(data["panels"], sets, strict=True):
        points = pl.DataFrame({key: panel["points"][key] for key in ("a", "e", "r", "w", "ttft", "t")}, strict=False)
        front = pareto(points.with_row_index("i"), "ttft", "t", by=("a", "e", "r", "w"))
        ours = {tuple(rows) for rows in front.group_by("a", "e", "r", "w", maintain_order=True).agg("i")["i"].to_list()}
        assert {tuple(p) for p in of_page} == ours
