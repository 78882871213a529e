"""Objects of JSON in every layout, one at a time, and the place of each."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.errors import BadFile
from paretoken.trace_rows import MARKS, objects

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(alphabet='ab"\\[]{},é\n', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='ab"[}', max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
ROWS = st.lists(st.dictionaries(st.text(max_size=3), VALUES, min_size=1, max_size=3), min_size=1, max_size=5)
LAYOUTS = {
    "lines": lambda rows: "\n".join(map(json.dumps, rows)),
    "one list": json.dumps,
    "a list over lines": lambda rows: json.dumps(rows, indent=1),
    "documents over lines": lambda rows: "\n".join(json.dumps(row, indent=2) for row in rows),
    "documents one behind the other": lambda rows: "".join(map(json.dumps, rows)),
    "a list with an object a line": lambda rows: "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n",
}


@settings(deadline=None)
@pytest.mark.parametrize("layout", LAYOUTS)
@given(rows=ROWS)
def test_the_same_objects_in_every_layout(tmp_path_factory, layout, rows):
    path = tmp_path_factory.getbasetemp() / "rows"
    path.write_text(LAYOUTS[layout](rows), encoding="utf-8")
    assert [row.values for row in objects(path)] == rows


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1}\n{"b"', "line 2 is not whole JSON"),
        ('{"a":\n1}\n{"b"\n:', "line 3 is not whole JSON"),
        ('[{"a": 1}, {"b"', "entry 2 is not whole JSON"),
        ('[{"a": 1}', "the list is not whole JSON"),
        ('[{"a": 1}, 2]', "entry 2: '2' is not a JSON object"),
        ('["a"]', "entry 1: 'a' is not a JSON object"),
        ("[[]]", r"entry 1: '\[\]' is not a JSON object"),
        ('{"a": 1}\n[]', r"line 2: '\[\]' is not a JSON object"),
        ("}", "line 1 is not whole JSON"),
    ],
)
def test_what_is_broken_names_its_place(tmp_path, text, says):
    path = tmp_path / "rows"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadFile, match=says):
        list(objects(path))


def test_broken_lines_may_be_counted_instead(tmp_path):
    path, broken = tmp_path / "rows", []
    path.write_text('{"a": 1}\n{"b"\n[]\n{"c": 2}\n', encoding="utf-8")
    assert [row.place for row in objects(path, broken.append)] == ["line 1", "line 4"]
    assert [str(error).split(": ")[1][:6] for error in broken] == ["line 2", "line 3"]


@pytest.mark.parametrize(
    "text", ['[{"' + '\\"' * 500_000, '[{"' + '\\"' * 500_000 + "\\\n", '[{"a": ' + '"' * 1_000_000]
)
def test_a_string_without_end_is_read_once(tmp_path, text):
    """A scan of the rest of the line for each quote of a million would take hours."""
    path = tmp_path / "rows"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadFile, match="is not whole JSON"):
        list(objects(path))


@given(st.text(alphabet='"\\{[x\n', max_size=60))
def test_every_quote_begins_a_match(line):
    """So none is looked at twice."""
    at = 0
    for mark in MARKS.finditer(line):
        assert not set(line[at : mark.start()]) & set('"[{')
        at = mark.end()
    assert not set(line[at:]) & set('"[{')


BROKEN = {
    "cut": '{"session": "cut',
    "cut between fields": '{"a": 1, "b": [2',
    "its begin missing": 'kens": 5}',
    "a closing bracket": "}",
    "no value": '{"a": }',
    "a word": "xyz",
}


@pytest.mark.parametrize("first", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("lines", [1, 2, 99])
def test_the_first_lines_may_be_broken_too(tmp_path, first, lines):
    path, broken = tmp_path / "rows", []
    path.write_text(f"{first}\n" * lines + '{"a": 1}\n{"c": 2}\n', encoding="utf-8")
    assert [row.values for row in objects(path, broken.append)] == [{"a": 1}, {"c": 2}] and len(broken) == lines
    with pytest.raises(BadFile, match="line 1 is not whole JSON"):
        list(objects(path))


@pytest.mark.parametrize(
    "text", ['{"a": [\n{"b": 1}\n,\n{"b": 1}\n]}', '{\n"a":\n{"b": 1}\n}\n{"a": 1}', '{"a": 1}{"b": 2}\n{"c": 3}']
)
def test_objects_over_lines_are_no_broken_lines(tmp_path, text):
    path = tmp_path / "rows"
    path.write_text(text, encoding="utf-8")
    assert next(objects(path)).values.keys() == {"a"}


def test_an_object_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("paretoken.trace_rows.MOST_LINE", 2_000_000)
    path = tmp_path / "rows"
    path.write_text("{\n" + '"a": "' + "x" * 1_000_000 + '",\n' + '"b": "' + "x" * 1_500_000 + '",\n', encoding="utf-8")
    with pytest.raises(BadFile, match="line 1 is longer than 2 MB; write smaller objects"):
        list(objects(path))
