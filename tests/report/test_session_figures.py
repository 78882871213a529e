"""The sessions on a page of measured runs: what the page gets, and what a browser shows of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from paretoken.bench.run_folder import RunFolder
from paretoken.bench.stats.metrics import sample
from paretoken.bench.stats.scrape import CounterDeltas, ServerMetrics
from paretoken.bench.stats.sessions.measured import MeasuredSession, measured_sessions
from paretoken.bench.stats.sessions.table import TracedSession
from paretoken.report.page import write_page
from paretoken.report.run.gantt import MAIN, MOST_STEPS, SHOWN, gantts, named_sessions, packed
from paretoken.report.run.page import render_runs
from paretoken.report.run.payload import payload
from paretoken.report.run.published import PublishedBeside
from paretoken.report.run.reading import read_run
from paretoken.report.run.server_cache import server_cache_grid
from paretoken.report.run.session_table import session_notes, sessions_grid
from paretoken.sessions.graph import Session
from tests.support.axe import violations
from tests.support.html_pages import page_of
from tests.support.pages import Open, watched
from tests.support.session_levels import agent_run, call, record, records, session, tool


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return agent_run(tmp_path_factory.mktemp("runs") / "agents")


@pytest.fixture(scope="module")
def levels(run):
    return RunFolder(run).levels()


def test_the_chosen_sessions_are_the_slowest_the_median_a_failed_one_and_some_more(levels):
    level = levels[0]
    samples = sample(level.requests())
    played = measured_sessions(samples, level.traced())
    made = gantts(samples, played)
    times = sorted(p.seconds for p in played if p.done)
    shown = {name: made["list"][at] for name, at in made["named"].items()}
    assert shown["slowest"]["seconds"] == pytest.approx(times[-1], rel=1e-4)
    assert shown["median"]["seconds"] == pytest.approx(times[(len(times) - 1) // 2], rel=1e-4)
    assert (shown["failed"]["number"], shown["failed"]["reason"], shown["failed"]["unsent"]) == (4, "http_5xx", 1)
    assert made["of"] == 30 and SHOWN <= len(made["list"]) <= SHOWN + 3
    numbers = [s["number"] for s in made["list"]]
    assert numbers == sorted(set(numbers))
    assert sum(len(s["step"]) for s in made["list"]) <= MOST_STEPS


def test_rows_of_a_session_never_overlap_and_belong_to_one_agent(levels):
    samples = sample(levels[1].requests())
    for played in measured_sessions(samples, levels[1].traced()):
        ran = list(range(len(played.end_ns)))
        rows, lanes = packed(played, ran)
        assert lanes == [MAIN, MAIN, "searcher", "tester"]
        for row in range(len(lanes)):
            mine = sorted((i for i in ran if rows[i] == row), key=lambda i: played.begin_ns[i])
            assert all(played.end_ns[a] <= played.begin_ns[b] for a, b in pairwise(mine))


def test_rows_are_the_first_free_ones():
    """Against a plain search through all rows, for steps that begin and end together, too."""
    rng = np.random.default_rng(2)
    for _ in range(50):
        n = int(rng.integers(1, 40))
        begin = rng.integers(0, 12, n)
        steps = session(*(tool(1.0, agent=str(rng.integers(0, 2))) for _ in range(n)))
        played = long_session(steps, begin, begin + rng.integers(0, 6, n))
        rows, lanes = packed(played, range(n))
        ends: dict[str, list[int]] = {}
        for i in sorted(range(n), key=lambda i: (begin[i], i)):
            agent = steps.steps[i].agent
            own = ends.setdefault(agent, [])
            row = next((r for r, end in enumerate(own) if end <= begin[i]), len(own))
            own[row : row + 1] = [played.end_ns[i]]
            assert rows[i] == lanes.index(agent) + row
        assert len(lanes) == sum(map(len, ends.values()))


def test_a_session_of_very_many_steps_is_drawn_in_part():
    """100,000 parallel tools of one session, which is the slowest and the median: its first steps, and how many."""
    n = 100_000
    steps = session(call(), *(tool(1.0, [0]) for _ in range(n)))
    begin = np.concatenate([[0], 10 + np.arange(n)])
    played = long_session(steps, begin, begin + 10 * n)
    made = gantts(sample(records(record(0, 0, 0.0, 0.1, 0.2))), [played])["list"]
    assert [(len(s["step"]), s["ran"], s["calls"]) for s in made] == [(MOST_STEPS, n + 1, 1)]
    assert made[0]["step"] == list(range(MOST_STEPS)) and len(made[0]["lanes"]) == MOST_STEPS
    assert {step for _, step, _, _ in made[0]["path"]} <= set(made[0]["step"])


def test_all_that_is_drawn_has_a_limit():
    steps = session(call(), *(tool(1.0, [0]) for _ in range(2 * MOST_STEPS)))
    times = np.arange(len(steps.steps))
    played = [long_session(steps, times, times + 2 + k, number=k) for k in range(5)]
    played[3] = replace(played[3], outcome="failed", reason="http_5xx")
    rows = records(*(record(k, 0, 0.0, 0.1, 0.2) for k in range(5)))
    made = gantts(sample(rows), played)
    assert set(made["named"]) == {"slowest", "median", "failed"}
    assert sum(len(s["step"]) for s in made["list"]) <= MOST_STEPS


def long_session(steps: Session, begin: np.ndarray, end: np.ndarray, number: int = 0) -> MeasuredSession:
    """A session with these times of its steps, ns."""
    calls = len(steps.calls)
    return MeasuredSession(
        number=number,
        traced=TracedSession(steps, (-1,) * calls),
        rows=(0,) * calls,
        begin_ns=tuple(begin.tolist()),
        first_ns=(-1,) * len(steps.steps),
        end_ns=tuple(end.tolist()),
        outcome="done",
        reason="",
    )


def test_the_path_of_the_page_is_as_long_as_the_session(run):
    data = payload((read_run(run),), [PublishedBeside()])
    for drawn in data["runs"][0]["levels"][1]["sessions"]["graphs"]["list"]:
        assert sum(to - start for _, _, start, to in drawn["path"]) == pytest.approx(drawn["seconds"], abs=1e-3)


def test_no_session_has_no_graphs(levels):
    assert gantts(sample(levels[0].requests()), ()) is None
    assert named_sessions(()) == {}


def test_the_median_session_is_that_of_the_table(run, levels):
    """Of the sessions in the window, as the table's, not of all that ended."""
    for level, shown in zip(levels, payload((read_run(run),), [PublishedBeside()])["runs"][0]["levels"], strict=True):
        stated = level.summary.sessions.time_s.p50
        graphs = shown["sessions"]["graphs"]
        median = graphs["list"][graphs["named"]["median"]]["seconds"]
        done = [p.seconds for p in measured_sessions(sample(level.requests()), level.traced()) if p.done]
        assert abs(median - stated) == pytest.approx(min(abs(s - stated) for s in done), abs=1e-4)
    played = [long_session(session(call()), np.array([0]), np.array([10**9 * (k + 1)]), number=k) for k in range(5)]
    assert named_sessions(played)["median"].number == 2 and named_sessions(played, 4.1)["median"].number == 3


def test_the_table_of_sessions(run, run_folders):
    measured = read_run(run)
    grid = sessions_grid(measured)
    first = dict(zip(grid.heads, grid.rows[0][1], strict=True))
    assert (first["Done"], first["Failed"], first["Cut"]) == ("29", "1", "0")
    assert first["Found of possible"] == "90\u00a0%" and "Calls, not split" not in grid.heads
    notes = session_notes(measured)
    assert notes[0].startswith("Figures of the sessions that ended in the steady window.")
    assert notes[-1].startswith("Cost of a session at $") and " at 8 users." in notes[-1]
    assert sessions_grid(read_run(run_folders / "talk")) is None


def test_the_servers_own_counts_of_their_cache(run):
    measured = read_run(run)
    assert server_cache_grid(measured) is None
    delta = CounterDeltas(prefix_cache_queries=1000.0, evicted_tokens=0.0, loaded_bytes=2.5e9)
    first, *others = measured.levels
    counted = replace(first, summary=replace(first.summary, server=ServerMetrics(delta=delta)))
    grid = server_cache_grid(replace(measured, levels=(counted, *others)))
    assert grid.heads == ("Prompt tokens looked up", "Tokens evicted", "Brought back, GB")
    assert [cells for _, cells, _ in grid.rows] == [("1,000", "0", "2.500"), ("–", "–", "–")]
    assert "Prefix cache of the servers" in render_runs([replace(measured, levels=(counted, *others))])


@pytest.fixture
def open_page(browser: Browser, run: Path) -> Iterator[Open]:
    file = run.parent / "agents.html"
    write_page(page_of(run), file)
    with watched(browser, file) as opened:
        yield opened


def title(page: Page, name: str) -> str:
    page.locator(f"#chart-{name}").scroll_into_view_if_needed()
    page.wait_for_selector(f"#chart-{name} svg path", state="attached")
    return page.inner_text(f"#chart-{name} .fig-title")


def rows(page: Page, name: str) -> list[list[str]]:
    page.locator(f"#chart-{name}").get_by_role("button", name="Table").click()
    return [r.split("\t") for r in page.locator(f"#chart-{name} .fig-table tr").all_inner_texts()]


@pytest.mark.browser
def test_a_reader_chooses_a_session(open_page: Open) -> None:
    page = open_page()
    slowest = title(page, "gantt")
    assert slowest.startswith("5 calls and 4 tool calls in ")
    page.select_option("#session", "median")
    page.locator("#chart-gantt .fig-title", has_text=slowest).wait_for(state="detached")
    assert "its critical path is " in page.inner_text("#chart-gantt .fig-subtitle")
    page.select_option("#level", label="2 users")
    page.select_option("#session", "failed")
    page.locator("#chart-gantt .fig-title", has_text="then failed: http_5xx, 1 call not sent").wait_for()
    linked = open_page(page.url[page.url.index("#") :])
    assert linked.input_value("#session") == "failed" and "failed: http_5xx" in title(linked, "gantt")


@pytest.mark.browser
def test_the_table_and_the_keyboard_say_what_the_bars_show(open_page: Open) -> None:
    page = open_page()
    title(page, "gantt")
    table = rows(page, "gantt")
    assert table[0][:4] == ["Step", "What", "Agent", "Name"] and len(table) == 10
    assert [r[1] for r in table[1:4]] == ["Call 1", "Tool", "Tool"]
    assert {r[7] for r in table[1:]} == {"yes", "no"}
    page.locator("#chart-gantt .canvas").focus()
    page.keyboard.press("ArrowRight")
    tip = page.locator("#chart-gantt .tip")
    assert "Call 1: plan" in tip.inner_text() and "on the critical path" in tip.inner_text()


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_hits_by_turn_are_drawn_at_any_width(open_page: Open, width: int) -> None:
    page = open_page(width=width)
    assert title(page, "hits") == "The server found 90 % of the possible cache hits"
    table = rows(page, "hits")
    assert [r[0] for r in table] == ["Turn", "1", "2", "3", "4", "5"] and table[0][3:5] == ["Found", "Possible"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.browser
def test_axe_core_finds_nothing(open_page: Open) -> None:
    page = open_page()
    for name in ("gantt", "hits"):
        title(page, name)
        rows(page, name)
    assert violations(page) == []
