"""CI coverage: results of ROCm runs against those of CUDA."""

from __future__ import annotations

import json

import orjson
import pytest
from click.testing import CliRunner

from paretoken.cli.main import paretoken
from paretoken.errors import BadFile
from paretoken.parity.junit import results

JUNIT = """<?xml version="1.0"?><testsuites><testsuite name="pytest">{}</testsuite></testsuites>"""


def case(name, inner="", where="tests.kernels.test_a"):
    return f'<testcase classname="{where}" name="{name}">{inner}</testcase>'


def test_results_against_the_baseline(tmp_path):
    cuda = [case("a"), case("b"), case("c"), case("d"), case("e", "<skipped/>"), case("m", where="tests.models.test_m")]
    rocm = [case("a"), case("b", "<skipped/>"), case("c", "<failure/>"), case("x"), case("e")]
    (tmp_path / "cuda.xml").write_text(JUNIT.format("".join(cuda)))
    (tmp_path / "rocm.xml").write_text(JUNIT.format("".join(rocm)))
    found = results(tmp_path / "cuda.xml", tmp_path / "rocm.xml")
    t = found.total
    assert (t.cuda_passed, t.passed, t.skipped, t.failed, t.missed, t.amd_only) == (5, 1, 1, 1, 2, 1)
    assert t.share == 0.2
    assert {a.area: a.cuda_passed for a in found.areas} == {"tests.kernels": 4, "tests.models": 1}
    assert ("tests.kernels.test_a::d", "missed") in found.not_passed


def test_a_test_that_stands_twice_keeps_the_worse(tmp_path):
    (tmp_path / "c.xml").write_text(JUNIT.format(case("a")))
    (tmp_path / "r.xml").write_text(JUNIT.format(case("a", "<error/>") + case("a")))
    assert results(tmp_path / "c.xml", tmp_path / "r.xml").total.failed == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<html/>", "not a JUnit file"),
        ("<testsuite>", "not valid XML"),
        ("", "not valid XML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><testsuite/>', "document type"),
    ],
)
def test_bad_junit(tmp_path, text, says):
    (tmp_path / "c.xml").write_text(text)
    (tmp_path / "r.xml").write_text(JUNIT.format(case("a")))
    with pytest.raises(BadFile, match=says):
        results(tmp_path / "c.xml", tmp_path / "r.xml")


def test_results_command(call, tmp_path):
    (tmp_path / "c.xml").write_text(JUNIT.format(case("a")))
    (tmp_path / "r.xml").write_text(JUNIT.format(case("a")))
    code, out, _ = call("parity results c.xml r.xml --json")
    assert code == 0
    assert orjson.loads(out)["total"]["passed"] == 1
    assert "100.0%" in call("parity results c.xml r.xml")[1]


def test_the_former_name_of_the_overview_answers_alike():
    runner = CliRunner()
    old, new = (runner.invoke(paretoken, [*words, "--json"]) for words in (["ecosystem"], ["parity", "overview"]))
    assert old.exit_code == new.exit_code == 0, old.output
    assert json.loads(old.output) == json.loads(new.output)
    assert set(json.loads(new.output)) == {"schema_version", "coverage", "accuracy"}
