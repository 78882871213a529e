"""Bad logs: each is one sentence with the file and the line."""

from __future__ import annotations

import json

import pytest

from paretoken.errors import BadFile
from paretoken.traffic.log import read_log

T0 = 1_760_000_000


def csv(*rows: str) -> str:
    return "timestamp,prompt_tokens,completion_tokens\n" + "\n".join(rows) + "\n"


FAULTS = {
    "an empty file": ("", "requests.log is empty"),
    "blank lines": ("\n  \n", "requests.log is empty"),
    "an empty list": ("[]", "no field for a time"),
    "a header alone": (csv(), "no usable request"),
    "one request": (csv("1,2,3"), "a single usable request"),
    "one usable request": (csv("1,2,3", "2,2,0"), "without 1 row that state no tokens, holds a single usable"),
    "no answers": (csv("1,2,0", "2,2,"), "none of its rows has input and output tokens"),
    "a period of no length": (csv("7,2,3", "7,2,3"), "all 2 requests .* have the same time"),
    "no time": ("when,prompt_tokens,completion_tokens\n1,2,3\n", "no field for a time .*its fields are when, prompt_t"),
    "no output": (
        '{"ts": 1, "prompt_tokens": 2, "text": "a"}',
        "no field for output tokens .*fields are ts, prompt_tok",
    ),
    "mixed units": (
        csv(f"{T0},2,3", f"{T0 + 5},2,3", f"{T0 + 9}000,2,3"),
        "line 4: time 1760000009000 is in another unit",
    ),
    "a row of 1970": (csv(f"{T0},2,3", "0,2,3"), "line 3: time 0 is decades from the first, 1760000000"),
    "a first row of 1970": (csv("0,2,3", f"{T0},2,3"), "line 3: time 1760000000 is decades from the first, 0"),
    "a date of 1970": (
        csv("2025-10-09T01:00:00Z,2,3", "1970-01-01T00:00:00Z,2,3"),
        "line 3: time 0 is decades from the first",
    ),
    "a unit that is not the name's": (
        "ts_ms,isl,osl\n1760000000,1,2\n1760000001,1,2\n",
        "line 2: time 1760000000 is a Unix time in s, but its field is named for ms",
    ),
    "an odd size": (csv("500000000,2,3", "500000009,2,3"), "line 3: time 500000009 is no date of this century"),
    "a later row with an odd size": (csv("5,2,3", "500000009,2,3"), "line 3: time 500000009 is no date"),
    "a negative time": (csv("1,2,3", "-4,2,3"), "line 3: time '-4' is negative"),
    "a time that is none": (csv("1,2,3", "soon,2,3"), "line 3: time 'soon' is not a number"),
    "a missing time": (csv("1,2,3", ",2,3"), "line 3: no time"),
    "a date that is none": (csv("2025-10-09,2,3", "2025-13-09,2,3"), "line 3: time '2025-13-09' is not like 2026-"),
    "a zone for some": (csv("2025-10-09T01:00:00Z,2,3", "2025-10-09T01:00:01,2,3"), "line 3: .* stating a zone"),
    "an endless time": (csv("1,2,3", "inf,2,3"), "line 3: time 'inf' is not a number"),
    "negative lengths": (csv("1,2,3", "2,-2,3"), "line 3: prompt_tokens '-2' is not a whole number of tokens"),
    "fractional lengths": (csv("1,2,3", "2,2,3.5"), "line 3: completion_tokens '3.5' is not a whole number"),
    "NaN": (csv("1,2,3", "2,NaN,3"), "line 3: prompt_tokens 'NaN' is not a whole number"),
    "a NaN of JSON": ('{"ts": 1, "isl": 2, "osl": 3}\n{"ts": 2, "isl": NaN, "osl": 3}\n', "line 2 is not valid JSON"),
    "a length that is true": ('{"ts": 1, "isl": 2, "osl": 3}\n{"ts": 2, "isl": true, "osl": 3}\n', "line 2: isl True"),
    "too many tokens": (csv("1,2,3", "2,2,3000000000"), "line 3: completion_tokens '3000000000' is not"),
    "a clock set back": (
        csv("5000,2,3", "5001,2,3", "1400,2,3", "1401,2,3", "9000,2,3"),
        "line 4: its time lies 60 min before that of line 3",
    ),
    "daylight saving": (
        csv("2025-10-26T02:59:59,2,3", "2025-10-26T02:00:00,2,3", "2025-10-26T04:00:00,2,3"),
        "line 3: its time lies 60 min before that of line 2.*more than 15 min",
    ),
    "a clock ahead": (
        csv("1,2,3", "90000,2,3", "3,2,3", "100000,2,3"),
        "line 4: its time lies 25 h before that of line 3",
    ),
    "decades": (csv("2025-10-09,2,3", "2065-10-09,2,3"), "requests of .* lie 40 years apart, more than 3"),
    "truncated": ('{"ts": 1, "isl": 2, "osl": 3}\n{"ts": 2, "is', "line 2 is not valid JSON"),
    "no object": ('{"ts": 1, "isl": 2, "osl": 3}\n[1]\n', "line 2: .* is not a JSON object"),
    "a list of numbers": ("[1, 2]", "entry 1: 1 is not a JSON object"),
    "bad prefix ids": ('{"ts": 1, "isl": 2, "osl": 3, "hash_ids": [0.5]}', "line 1: prefix ids .0.5. are not a list"),
    "blocks of no size": (
        "".join(json.dumps({"ts": k, "isl": 100, "osl": 3, "hash_ids": [0] * (k + 1)}) + "\n" for k in range(3)),
        "hash_ids fit no size of block; add a field block_size",
    ),
    "several models": (
        "ts,isl,osl,model\n1,2,3,a\n2,2,3,b\n3,2,3,b\n",
        "requests to 2 models: 'b' .2., 'a' .1.; choose one, or 'all'",
    ),
    "not text": (b"PK\x03\x04\xff\xfe", "is not text"),
    "a trace without times": ('{"prompt": "a", "output_tokens": 5}\n', "contains no times"),
    "a trace without lengths": ('{"prompt": "a", "time_s": 1}\n{"prompt": "b", "time_s": 2}\n', "without input tokens"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_log_is_one_sentence(tmp_path, fault):
    text, says = FAULTS[fault]
    file = tmp_path / "requests.log"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadFile, match=says) as caught:
        read_log(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadFile, match=r"absent\.csv cannot be read"):
        read_log(tmp_path / "absent.csv")


def test_an_unknown_model_lists_the_nearest(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("ts,isl,osl,model\n1,2,3,llama-70b\n2,2,3,qwen\n")
    with pytest.raises(BadFile, match="no request to the model 'llama-7b'; did you mean 'llama-70b'"):
        read_log(file, model="llama-7b")
    with pytest.raises(BadFile, match=r"it holds 'llama-70b' .1., 'qwen' .1."):
        read_log(file, model="zzz")


class TestWhatIsTolerated:
    def test_minutes_of_disorder_are_sorted_and_noted(self, tmp_path):
        file = tmp_path / "a.csv"
        file.write_text(csv("1000,1,3", "1300,2,3", "500,3,3", "1400,4,3"))
        requests = read_log(file)
        assert requests.input_tokens.tolist() == [3, 1, 2, 4]
        assert any("rows up to 13.3 min out of order were sorted" in note for note in requests.notes)

    def test_newest_first_is_turned(self, tmp_path):
        file = tmp_path / "a.csv"
        file.write_text(csv(*(f"{9000 - 3000 * k},{k + 1},3" for k in range(3))))
        requests = read_log(file)
        assert requests.input_tokens.tolist() == [3, 2, 1]
        assert any("rows were newest first" in note for note in requests.notes)

    def test_rows_without_answers_are_left_out_and_counted(self, tmp_path):
        file = tmp_path / "a.csv"
        file.write_text(csv("1,2,3", "2,2,0", "3,,", "4,0,7", "bad,,", "6,2,3"))
        requests = read_log(file)
        assert len(requests) == 2 and any(note.startswith("4 rows left out") for note in requests.notes)

    def test_a_long_silence_is_noted(self, tmp_path):
        file = tmp_path / "a.csv"
        file.write_text(csv("0,1,3", "400000,2,3", "400001,2,3"))
        assert any("4.63 days of" in note and "without a request" in note for note in read_log(file).notes)
