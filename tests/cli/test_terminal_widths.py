"""Every verb that prints rows at 80 to 160 columns: no line too long, no name cut, no digit lost."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections import Counter
from dataclasses import replace

import pytest
import rich_click as click
from rich.cells import cell_len

from paretoken.cli import output
from paretoken.cli.formats import PrintedTable, csv_of, markdown_of
from paretoken.cli.main import SUMMARIES, main, paretoken
from tests.support import campaign_files, shown_rows
from tests.support.recorded_sessions import chain, growing, write_trace
from tests.support.runs import ladder
from tests.support.sealed_runs import sealed_run
from tests.support.terminals import in_terminal

WIDTHS = (80, 100, 120, 160)
CHAT = "--model llama-3-70b --precision fp8 --workload chat"
R1 = "--model deepseek-r1 --precision fp8 --workload chat"
H200 = "--accelerator H200 --engine vllm --model llama-3-70b --precision fp8 --isl 1024 --osl 1024 --tp 4"
REPLAY = "--accelerator H200 --engine vllm --model llama-3-70b --precision fp8 --tp 4 --trace sessions.jsonl"
POOLS = "--accelerator GB200 --model deepseek-r1 --precision fp4 --engine dynamo-trtllm --isl 8192 --osl 1024"
AGAINST = "--accelerator MI300X --against H200"
AT = "--at 2026-11-24"
VERBS = {
    "compare": f"compare {R1} --interactivity 40 --mw 10 --token-price 2 --grid-gco2-per-kwh 300",
    "compare in euros": f"compare {CHAT} --e2e 15 --currency EUR --usd-rate 0.9",
    "frontier": f"frontier {CHAT}",
    "history": f"history {R1} --accelerator MI355X",
    "cost": f"cost {CHAT} --accelerator H200 --accelerator MI355X",
    "cost split": f"cost {CHAT} --accelerator H200 --split compute --serving-load 0.6 --grid-gco2-per-kwh 300",
    "breakeven": f"breakeven {CHAT} {AGAINST} --rent 2.5",
    "breakeven market": f"breakeven {CHAT} {AGAINST} --market {AT}",
    "breakeven owned": f"breakeven {CHAT} {AGAINST} --operator neocloud",
    "tco": "tco",
    "tco explained": "tco --accelerator H200 --explain",
    "tco statement": "tco --accelerator H200 --statement",
    "tco tornado": "tco --accelerator H200 --tornado",
    "tco contracts": f"tco --accelerator H200 --or-rent --needed 0.6 {AT}",
    "tco draws": "tco --accelerator H200 --accelerator B200 --monte-carlo 200",
    "advise": f"advise {R1} --interactivity 40 {AT}",
    "selfhost": f"selfhost {CHAT} --e2e 20 --rent 2 --tokens-per-day 1e9",
    "outlook": f"outlook rent-cut {AT}",
    "outlook trends": "outlook --trend --accelerator MI355X",
    "rent show": f"rent {AT}",
    "rent of one": f"rent H200 --estimate-terms {AT}",
    "rent history": f"rent H100 --history {AT}",
    "rent flags": "rent --flagged",
    "predict": f"predict {H200}",
    "predict slo": f"predict {H200} --slo tpot=40ms",
    "predict rate": f"predict {H200} --rate 1",
    "predict trace": f"predict {REPLAY} --concurrency 2,8",
    "predict trace as recorded": f"predict {REPLAY} --replicas 2",
    "predict cache worth": f"predict {REPLAY} --concurrency 8 --cache-worth --price H200=2.5",
    "predict cache worth of a model with list prices": "predict --accelerator H200 --engine sglang --model deepseek-r1 "
    "--precision fp8 --tp 8 --trace sessions.jsonl --concurrency 2 --cache-worth",
    "predict pools": f"predict {POOLS} --disaggregated 4xDEP4+1xDEP32 --rent 3",
    "explain": f"explain {H200}",
    "explain pools": f"explain {POOLS} --disaggregated 4xDEP4+1xDEP32 --concurrency 1024",
    "fit": "fit llama-3-70b --precision fp8",
    "fit one": "fit llama-3-70b --precision fp8 --accelerator H200",
    "calibrate": "calibrate --show shipped",
    "parity history": "parity history",
    "parity overview": "parity overview",
    "parity results": "parity results cuda.xml rocm.xml",
    "catalog": "catalog",
    "catalog accelerators": "catalog accelerators",
    "catalog models": "catalog models",
    "catalog engines": "catalog engines",
    "catalog workloads": "catalog workloads",
    "catalog tco": "catalog tco",
    "catalog model": "catalog models llama-3.3-70b",
    "data list": "data list",
    "data show": "data show shipped",
    "data verify": "data verify",
    "campaign run": "campaign run campaign.toml --dry-run",
    "check": "check run --baseline run",
    "verify": "verify sealed",
    "reproduce": "reproduce sealed",
    "import": "import mine.csv --out mine.parquet",
}
"""A command line by verb, or by verb and what it shows."""
PLANTED = {
    "plan": shown_rows.plan,
    "bench": shown_rows.levels,
    "accuracy gate": shown_rows.gate,
    "campaign status": shown_rows.campaign,
    "data diff": shown_rows.changed_verdicts,
    "validate": shown_rows.scores,
}
"""Verbs that need a server, a cluster or minutes: what they print, from planted figures."""
SAME_TABLE = {
    "study": "tests/answers/test_study.py prints it",
    **dict.fromkeys(("campaign resume",), "campaign status"),
    **dict.fromkeys((f"accuracy {t}" for t in ("probe", "repeat", "consistency", "compare", "task")), "accuracy gate"),
    "parity scan": "tests/parity/test_parity.py",
    "parity table": "parity scan",
    "parity diff": "parity history",
}
JUNIT = '<testsuite><testcase classname="tests.kernels.test_attention" name="a"/></testsuite>'
MINE = """origin,load_kind,source,licence,accelerator,model,precision,isl,osl,tp,n_gpus,concurrency,\
total_tput_per_gpu_tok_s,median_ttft_s,median_tpot_s,engine
measured,closed,mine,MIT,H200,llama-3-70b,fp8,1024,1024,8,8,16,400,0.09,0.01,vllm
"""


@pytest.fixture
def printed(monkeypatch):
    """The tables that are printed, each with its spare columns."""
    tables: list[tuple[PrintedTable, tuple[str, ...]]] = []
    show = output._print

    def keep(table, spare, *, wide):
        tables.append((table, tuple(spare)))
        show(table, spare, wide=wide)

    monkeypatch.setattr(output, "_print", keep)
    return tables


@pytest.mark.slow
@pytest.mark.parametrize("name", VERBS)
def test_a_verb_fits(name, printed, terminal, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    _files(tmp_path)
    monkeypatch.setattr(sys, "argv", ["paretoken", *VERBS[name].split()])
    with terminal(80) as screen:
        try:
            main()
        except SystemExit as e:
            assert e.code == 0, screen.text
    too_long = [line for line in screen.text.splitlines() if cell_len(line) > 80 and "paretoken " not in line]
    assert not too_long
    assert printed or name in ("check", "reproduce", "verify")
    for table, spare in tuple(printed):
        _check(table, spare, terminal)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_what_a_verb_prints_fits(name, printed, terminal):
    with terminal(80) as screen:
        PLANTED[name]()
    assert all(cell_len(line) <= 80 or line.startswith("paretoken ") for line in screen.text.splitlines())
    assert printed
    for table, spare in tuple(printed):
        _check(table, spare, terminal)


def test_every_verb_with_rows_is_here():
    verbs = set(_verbs_with_rows())
    assert verbs == {name for name in (*VERBS, *PLANTED, *SAME_TABLE) if name in verbs}
    assert not {name for name in (*PLANTED, *SAME_TABLE) if name not in verbs}


@pytest.mark.slow
@pytest.mark.parametrize(("width", "line"), [(80, f"compare {CHAT} --e2e 15"), (100, "catalog accelerators")])
def test_in_a_pseudo_terminal(width, line):
    lines = in_terminal(width, *line.split()).splitlines()
    assert all(len(x) <= width for x in lines)
    head = next(x for x in lines if x.split()[:1] in (["accelerator"], ["id"]))
    assert len(head.split()) >= 6
    assert {"H200", "MI300X"} <= {x.split()[0] for x in lines if x.split()}


def _check(table: PrintedTable, spare: tuple[str, ...], terminal) -> None:
    """The table at every width, as CSV and as Markdown."""
    full = {word for row in table.rows for cell in row for word in str(cell).split()}
    for width in WIDTHS:
        with terminal(width) as screen:
            output._print(replace(table, note=""), spare, wide=False)
        lines = screen.text.splitlines()
        assert all(cell_len(line) <= width for line in lines)
        assert all("…" not in line for line in lines) or any("…" in word for word in full)
        _every_kept_cell_is_whole(table, screen.text, width)
    records = list(csv.reader(io.StringIO(csv_of([table]), newline="")))
    assert len(records) == len(table.rows) + 1
    assert all(len(record) == len(records[0]) == len(set(records[0])) for record in records)
    assert not any(re.fullmatch(r"–|[\d.]+e\+\d+|[+-]?\d{1,3}(,\d{3})+(\.\d+)?", x) for r in records[1:] for x in r)
    rows = [line for line in markdown_of(table).splitlines() if line.startswith("|")]
    assert len(rows) == len(table.rows) + 2
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {len(table.columns) + 1}


def _every_kept_cell_is_whole(table: PrintedTable, text: str, width: int) -> None:
    """Each word and number of the columns that are shown is printed whole, as often as it is there."""
    from paretoken.cli.layout import column

    columns = [column(title, table.values(name)) for title, name in zip(table.columns, table.names, strict=True)]
    shown = Counter(word.rstrip(",") for word in text.split())
    first = Counter(
        word.rstrip(",") for cell in columns[0].cells for word in cell.split() if cell_len(word) < width // 2
    )
    assert not first - shown
    if "left out: " not in text and "in every row: " not in text and "columns left out" not in text:
        every = Counter(w.rstrip(",") for c in columns for x in c.cells for w in x.split() if cell_len(w) < width // 3)
        assert not every - shown


def _verbs_with_rows():
    context = click.Context(paretoken)

    def walk(command, name):
        if isinstance(command, click.Group):
            for part, sub in command.commands.items():
                yield from walk(sub, f"{name} {part}")
        elif any("--format" in p.opts for p in command.params):
            yield name

    for verb in SUMMARIES:
        yield from walk(paretoken.get_command(context, verb), verb)


def _files(folder) -> None:
    (folder / "cuda.xml").write_text(JUNIT)
    (folder / "rocm.xml").write_text(JUNIT)
    (folder / "campaign.toml").write_text(campaign_files.BASE)
    (folder / "mine.csv").write_text(MINE)
    ladder(folder / "run", (1, 4))
    sealed_run(folder / "sealed")
    write_trace(folder, [chain(growing(3), name=str(i), begin_s=5.0 * i) for i in range(8)])
