"""A request of traffic: one source, no stray options, growth of any source, and what the command line makes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import rich_click as click
from click.testing import CliRunner
from pydantic import TypeAdapter

from paretoken.cli.panels import PANELS
from paretoken.cli.price.traffic_options import traffic_options
from paretoken.errors import ParetokenError
from paretoken.traffic import log
from paretoken.traffic import request as module
from paretoken.traffic.request import TrafficRequest, read_traffic
from tests.support.prometheus import answer, made_up

MIX = TrafficRequest(rate="600/h", isl="lognormal:1800:1.1", osl="300")


def test_a_mix_by_hand():
    traffic = read_traffic(replace(MIX, day_curve="office", peaks=("2x@10:00/1h",), requests_per_session=2.0))
    assert len(traffic) == pytest.approx(14_400, rel=0.2)
    assert traffic.source == "a mix by hand: 600/h on average, lognormal:1800:1.1 tokens in, 300 out"
    assert traffic.session.max() > 0


def test_growth_is_of_any_source(tmp_path):
    file = tmp_path / "range.json"
    file.write_text(json.dumps(answer(made_up(400).matrix())), encoding="utf-8")
    metrics = TrafficRequest(metrics=str(file))
    assert len(read_traffic(metrics)) == 400
    assert len(read_traffic(replace(metrics, growth=2.5))) == 1000
    assert len(read_traffic(replace(MIX, growth=2.0))) == 2 * len(read_traffic(MIX))


def test_the_same_request_gives_the_same_traffic():
    a, b = read_traffic(replace(MIX, growth=1.5)), read_traffic(replace(MIX, growth=1.5))
    assert (a.time_s == b.time_s).all() and (a.output_tokens == b.output_tokens).all()


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (TrafficRequest(), "no traffic: give --log, --metrics"),
        (replace(MIX, metrics="m.json"), "--metrics and --rate are sources"),
        (replace(MIX, log=Path("l.csv"), metrics="m.json"), "--log and --metrics and --rate"),
        (TrafficRequest(metrics="m.json", isl="5"), "--isl belongs to a mix by --rate, not to --metrics"),
        (TrafficRequest(log=Path("l.csv"), peaks=("2x@1:00/1h",)), "--peak belongs to a mix"),
        (TrafficRequest(log=Path("l.csv"), requests_per_session=2.0), "--requests-per-session belongs"),
        (TrafficRequest(metrics="m.json", since="1h"), "--since belongs to --metrics with the URL"),
        (replace(MIX, step="1h"), "--step belongs to --metrics with the URL"),
        (replace(MIX, served_model="m"), "--served-model belongs"),
        (replace(MIX, osl=None), "--rate needs --osl"),
        (replace(MIX, isl=None, osl=None), "--rate needs --isl and --osl"),
        (replace(MIX, prefixes=3), "--prefixes needs --prefix-share"),
        (replace(MIX, prefix_share=1.0), "below 1"),
        (replace(MIX, requests_per_session=0.5), "requests per session are 0.5"),
        (replace(MIX, burstiness=0.0), "burstiness 0"),
        (replace(MIX, growth=0.0), "growth is 0"),
        (replace(MIX, seed=-1), "--seed is -1"),
        (replace(MIX, rate="many"), "such as 2000/min"),
        (replace(MIX, isl="long"), "length distribution"),
    ],
)
def test_what_is_refused_in_one_sentence(request_, words):
    with pytest.raises(Exception, match=words) as error:
        read_traffic(request_)
    assert isinstance(error.value, ParetokenError)
    assert "\n" not in str(error.value)


def test_keys_of_other_programs_are_not_sent(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-server")
    monkeypatch.delenv("PARETOKEN_API_KEY", raising=False)
    assert module._key("https://prometheus", None).value is None
    monkeypatch.setenv("PARETOKEN_API_KEY", "own")
    assert module._key("https://prometheus", None).value == "own"
    (tmp_path / "key").write_text("of the file\n", encoding="utf-8")
    assert module._key("https://prometheus", tmp_path / "key").value == "of the file"


def test_it_is_json_and_every_field_is_described():
    adapter = TypeAdapter(TrafficRequest)
    assert adapter.validate_json(adapter.dump_json(MIX)) == MIX
    for name, field in adapter.json_schema()["properties"].items():
        assert "description" in field, name


def test_options_make_the_request():
    made = []

    @click.command()
    @traffic_options
    def verb(**values):
        made.append(TrafficRequest(**values))

    run = CliRunner().invoke(
        verb,
        [
            "--rate",
            "2000/min",
            "--isl",
            "5",
            "--osl",
            "6",
            "--peak",
            "2x@1:00/1h",
            "--peak",
            "3x@2:00/1h",
            "--growth",
            "2",
            "--trace",
            "t",
        ],
    )
    assert run.exit_code == 0, run.output
    assert made == [
        TrafficRequest(
            rate="2000/min",
            isl="5",
            osl="6",
            peaks=("2x@1:00/1h", "3x@2:00/1h"),
            growth=2.0,
            log=Path("t"),
        )
    ]
    assert CliRunner().invoke(verb, []).exit_code == 0
    assert made[-1] == TrafficRequest()
    listed = {param.opts[0] for param in verb.params}
    assert set(PANELS["plan"]["Traffic"].split()) == listed | {"--workload"}


def test_a_log_goes_to_its_reader(monkeypatch):
    traffic = read_traffic(MIX)
    calls = []
    monkeypatch.setattr(log, "read_log", lambda path, *, model=None: calls.append((path, model)) or traffic)
    assert read_traffic(TrafficRequest(log=Path("l.csv"), served_model="m")) is traffic
    assert calls == [(Path("l.csv"), "m")]
