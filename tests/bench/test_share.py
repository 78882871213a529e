"""The Markdown of a run: one table, short, with nothing in it that breaks it or should stay at home."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from click.testing import CliRunner

from paretoken.bench.plan import Closed
from paretoken.bench.run_folder import RunFolder
from paretoken.cli.measure.share import command
from paretoken.foreign_text import markdown_text
from paretoken.report.run.reading import read_run
from paretoken.report.run.share import HEADS, MOST_LEVELS, PER_GPU, code, share
from tests.support.runs import COLUMNS, METADATA, keep, ladder, loaded, proof, rates, troubled


def cells(line: str) -> list[str]:
    """The cells of a row as GitHub splits them: at pipes that are not escaped."""
    return [c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]]


def table(text: str) -> list[list[str]]:
    return [cells(line) for line in text.splitlines() if line.startswith("|")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    return ladder(tmp_path_factory.mktemp("share") / "run", (1, 4, 16))


def test_the_table_holds_the_figures_of_the_summary(run):
    rows = table(share(read_run(run)))
    assert rows[0] == [markdown_text(h) for h in HEADS]
    assert [r[0] for r in rows[2:]] == ["1 user", "4 users", "16 users"]
    for row, level in zip(rows[2:], RunFolder(run).levels(), strict=True):
        s, of = level.summary, dict(zip(HEADS, row, strict=True))
        window = s.throughput.window
        assert float(of["req/s"]) == pytest.approx(window.requests_s, rel=6e-3)
        assert float(of["output tok/s"]) == pytest.approx(window.output_tok_s, rel=1e-3)
        assert float(of["total"].replace(",", "")) == pytest.approx(window.total_tok_s_per_gpu, rel=1e-3)
        assert float(of["tok/s/GPU output"]) == pytest.approx(window.output_tok_s_per_gpu, rel=1e-3)
        assert float(of["TTFT p50 ms"]) == pytest.approx(s.latency.ttft_s.p50 * 1000, rel=6e-3)
        assert float(of["TPOT p99 ms"]) == pytest.approx(s.latency.tpot_s.p99 * 1000, rel=6e-3)
        assert float(of["E2E p50 s"]) == pytest.approx(s.latency.e2e_s.p50, rel=6e-3)
        assert row[-2:] == ["yes", "ok"]


def test_per_gpu_columns_need_several_gpus(run):
    measured = read_run(run)
    levels = tuple(replace(level, summary=replace(level.summary, n_gpus=1)) for level in measured.levels)
    heads = table(share(replace(measured, levels=levels)))[0]
    assert not set(PER_GPU) & set(heads) and "output tok/s" in heads and len(heads) == len(HEADS) - 2


def test_head_and_foot_say_what_and_how_well(run):
    lines = share(read_run(run)).splitlines()
    head = (
        "**`meta/Llama-3.3-70B` on `vllm 0.11.0`** · 8 × H200 · ISL 1024, OSL 1024 · closed loop · seed 7 · 2026-11-20"
    )
    assert lines[0] == head
    assert lines[-1].startswith("client ok (worst level: kernel receive stamps, read lag p99 0.55 ms")
    assert "paretoken 0." in lines[-1]


def test_nothing_of_the_host_is_in_it(run):
    text = share(read_run(run))
    for private in ("10.0.0.7", "bench-1", "hunter2", "verysecret", "paretoken bench"):
        assert private not in text


def test_troubles_are_said(tmp_path):
    text = share(read_run(troubled(tmp_path / "run")))
    assert {r[-2] for r in table(text)[2:]} == {"yes", "no", "too short", "failed"}
    assert {r[-1] for r in table(text)[2:]} == {"ok", "limited", "–"}
    assert "- Client-limited, 8 users:" in text
    assert "client-limited at 1 of 6 levels" in text


def test_an_open_loop_names_its_arrivals(tmp_path):
    text = share(read_run(rates(tmp_path / "run")))
    assert "open loop, poisson" in text and table(text)[2][0] == "4 req/s"


def test_a_long_run_stays_short(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create(METADATA)
    requests = loaded(2, 4.0)
    for n in range(1, 51):
        keep(folder, requests, Closed(n), fidelity=proof(n, limited=True))
    text = share(read_run(tmp_path / "run"))
    rows = table(text)[2:]
    assert len(text.splitlines()) < 60
    assert len(rows) == MOST_LEVELS and (rows[0][0], rows[-1][0]) == ("1 user", "50 users")
    assert f"{MOST_LEVELS} of 50 levels" in text
    assert "more warnings" in text


def test_names_break_nothing(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create(METADATA)
    columns = COLUMNS | {"model_variant": "a|b`c`\n@someone <b>", "accelerator": "x|y*_[z](u)\n@someone"}
    keep(folder, loaded(2), Closed(2), columns=columns, fidelity=proof(2))
    text = share(read_run(tmp_path / "run"))
    assert all(len(row) == len(HEADS) for row in table(text))
    head = text.splitlines()[0]
    assert "`a/b'c' @someone <b>`" in head
    assert r"x\|y\*\_\[z\](u)" in head and "@someone" not in re.sub(r"`[^`]*`", "", head)


def test_escapes():
    assert markdown_text("a|b\nc <d> `e` \\") == r"a\|b c \<d\> \`e\` \\"
    assert code("x`|y\nz") == "`x'/y z`"


def test_a_late_send_is_said_of_open_loops_alone(run, tmp_path):
    """In a closed loop nothing is due before it is sent, so the figure would contradict "client ok"."""
    assert "send lateness" not in share(read_run(run)).splitlines()[-1]
    folder = RunFolder(tmp_path / "open")
    folder.create(METADATA)
    late = replace(proof(4), asked_unit="requests", send_lateness_p99_s=0.0021)
    keep(folder, loaded(2), Closed(2), fidelity=late)
    assert "send lateness p99 2.10 ms" in share(read_run(folder.folder)).splitlines()[-1]


def test_json_holds_the_figures_and_nothing_of_the_host(run):
    done = CliRunner().invoke(command, [str(run), "--json"], catch_exceptions=False)
    document = json.loads(done.output)
    levels = RunFolder(run).levels()
    assert [x["load"]["users"] for x in document["levels"]] == [level.summary.load.users for level in levels]
    first, summary = document["levels"][0], levels[0].summary
    assert first["latency"]["ttft_s"]["p50"] == summary.latency.ttft_s.p50
    assert first["throughput"]["window"]["requests_s"] == summary.throughput.window.requests_s
    assert not re.search(r"10\.0\.0\.7|bench-1|paretoken bench|hunter2|sk-very", done.output)


def test_the_command_prints_it(run):
    done = CliRunner().invoke(command, [str(run)], catch_exceptions=False)
    assert done.output == share(read_run(run))
