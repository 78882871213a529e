"""The page and files of a plan: its figures, its order, hostile texts, what is missing, what cannot be written."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from io import StringIO
from math import inf, log
from pathlib import Path

import pytest

from paretoken.answers.seam import to_json
from paretoken.errors import CannotWrite
from paretoken.report.plan import words
from paretoken.report.plan.charts import cost_mark, cost_scale, fleet_chart, limit_mark, traffic_chart
from paretoken.report.plan.page import MOST_DETAILED, render_plan, write_plan
from tests.support.plans import fleet, hostile, limit, many, nothing_meets, plan_answer, row, traffic

NASTY = "<img src=x onerror=alert(1)></script>|`*\"'&"


def text_of(page: str) -> str:
    """The words of a page, on one line."""
    body = re.sub(r"<(script|style)[^>]*>.*?</\1>", " ", page, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", body).replace("\u00a0", " ").replace("&#39;", "'").split())


def records(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(StringIO(path.read_text(encoding="utf-8"))))


@pytest.fixture(scope="module")
def page() -> str:
    return render_plan(plan_answer())


def test_a_director_finds_the_answer_first(page):
    text = text_of(page)
    answer = plan_answer()
    first, bill = answer.rows[0], answer.rows[0].bills[0]
    start = text[: text.index("Fleets by cost")]
    assert answer.headline in start
    assert f"12 MI355X {words.fleet_of(first)}" in start
    for figure in (bill.usd_per_day, bill.usd_per_mtok, bill.usd_per_task):
        assert words.usd(figure) in start
    assert words.between(bill.usd_per_day_90) in start
    assert "93 % probability in every hour" in start
    assert answer.slo in start and answer.availability in start and answer.task in start


def test_every_fleet_is_in_the_list_with_its_contract(page):
    for r in plan_answer().rows:
        assert f"{r.rank}. {r.name}" in text_of(page)
    assert re.findall(r'<svg class="interval( filled)?" role="img" aria-label="\$[\d,.]+ per day', page) == [
        "",
        " filled",
        "",
    ]


def test_a_fleet_in_detail(page):
    text = text_of(page)
    at = text.index("2. H200 TP4 fp8 vLLM", text.index("Limits in the worst hour"))
    detail = text[at : text.index("3. GB200", at)]
    for part in (
        "traffic may grow +18 %; then TTFT p99 fails first",
        "TTFT p99 fails first met 1.42 s 1.14 s to 1.85 s 2 s 71 %",
        "TPOT p95 likely 31 ms 24.8 ms to 40.3 ms 40 ms 78 %",
        "predicted from measured points (14 of them); the whole period simulated",
        "reserved, 1 year $1.82",
        "median of 12 providers",
        "--accelerator H200 --tp 4",
        "(62 lines)",
    ):
        assert part in detail
    assert "prefill: 1 worker of 4 GPUs" in text and "new to the calibration: GB200" in text


def test_traffic_and_what_was_left_out(page):
    text = text_of(page)
    for part in (
        "198,707 in 24 h",
        "4.2/s in the busiest hour, 7.9/s in the busiest minute",
        "58,447 sessions of 3.4 requests",
        "37 % of input tokens",
        "Input 1,800 1,210 4,100 9,800 31,800",
        "112 requests without an output length were left out.",
        "TPOT p95 is 71 ms at one request",
        "no room for a KV cache. none",
        "Calibration: 1,204 published points.",
    ):
        assert part in text


def test_what_traffic_does_not_state():
    facts = dict(
        words.traffic_facts(traffic(sessions=0, requests_per_session=None, prefix_reuse=None, length_correlation=None))
    )
    assert (facts["Sessions"], facts["Prefix reuse"]) == ("none stated", "not stated")
    assert "Correlation of input and output" not in facts


def test_without_a_fleet_there_is_still_a_page(tmp_path):
    page = render_plan(nothing_meets())
    text = text_of(page)
    assert "Nothing meets the SLO" in text and "Left out" in text and "requests/s" in text
    assert 'id="fleets"' not in page
    names = {p.name for p in write_plan(nothing_meets(), tmp_path)}
    assert names == {"plan.html", "plan.json", "traffic.csv", "left_out.csv"}


def test_a_fleet_without_a_price():
    bare = replace(row(1, "H200", 4, 4, 2.6), bills=(), foresight_usd_per_day=None, cheaper=None)
    text = text_of(render_plan(plan_answer(rows=(bare,))))
    assert "no contract has a price" in text and "No contract has a price." in text and "no price" in text


def test_hostile_texts_stay_texts():
    page = render_plan(hostile(NASTY))
    assert "<img" not in page
    assert page.count("</script>") == render_plan(plan_answer()).count("</script>")
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert not re.findall(r"""=["'][^"']*<""", page)


def test_it_loads_nothing_and_is_small():
    for answer in (plan_answer(), many(), many(20, 168)):
        page = render_plan(answer)
        assert len(page.encode()) < 300_000
        assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', page)
        assert "url(http" not in page and "echarts" not in page


def test_what_has_no_end_still_has_a_place():
    endless = replace(limit("TTFT p99", 1.9, 2.0), high=inf)
    hopeless = replace(limit("E2E p99", 1.0, 2.0), value=inf, high=inf, ratio=inf)
    one = row(1, "H200", 4, 4, 2.6, limits=(endless, hopeless), headroom=inf, first_to_fail="")
    one = replace(one, bills=(replace(one.bills[0], usd_per_day_90=(1.0, None)), *one.bills[1:]))
    page = render_plan(plan_answer(rows=(one,)))
    text = text_of(page)
    assert "TTFT p99 likely 1.9 s 1.52 s to ∞ 2 s" in text and "E2E p99 unlikely ∞ 0.8 s to ∞ 2 s ∞" in text
    assert "may grow without bound Utilisation" in text
    assert "nan" not in page and "inf%" not in page
    assert limit_mark(endless).high == 100


def test_many_fleets_are_listed_and_the_first_are_shown_in_detail():
    page = render_plan(many())
    assert page.count('<section class="fleet') == page.count('<input type="radio"') == MOST_DETAILED
    assert "40. H200" in page


class TestFiles:
    def test_tables_and_json_hold_the_answer(self, tmp_path):
        answer = plan_answer()
        paths = write_plan(answer, tmp_path / "new" / "plan")
        assert {p.name for p in paths} == {
            *("plan.html", "plan.json", "plan.csv", "hours.csv", "limits.csv", "traffic.csv", "left_out.csv")
        }
        assert all(p.is_file() for p in paths) and len(list((tmp_path / "new" / "plan").iterdir())) == len(paths)
        folder = paths[0].parent
        assert json.loads((folder / "plan.json").read_text()) == to_json(answer)
        rows = records(folder / "plan.csv")
        assert [(r["rank"], r["contract"]) for r in rows] == [
            (str(r.rank), b.contract) for r in answer.rows for b in r.bills
        ]
        bill = answer.rows[0].bills[0]
        assert float(rows[0]["usd_per_day"]) == bill.usd_per_day
        assert (float(rows[0]["usd_per_task_low"]), float(rows[0]["usd_per_task_high"])) == bill.usd_per_task_90
        assert rows[-1]["pools"] == "prefill: 1 worker of 4 GPUs; decode: 1 worker of 4 GPUs"
        hours = records(folder / "hours.csv")
        assert len(hours) == 3 * 24 and [int(h["rented"]) for h in hours[:24]] == [
            h.rented for h in answer.rows[0].hours
        ]
        assert len(records(folder / "traffic.csv")) == 24

    def test_a_row_without_bills_keeps_its_line(self, tmp_path):
        bare = replace(row(1, "H200", 4, 4, 2.6), bills=())
        write_plan(plan_answer(rows=(bare, row(2, "H200", 8, 2, 2.6))), tmp_path)
        rows = records(tmp_path / "plan.csv")
        assert [(r["rank"], r["usd_per_day"] != "") for r in rows] == [("1", False), *[("2", True)] * 3]

    def test_a_spreadsheet_computes_nothing(self, tmp_path):
        write_plan(hostile("=1+1"), tmp_path)
        for path in tmp_path.glob("*.csv"):
            for record in records(path):
                assert not any(cell.startswith("=") for cell in record.values()), path.name

    def test_a_folder_that_cannot_be_written(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(CannotWrite, match="choose another folder"):
            write_plan(plan_answer(), tmp_path / "file")
        assert (tmp_path / "file").read_text() == ""


class TestCharts:
    def test_costs_keep_their_proportions(self):
        rows = plan_answer().rows
        scale = cost_scale(rows)
        marks = [cost_mark(r, scale) for r in rows]
        assert not scale.logarithmic
        for r, mark in zip(rows, marks, strict=True):
            bill = r.bills[0]
            assert mark.at == pytest.approx(100 * bill.usd_per_day / scale.end, abs=0.01)
            assert mark.low < mark.at < mark.high <= 100
        assert [m.at for m in marks] == sorted(m.at for m in marks)
        assert scale.ticks[0] == (0.0, "$0") and 3 <= len(scale.ticks) <= 5

    def test_wide_intervals_have_a_logarithmic_scale(self):
        wide = row(1, "H200", 4, 4, 2.6)
        wide = replace(wide, bills=(replace(wide.bills[0], usd_per_day=200.0, usd_per_day_90=(100.0, 4000.0)),))
        scale = cost_scale((wide,))
        mark = cost_mark(wide, scale)
        assert scale.logarithmic
        assert (mark.at - mark.low) / (mark.high - mark.low) == pytest.approx(log(2) / log(40), abs=0.001)
        assert [label for _, label in scale.ticks] == ["$100", "$200", "$500", "$1,000", "$2,000"]
        assert "on a logarithmic scale" in render_plan(plan_answer(rows=(wide,)))
        assert "on a logarithmic scale" not in render_plan(plan_answer())
        further = replace(wide, bills=(replace(wide.bills[0], usd_per_day_90=(100.0, 40_000.0)),))
        assert [label for _, label in cost_scale((further,)).ticks] == ["$100", "$1,000", "$10k"]

    def test_steps_follow_the_hours(self):
        chart = fleet_chart(fleet(5), day_known=True)
        paths = dict(chart.paths)
        most = max(h.rented for h in fleet(5)) * 1.08
        heights = []
        for h in fleet(5):
            if not heights or heights[-1] != h.rented:
                heights.append(h.rented)
        y = [float(v) for v in re.findall(r"(?:M0 |V)([\d.]+)", paths["rented"])]
        assert y == pytest.approx([100 * (1 - v / most) for v in heights], abs=0.01)
        assert paths["rented"].endswith("H24") and paths["area rented"].endswith("V100Z")
        assert all(float(label) == int(float(label)) for _, label in chart.y_ticks)

    def test_hours_are_named_by_the_day_or_by_count(self):
        assert traffic_chart(traffic().hours, day_known=True).x_ticks[1] == (12.5, "03:00")
        assert traffic_chart(traffic().hours, day_known=False).x_ticks[1] == (12.5, "3 h")
        week = traffic_chart(traffic(168).hours, day_known=True).x_ticks
        assert [label for _, label in week] == [f"day {i}" for i in range(1, 8)]
        assert len(traffic_chart(traffic(1).hours, day_known=True).x_ticks) == 1
        assert traffic_chart((), day_known=True).x_ticks == ()

    def test_a_limit_and_its_bound(self):
        mark = limit_mark(limit("TTFT p99", 1.0, 2.0))
        assert mark.low < mark.at < mark.high < mark.bound < 100
        nothing = replace(limit("none", 0.0, 1.0), bound=0.0)
        assert limit_mark(nothing).at == 0


class TestWords:
    @pytest.mark.parametrize(
        ("p", "text"), [(None, "–"), (1.0, "> 99 %"), (0.9949, "99 %"), (0.5, "50 %"), (0.004, "< 1 %"), (0.0, "< 1 %")]
    )
    def test_nothing_predicted_is_certain(self, p, text):
        assert words.certainty(p).replace("\u00a0", " ") == text

    @pytest.mark.parametrize(
        ("outcome", "verdict"),
        [
            (limit("a", 1.0, 2.0), "met"),
            (limit("a", 1.8, 2.0), "likely"),
            (limit("a", 2.2, 2.0), "unlikely"),
            (limit("a", 3.0, 2.0), "missed"),
            (replace(limit("a", 1.8, 2.0), high=None), "likely"),
            (replace(limit("a", 3.0, 2.0), low=None, high=None), "missed"),
        ],
    )
    def test_verdicts(self, outcome, verdict):
        assert words.limit_words(outcome).verdict == verdict

    @pytest.mark.parametrize(
        ("seconds", "text"), [(15.0, "15 s"), (90.0, "1.5 min"), (86_400.0, "24 h"), (604_800.0, "7 days")]
    )
    def test_spans(self, seconds, text):
        assert words.span_words(seconds) == text

    def test_no_correlation_has_no_sign_of_rounding(self):
        facts = dict(words.traffic_facts(traffic(length_correlation=-0.001)))
        assert facts["Correlation of input and output"] == "+0.00"

    def test_replicas_of_different_sizes_have_no_number_of_gpus(self):
        split = row(1, "H200", 0, 5, 2.6)
        assert words.fleet_of(split) == "5 replicas and 1 spare"
        assert words.fleet_of(replace(split, gpus_per_replica=4)) == "5 replicas of 4 GPUs and 1 spare"

    @pytest.mark.parametrize(("factor", "text"), [(1.18, "+18 %"), (1.0, "+0 %"), (0.9, "−10 %"), (3.6, "×3.6")])
    def test_growth(self, factor, text):
        assert words.growth(factor).replace("\u00a0", " ") == text

    @pytest.mark.parametrize(("usd", "text"), [(12_345.6, "$12,346"), (12.3, "$12.30"), (0.00123, "$0.00123")])
    def test_dollars(self, usd, text):
        assert words.usd(usd) == text


def test_the_page_is_utf8(tmp_path: Path):
    write_plan(plan_answer(), tmp_path)
    assert "≤ 40 ms" in (tmp_path / "plan.html").read_text(encoding="utf-8")
