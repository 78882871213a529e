"""Tables at any width: a name is never cut, a number neither cut nor wrapped, columns fall away in order."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from paretoken.cli.layout import column, draw, wrapped

WORDS = st.text(st.sampled_from("abcXYZ019é漢-/"), min_size=1, max_size=9)
TEXTS = st.lists(WORDS, min_size=1, max_size=9).map(" ".join)
VALUES = st.one_of(st.none(), st.floats(-1e7, 1e7), st.integers(-(10**9), 10**9))
TABLES = st.integers(1, 4).flatmap(
    lambda rows: st.lists(
        st.tuples(TEXTS, st.one_of(*(st.lists(kind, min_size=rows, max_size=rows) for kind in (TEXTS, VALUES)))),
        min_size=1,
        max_size=9,
    )
)


def columns(**values):
    return [column(title.replace("_", " "), cells) for title, cells in values.items()]


THREE = columns(name=["H200", "MI355X"], rate=[1234567, 12.5], note=["runs well here", "–"], load=[8, 16])


@given(TABLES, st.integers(20, 200), st.sets(st.integers(1, 8)))
def test_no_line_is_too_long_and_no_word_is_lost(table, width, spare):
    drawn_from = [column(title, cells) for title, cells in table]
    drawn = draw(drawn_from, width, [i for i in spare if i < len(table)])
    lines = drawn.head + drawn.body
    assert all(cell_len(line) <= width for line in lines)
    assert not {0, *drawn.same} & set(drawn.left_out)
    kept = [i for i in range(len(table)) if i not in drawn.same + drawn.left_out]
    printed = Counter(word for line in lines for word in line.split())
    if drawn.head:
        expected = Counter(
            w for i in kept for cell in (drawn_from[i].title, *drawn_from[i].cells) for w in cell.split()
        )
        assert printed == expected


@given(TABLES)
def test_without_a_width_a_row_is_a_line_of_everything(table):
    drawn = draw([column(title, cells) for title, cells in table], None)
    assert (len(drawn.head), len(drawn.body)) == (1, len(table[0][1]))
    assert (drawn.same, drawn.left_out) == ([], [])


@pytest.mark.parametrize(
    ("width", "head", "left_out"),
    [
        (42, "name         rate  note            load", []),
        (38, "name         rate  note", [3]),
        (22, "name         rate", [3, 2]),
    ],
)
def test_columns_fall_away_from_the_right(width, head, left_out):
    drawn = draw(THREE, width)
    assert drawn.head == [head]
    assert drawn.left_out == sorted(left_out)


def test_spare_columns_fall_away_first_in_their_order():
    assert draw(THREE, 38, [1, 3]).left_out == [1]
    assert draw(THREE, 24, [1, 3]).left_out == [1, 3]


def test_names_stay_and_a_row_becomes_lines():
    names = columns(tier=["owner", "owner", "rent"], accelerator=["H200", "B200", "H200"], cost=[1.25, 2.5, 3.125])
    assert draw(names, 25).head == ["tier   accelerator   cost"]
    assert draw(names, 22).body[:4] == ["tier         owner", "accelerator  H200", "cost         1.250", ""]


def test_a_value_of_every_row_is_stated_once():
    same = columns(name=["a", "b"], rate=[1.5, 2.5], origin=["published", "published"])
    assert (draw(same, 30).same, draw(same, 12).same, draw(same, 12).left_out) == ([], [2], [])


def test_one_row_that_does_not_fit_is_lines_with_nothing_left_out():
    one = columns(name=["a" * 12], rate=[1.5], origin=["published"])
    assert draw(one, 20).body == [f"name    {'a' * 12}", "rate    1.5", "origin  published"]


def test_titles_and_long_texts_wrap_at_spaces_only():
    table = columns(at=[1, 2], TTFT_p50_ms=[12.5, 0.25], why=["the queue of the prefill was full all day", "ok"])
    drawn = draw(table, 34)
    assert [line.split() for line in drawn.head] == [["TTFT"], ["at", "p50", "ms", "why"]]
    assert drawn.body[1].startswith(" " * 12) and "–" not in "".join(drawn.body)
    assert wrapped("a-very-long-name short", 5) == ["a-very-long-name", "short"]


def test_figures_of_a_column_have_equal_digits_and_none_that_all_lack():
    few = columns(rate=[0.65, 1.2, 12_000.0, 2.0])
    assert few[0].cells == ("0.65", "1.2", "12,000", "2.0")
    shown = columns(rate=[2.512, 0.0000123, 1234.5, 100, None], users=[1.0, 64.0, 1024.0, 2048, True])
    assert shown[0].cells == ("2.512", "0.00001230", "1,234", "100", "–")
    assert shown[1].cells == ("1", "64", "1,024", "2,048", "yes")
