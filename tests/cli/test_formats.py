"""CSV, Markdown and --wide: the same rows for programs, for pages and for wide terminals."""

from __future__ import annotations

import csv
import io

import pytest

from paretoken.cli.cells import TableCell, figure, interval, number, pair, raw_columns, share
from paretoken.cli.formats import PrintedTable, csv_of, markdown_of, names_of

CHAT = "--model llama-3-70b --precision fp8 --workload chat"
COMPARE = f"compare {CHAT} --e2e 15"
BREAKEVEN = f"breakeven {CHAT} --accelerator MI300X --against H200 --rent 2.5"


def table(columns: list[str], *rows: tuple, title: str = "T", note: str = "") -> PrintedTable:
    return PrintedTable(title=title, columns=tuple(columns), names=names_of(columns), rows=rows, note=note)


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    ("title", "cells", "columns"),
    [
        ("rate", [1234.5678, 8, None, float("nan"), "–"], [("rate", ["1234.5678", "8", "", "", ""])]),
        ("rows", ["1,023,372", "n/a"], [("rows", ["1023372", "n/a"])]),
        ("margin", [share(0.0625), None], [("margin %", ["6.25", ""])]),
        ("share %", [4.5], [("share %", ["4.5"])]),
        ("done", [True, False], [("done", ["yes", "no"])]),
        ("rent", [figure(2.123456, ".2f"), "never"], [("rent", ["2.123456", "never"])]),
        ("90 %", [interval(1.25, 3.0), None], [("90 % low", ["1.25", ""]), ("90 % high", ["3", ""])]),
        ("steps", [pair(("NVIDIA", 12), ("AMD", 8))], [("steps NVIDIA", ["12"]), ("steps AMD", ["8"])]),
        ("users", [TableCell("256 or more", (256,))], [("users", ["256"])]),
    ],
)
def test_a_column_for_programs(title, cells, columns):
    assert raw_columns(title, cells) == columns


def test_texts_of_cells():
    assert [str(x) for x in (share(0.0625), figure(2.5, ".2f"), interval(10.0, 12.5), share(None))] == [
        "+6.2%",
        "2.50",
        "10.0–12.5",
        "None",
    ]
    assert [str(share(x)) for x in (-0.0001, -0.0006, 0.0)] == ["+0.0%", "-0.1%", "+0.0%"]
    assert [number(x) for x in (1234567, 17400.0, False, "x")] == ["1,234,567", "17,400", "no", "x"]


def test_titles_that_repeat_or_say_nothing_take_the_one_before():
    assert names_of(["TPOT ms", "90 %", "TTFT ms", "90 %", "p99", "p99", ""]) == (
        *("TPOT ms", "TPOT ms 90 %", "TTFT ms", "TTFT ms 90 %", "TTFT ms p99", "p99 column 6", "column 7"),
    )


def test_csv_is_rfc_4180_and_computes_nothing():
    text = csv_of([table(["a,b", "=x"], ('say "hi"', "=1+1"), ("two\nlines\x1b[2J", "-5"))])
    assert text.splitlines()[0] == '"a,b",\'=x'
    assert text.count("\r\n") == 3
    assert read(text)[1:] == [['say "hi"', "'=1+1"], ["two\\nlines\\x1b[2J", "-5"]]


def test_csv_joins_tables_of_the_same_columns():
    first = table(["gpu", "cost"], ("H200", 1.5), title="plain")
    more = table(["gpu", "cost", "margin"], ("B200", 1.25, share(0.1)), title="\nbest known")
    other = table(["year"], (1,), title="write-off")
    assert read(csv_of([first, more, other])) == [
        ["table", "gpu", "cost", "margin %"],
        ["plain", "H200", "1.5", ""],
        ["best known", "B200", "1.25", "10"],
    ]
    assert read(csv_of([first, other])) == [["gpu", "cost"], ["H200", "1.5"]]


def test_markdown_is_aligned_and_escaped():
    text = markdown_of(table(["name", "rate"], ("a|b", 1234.0), ("c", None), title="\nT *1*", note="n: <x>"))
    assert text.split("\n\n") == [
        r"**T \*1\***",
        "| name | rate  |\n| ---- | ----: |\n| a\\|b | 1,234 |\n| c    |     – |".replace("| rate  |", "|  rate |"),
        "n: \\<x\\>\n",
    ]


def test_csv_of_a_verb_is_alone_on_stdout(call):
    code, out, err = call(f"{COMPARE} --format csv")
    head, *rows = read(out)
    assert (code, head[:4], len(rows)) == (0, ["accelerator", "engine", "release", "tok/s/GPU"], 8)
    assert all(len(row) == len(head) for row in rows)
    assert float(rows[0][3]) > 1000 and "," not in rows[0][3]
    assert "Cheapest tokens: B200" in err and "Cheapest tokens" not in out


def test_markdown_of_a_verb_is_alone_on_stdout(call):
    code, out, err = call(f"{BREAKEVEN} --format markdown")
    assert code == 0 and "Plain serving" in err
    assert {line[:1] for line in out.splitlines()} == {"*", "", "|", "b"}


def test_csv_has_the_whole_curve_in_the_currency_of_the_command(call):
    shown = len(call(BREAKEVEN)[1].splitlines())
    usd, eur = (read(call(f"{BREAKEVEN} --format csv {more}")[1]) for more in ("", "--currency EUR --usd-rate 0.5"))
    assert len(usd) > shown
    assert [row[0] for row in usd[0:1] + eur[0:1]] == ["E2E s", "E2E s"]
    assert eur[0][1] == "break-even rent of MI300X, EUR/GPU-h"
    assert float(eur[1][1]) == pytest.approx(float(usd[1][1]) / 2)


def test_other_tables_are_named_on_stderr(call):
    _, out, err = call("tco --accelerator H200 --statement --format csv")
    assert read(out)[0] == [
        *("part", "$ per GPU-hour", "$ per GPU-year", "$ per server-year", "$ per MW-year"),
    ]
    assert "not in the CSV, which has one header: Write-off, straight-line, USD per GPU" in err


def test_units_that_a_title_states_are_in_the_header(call):
    assert read(call("tco --accelerator H200 --format csv")[1])[0][1] == "Capital, all in, $/GPU-h"


def test_json_by_either_name(call):
    assert call(f"{COMPARE} --format json") == call(f"{COMPARE} --json")
    for both in ("--json --format csv", "--format csv --json"):
        code, out, err = call(f"{COMPARE} {both}")
        assert (code, out) == (2, "") and "--json and --format csv exclude each other" in err
    assert call(f"{COMPARE} --json --format json")[0] == 0


def test_a_pipe_and_wide_leave_nothing_out(call, terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "left out: $" not in call(COMPARE)[1]
    with terminal(60) as screen:
        code = call(f"{COMPARE} --wide")[0]
    head = next(line for line in screen.text.splitlines() if line.startswith("accelerator"))
    assert code == 0 and head.split()[-3:] == ["source", "E2E", "from"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("rent --no-shipped-prices --at 2026-11-24", "No rental price on 2026-11-24: the price book is empty."),
        ("rent --flagged --no-shipped-prices", "No row of the price book has a quality flag."),
    ],
)
def test_a_table_of_nothing_is_a_sentence(call, line, sentence):
    code, out, _ = call(line)
    assert code == 0 and out.startswith(sentence) and out.count("\n") == 1
    code, out, err = call(f"{line} --format csv")
    assert code == 0 and out.count("\r\n") == 1 and err.startswith(sentence)
