"""`paretoken import` from the files of other tools to a comparison with the published points."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

DATA = Path(__file__).parent.parent / "data" / "importers"
GIVEN = "--accelerator H100 --gpus 4 --engine vllm --precision fp8"


def test_a_result_file_becomes_points_that_every_verb_takes(call, tmp_path):
    _, shown, _ = call(f"import {DATA}/vllm.json {GIVEN} --out unsaid.parquet")
    assert "1 point without a statement on speculative decoding" in " ".join(shown.split())
    code, out, err = call(f"import {DATA}/vllm.json {GIVEN} --speculative none --out mine.parquet --json")
    assert (code, err) == (0, "")
    (point,) = json.loads(out)["points"]
    assert (point["accelerator"], point["origin"], point["source_ref"]) == ("H100", "measured", "vllm.json")
    code, out, err = call(
        f"frontier --model {point['model']} --precision fp8 --isl {point['isl']} --osl {point['osl']} "
        "--points mine.parquet --no-published --json"
    )
    assert (code, err) == (0, "")
    assert [r["tput_per_gpu"] for r in json.loads(out)] == [point["tput_per_gpu"]]


def test_bad_rows_are_named_and_the_rest_kept(call, tmp_path):
    good = (DATA / "own.csv").read_text().splitlines()
    bad = good[1].replace(good[1].split(",")[0], "guessed", 1)
    (tmp_path / "a.csv").write_text("\n".join([good[0], bad, *good[1:]]) + "\n")
    code, out, err = call("import a.csv --out a.parquet")
    assert (code, out) == (2, "") and "row 1" in err and "--keep-going" in err
    assert not (tmp_path / "a.parquet").exists()
    code, _, err = call("import a.csv --out a.parquet --keep-going")
    assert code == 0 and err.count("skipped:") == 1
    assert (tmp_path / "a.parquet").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [("", "empty"), ('{"a": 1}', "an unknown format"), ('{"duration": 3', "JSON"), ("hello", "an unknown format")],
)
def test_files_that_are_no_results(call, tmp_path, content, says):
    (tmp_path / "x.json").write_text(content)
    code, out, err = call("import x.json")
    assert (code, out) == (2, "")
    assert says in err and err.count("\n") == 1
