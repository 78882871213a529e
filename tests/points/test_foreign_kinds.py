"""What other people's files get wrong or leave out: what is derived, said, flagged or refused."""

from __future__ import annotations

import gzip
import random

import polars as pl
import pytest

from paretoken.answers.compare import CompareQuestion, compare
from paretoken.answers.frontier import FrontierQuestion, frontiers
from paretoken.errors import BadFile, BadRows, NoData, ParetokenError, UnknownName
from paretoken.points.files import write_points
from paretoken.points.importers.counts import LevelCounts, throughputs
from paretoken.points.importers.signatures import SIGNATURES
from paretoken.points.load import import_file, import_files, load_points
from tests.support.foreign import DATA, H100, load, save

ASKED = {"model": "llama-3-70b", "isl": 1024, "osl": 128}


def vllm(folder, name="result.json", without=(), **change):
    run = {key: value for key, value in (load("vllm") | change).items() if key not in without}
    return save(folder, run, name)


def point(path, catalog, **values) -> dict:
    return import_files([path], catalog=catalog, values=H100 | values)[0].row(0, named=True)


class TestTotals:
    """Throughput that is not stated, or does not agree with what the client counted."""

    @pytest.mark.parametrize(
        ("totals", "counts", "expected"),
        [
            ({"output": 20.0}, {"input_tokens": 800, "output_tokens": 200, "duration_s": 10}, (100.0, 80.0, 20.0)),
            ({"input": 80.0, "output": 20.0}, {}, (100.0, 80.0, 20.0)),
            ({"total": 100.0, "input": 80.0}, {}, (100.0, 80.0, 20.0)),
            ({"total": 100.0, "output": 20.0}, {}, (100.0, None, 20.0)),
            ({"total": 0, "input": 80.0, "output": 20.0}, {}, (100.0, 80.0, 20.0)),
            ({"total": 100.0}, {}, (100.0, None, None)),
            ({"total": 20.0, "output": 20.0}, {}, (20.0, None, 20.0)),
            ({"output": 20.0}, {"input_tokens": 800, "duration_s": 0}, (None, None, 20.0)),
        ],
    )
    def test_one_side_follows_from_counts_or_from_the_others(self, totals, counts, expected):
        sides, notes = throughputs(totals, LevelCounts(**counts))
        assert tuple(sides.get(side) for side in ("total", "input", "output")) == expected
        assert notes == []

    def test_counts_win_over_a_stated_total_and_the_note_says_so(self, catalog, tmp_path):
        row = point(vllm(tmp_path, total_token_throughput=4268.0), catalog)
        assert row["total_tput_per_gpu_tok_s"] == 533.5
        assert "total throughput is 2134 tok/s by its tokens and seconds, not 4268 as stated" in row["notes"]

    def test_one_percent_is_rounding(self, catalog, tmp_path):
        assert point(vllm(tmp_path, total_token_throughput=2150.0), catalog)["notes"] == "3 of 100 requests failed"

    def test_without_counts_the_row_is_flagged(self, catalog, tmp_path):
        text = (DATA / "own.csv").read_text().splitlines()
        header = text[0] + ",input_tput_per_gpu_tok_s,output_tput_per_gpu_tok_s"
        total = float(text[1].split(",")[text[0].split(",").index("total_tput_per_gpu_tok_s")])
        rows = [f"{text[1]},{total / 2},{total / 2}", f"{text[2]},{total},{total}"]
        points, _ = import_files([save(tmp_path, "\n".join([header, *rows]))], catalog=catalog)
        assert (points["suspicious"] == "totals").to_list() == [False, True]


class TestFailures:
    """Requests that failed, and those that there were too few of."""

    def test_all_failed_is_the_sentence(self, catalog, tmp_path):
        path = vllm(tmp_path, completed=0, failed=8, num_prompts=8, total_input_tokens=0, total_output_tokens=0)
        with pytest.raises(BadRows, match=r"entry 1: 8 of 8 requests failed; the file holds no operating point$"):
            import_file(path, catalog=catalog, values=H100)

    @pytest.mark.parametrize(("failed", "flagged"), [(0, None), (5, None), (6, "errors"), (50, "errors")])
    def test_more_than_five_percent_keeps_a_level_off_frontiers(self, failed, flagged, catalog, tmp_path):
        done = 100 - failed
        tokens = {"total_input_tokens": 1000 * done, "total_output_tokens": 100 * done}
        path = vllm(
            tmp_path, without=("output_throughput", "total_token_throughput"), completed=done, failed=failed, **tokens
        )
        row = point(path, catalog)
        assert (row["error_rate"], row["suspicious"]) == (failed / 100, flagged)

    def test_frontier_and_compare_say_what_they_leave_out(self, catalog, tmp_path):
        good = vllm(
            tmp_path,
            "good.json",
            failed=0,
            completed=100,
            total_input_tokens=100_000,
            total_output_tokens=10_000,
            output_throughput=200.0,
            total_token_throughput=2200.0,
        )
        bad = vllm(tmp_path, "bad.json", max_concurrency=32, failed=50, completed=50, num_prompts=100, duration=25.0,
                   total_input_tokens=50_000, total_output_tokens=5_000, output_throughput=200.0,
                   total_token_throughput=2200.0)  # fmt: skip
        out = tmp_path / "points.parquet"
        values = H100 | {"precision": "fp8", "speculative": "none"}
        write_points(import_files([good, bad], catalog=catalog, values=values)[0], out)
        question = {**ASKED, "points": (out,), "published": False}
        answer = frontiers(FrontierQuestion(**question))
        assert [p.concurrency for p in answer.points] == [16.0]
        assert answer.left_out == {"H100": "1 point flagged (errors)"}
        assert compare(CompareQuestion(**question, e2e_s=10)).left_out == {"H100": "1 point flagged (errors)"}
        alone = tmp_path / "alone.parquet"
        write_points(import_files([bad], catalog=catalog, values=values)[0], alone)
        for ask, kind in ((frontiers, FrontierQuestion), (compare, CompareQuestion)):
            more = {"e2e_s": 10} if kind is CompareQuestion else {}
            with pytest.raises(NoData, match=r"1 point flagged \(errors\); add suspicious=True"):
                ask(kind(**{**question, "points": (alone,)}, **more))
        assert frontiers(FrontierQuestion(**{**question, "points": (alone,)}, suspicious=True)).points

    def test_fewer_requests_than_users_are_the_users(self, catalog, tmp_path):
        row = point(vllm(tmp_path, max_concurrency=128, failed=0, completed=32, num_prompts=32), catalog)
        assert row["concurrency"] == 32
        assert "32 requests for 128 users: no more than 32 ran at once" in row["notes"]


@pytest.mark.parametrize("nothing", [0, 0.0, None, float("nan"), "NaN", float("inf")], ids=repr)
def test_a_statistic_of_nothing_is_left_out_and_not_the_row(nothing, catalog, tmp_path):
    row = point(vllm(tmp_path, median_ttft_ms=nothing, p99_tpot_ms=nothing), catalog)
    assert (row["median_ttft_s"], row["p99_tpot_s"], row["mean_ttft_s"]) == (None, None, 0.21)
    said = "left out, being 0 or no number: median_ttft_s, p99_tpot_s" in row["notes"]
    assert said == (nothing is not None)


@pytest.mark.parametrize(
    ("change", "flagged"),
    [
        ({}, None),
        ({"median_e2el_ms": 2.6}, "units"),
        ({"median_e2el_ms": 2_600_000.0}, "units"),
        ({"median_ttft_ms": 5_000_000.0}, "units"),
        ({"median_tpot_ms": 0.002}, "units"),
    ],
)
def test_seconds_in_the_place_of_milliseconds_are_flagged(change, flagged, catalog, tmp_path):
    assert point(vllm(tmp_path, **change), catalog)["suspicious"] == flagged


class TestNames:
    """Models and accelerators that no catalog holds."""

    @pytest.mark.parametrize(
        ("name", "kept"),
        [
            ("acme/Zephyr-9B", "acme/Zephyr-9B"),
            ("/srv/models/our-finetune/", "our-finetune"),
            ("meta-llama/Llama-9-8B", "meta-llama/Llama-9-8B"),
            ("models--acme--Zephyr-9B", "models--acme--Zephyr-9B"),
        ],
    )
    def test_a_model_keeps_its_own_name(self, name, kept, catalog, tmp_path):
        row = point(vllm(tmp_path, model_id=name), catalog)
        assert (row["model"], row["model_variant"]) == (kept, name)

    @pytest.mark.parametrize("name", ["lama-3-70b", "qwen3-23b", "lama-3.1-8b"])
    def test_a_slip_is_asked_about(self, name, catalog, tmp_path):
        with pytest.raises(UnknownName, match="did you mean"):
            import_file(vllm(tmp_path, model_id=name), catalog=catalog, values=H100)
        with pytest.raises(UnknownName, match="did you mean"):
            import_file(vllm(tmp_path), catalog=catalog, values={"model": name})

    def test_an_accelerator_outside_the_catalog_is_drawn_and_never_priced(self, catalog, tmp_path):
        values = {**H100, "accelerator": "NVIDIA H100 PCIe", "precision": "fp8", "speculative": "none"}
        out = tmp_path / "points.parquet"
        write_points(import_files([vllm(tmp_path)], catalog=catalog, values=values)[0], out)
        question = {**ASKED, "points": (out,), "published": False}
        assert [p.accelerator for p in frontiers(FrontierQuestion(**question)).points] == ["NVIDIA H100 PCIe"]
        answer = compare(CompareQuestion(**question, e2e_s=10))
        assert [(c.accelerator, c.usd_per_mtok_total) for c in answer.candidates] == [("NVIDIA H100 PCIe", None)]

    def test_the_precision_of_a_name_stands_in_and_an_option_wins(self, catalog, tmp_path):
        path = vllm(tmp_path, model_id="Qwen/Qwen3-8B-FP8")
        assert point(path, catalog)["precision"] == "fp8"
        assert point(path, catalog, precision="bf16")["precision"] == "bf16"


class TestLadder:
    """Levels of one measurement in several files."""

    def write(self, folder, users, **change):
        return vllm(folder, f"{users}.json", ("random_input_len", "random_output_len"), max_concurrency=users, **change)

    def test_is_one_curve_across_midnight_versions_and_rounded_lengths(self, catalog, tmp_path):
        files = [
            self.write(tmp_path, 4, date="20260831-235900", total_input_tokens=96_950, engine_version="0.12.0"),
            self.write(tmp_path, 8, date="20260901-001500", engine_version="0.12.0"),
            self.write(tmp_path, 16, date="20260901-003000", total_input_tokens=97_100, engine_version="0.12.0"),
        ]
        points, _ = import_files(files, catalog=catalog, values=H100)
        assert points.select("isl", "osl", "date", "engine_version", "software").unique().rows() == [
            (1000, 100, "2026-08-31", "0.12.0", "0.12.0")
        ]
        assert points["mean_isl"].to_list() == [96_950 / 97, 1000.0, 97_100 / 97]

    def test_the_same_load_again_or_a_gap_is_another_measurement(self, catalog, tmp_path):
        (tmp_path / "again").mkdir()
        again = [
            self.write(tmp_path, 8, date="20260901-100000"),
            self.write(tmp_path / "again", 8, date="20260902-100000", median_ttft_ms=201.0),
        ]
        assert import_files(again, catalog=catalog, values=H100)[0]["date"].to_list() == ["2026-09-01", "2026-09-02"]
        later = [self.write(tmp_path, 8, date="20260901-100000"), self.write(tmp_path, 16, date="20260905-100000")]
        assert import_files(later, catalog=catalog, values=H100)[0]["date"].to_list() == ["2026-09-01", "2026-09-05"]

    def test_whole_lengths_that_are_near_stay_apart(self, catalog, tmp_path):
        """Requests of exactly 1,000 and 1,010 tokens are two workloads."""
        files = [self.write(tmp_path, 8), self.write(tmp_path, 16, total_input_tokens=1010 * 97)]
        assert import_files(files, catalog=catalog, values=H100)[0]["isl"].to_list() == [1000, 1010]

    def test_a_version_is_taken_from_the_same_day_alone_and_noted(self, catalog, tmp_path):
        files = [
            self.write(tmp_path, 4, date="20260901-100000", engine_version="0.12.0"),
            self.write(tmp_path, 8, date="20260901-110000"),
            self.write(tmp_path, 16, date="20260902-100000"),
        ]
        points = import_files(files, catalog=catalog, values=H100)[0]
        assert points["engine_version"].to_list() == ["0.12.0", "0.12.0", None]
        assert [n is not None and "engine version of the other levels" in n for n in points["notes"]] == [
            False,
            True,
            False,
        ]

    def test_other_lengths_are_other_workloads(self, catalog, tmp_path):
        files = [self.write(tmp_path, 8), self.write(tmp_path, 16, total_input_tokens=194_000)]
        assert import_files(files, catalog=catalog, values=H100)[0]["isl"].to_list() == [1000, 2000]


class TestFiles:
    """Forms of files: packed, folders, tables of other programs, and what cannot be read."""

    def test_gzip_is_unpacked(self, catalog, tmp_path):
        packed = tmp_path / "result.json.gz"
        packed.write_bytes(gzip.compress(vllm(tmp_path).read_bytes()))
        assert point(packed, catalog)["total_tput_per_gpu_tok_s"] == 533.5
        packed.write_bytes(packed.read_bytes()[:-20])
        with pytest.raises(BadFile, match="truncated gzip"):
            import_file(packed, catalog=catalog, values=H100)

    @pytest.mark.parametrize("form", ["bom", "crlf", "semicolons", "tabs", "quoted", "decimal commas", "blank lines"])
    def test_a_table_of_another_program(self, form, catalog, tmp_path):
        path = DATA / "own.csv"
        text = path.read_text()
        twin = tmp_path / "twin.csv"
        forms = {
            "bom": "\ufeff" + text,
            "crlf": text.replace("\n", "\r\n"),
            "semicolons": text.replace(",", ";"),
            "tabs": text.replace(",", "\t"),
            "quoted": "\n".join(",".join(f'"{c}"' for c in line.split(",")) for line in text.splitlines()),
            "decimal commas": text.replace(",", ";").replace(".", ",").replace("llama-3,", "llama-3."),
            "blank lines": text.replace("\n", "\n\n"),
        }
        twin.write_bytes(forms[form].encode())
        assert import_file(twin, catalog=catalog, values={})[0].equals(import_file(path, catalog=catalog, values={})[0])

    def test_folders_of_runs_and_campaigns_are_their_points(self, catalog, tmp_path):
        points, _ = import_files([DATA / "own.csv"], catalog=catalog)
        run, campaign = tmp_path / "run[1]", tmp_path / "campaign"
        for place in (run, campaign / "jobs" / "a" / "b", campaign / "jobs" / "a" / "c"):
            place.mkdir(parents=True)
            (place / "run.json").write_text("{}")
        (campaign / "campaign.json").write_text("{}")
        with pytest.raises(BadFile, match=r"run\[1\] is a run without a finished level"):
            import_file(run, catalog=catalog, values={})
        write_points(points, run / "points.parquet")
        assert import_file(run, catalog=catalog, values={})[0].height == 2
        assert load_points([run], published=False).height == 2
        for cell in "bc":
            write_points(points, campaign / "jobs" / "a" / cell / "points.parquet")
        assert load_points([campaign], published=False).height == 4

    def test_keep_going_keeps_going_across_files(self, catalog, tmp_path):
        good = vllm(tmp_path)
        bad = [save(tmp_path, "{", "cut.json"), tmp_path / "none.json", save(tmp_path, "a,b\n1,2\n", "t.csv")]
        slip = vllm(tmp_path, "slip.json", model_id="lama-3-70b")
        files = [bad[0], good, *bad[1:], slip]
        points, errors = import_files(files, catalog=catalog, values=H100, keep_going=True)
        assert points.height == 1
        words = [str(e) for e in errors]
        for word, why in zip(words, ("not whole JSON", "does not exist", "unknown format", "lama-3-70b"), strict=True):
            assert why in word
        with pytest.raises(BadRows, match=r"cut\.json is not whole JSON.*no operating point is left"):
            import_files(bad, catalog=catalog, values=H100, keep_going=True)

    def test_a_damaged_parquet_is_a_sentence_and_prints_nothing(self, catalog, tmp_path, capfd):
        whole = tmp_path / "whole.parquet"
        write_points(import_files([DATA / "own.csv"], catalog=catalog)[0], whole)
        data, chance, path = whole.read_bytes(), random.Random(7), tmp_path / "damaged.parquet"
        for _ in range(60):
            broken = bytearray(data)
            for place in chance.choices(range(4, len(data)), k=3):
                broken[place] = chance.randrange(256)
            path.write_bytes(bytes(broken))
            try:
                import_file(path, catalog=catalog, values={})
            except ParetokenError as e:
                assert str(e)
        assert capfd.readouterr().err == ""

    def test_parquet_of_other_types_is_a_sentence(self, catalog, tmp_path):
        points = import_files([DATA / "own.csv"], catalog=catalog)[0].with_columns(isl=pl.lit([1, 2]), tp=pl.lit(2**63))
        write_points(points, tmp_path / "p.parquet")
        with pytest.raises(ParetokenError, match="is not a whole number"):
            import_file(tmp_path / "p.parquet", catalog=catalog, values={})


@pytest.mark.parametrize(
    "value",
    [2**64, -(2**70), 10**400, "9" * 70_000, "x" * 70_000, float("inf"), [[[]]], "\x1b[2J"],
    ids=lambda v: repr(v)[:12],
)
@pytest.mark.parametrize(
    "key", ["max_concurrency", "tensor_parallel_size", "total_input_tokens", "duration", "model_id"]
)
def test_values_out_of_all_bounds_are_short_sentences(key, value, catalog, tmp_path):
    try:
        import_file(vllm(tmp_path, **{key: value}), catalog=catalog, values=H100)
    except ParetokenError as e:
        assert len(str(e)) < 1000
        assert "\x1b" not in str(e)


@pytest.mark.parametrize(
    "text", ['{"a": ' + "9" * 5000 + "}", "[" * 100_000, '{"a":' * 50_000, "- " * 50_000, "a: " * 999]
)
def test_documents_out_of_all_bounds_are_sentences(text, catalog, tmp_path):
    with pytest.raises(BadFile) as caught:
        import_file(save(tmp_path, text), catalog=catalog, values={})
    assert len(str(caught.value)) < 1000


UNREAD = {
    "Locust stats": "Type,Name,Request Count,Failure Count,Median Response Time\nPOST,/v1,10,0,5\n",
    "k6 summary": '{"root_group": {"name": ""}, "metrics": {"http_req_duration": {"avg": 1}}}',
    "hey or oha": "\nSummary:\n  Total:\t1.0 secs\n\nResponse time histogram:\n  0.1 [1]\n",
    "output of wrk": "Running 10s test @ http://127.0.0.1:8000/\n  2 threads and 10 connections\n",
    "OpenAI batch": '{"id": "batch_req_1", "custom_id": "a", "response": {"status_code": 200}}\n',
    "Jupyter notebook": '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
    "lm-eval": '{"results": {"gsm8k": {}}, "n-shot": {"gsm8k": 5}}',
    "detail log of MLPerf": ':::MLLOG {"key": "power", "value": 1}\n:::MLLOG {"key": "x"}\n',
    "Prometheus": "# HELP up x\n# TYPE up gauge\nup 1\n",
    "profiler trace": '{"traceEvents": []}',
    "server's log": "INFO 09-01 10:00:00 metrics.py: Avg prompt throughput: 10.0 tokens/s, Running: 1\n",
    "page of HTML": "<!DOCTYPE html><html><body>404</body></html>",
    "a trace of requests": '{"timestamp": 0, "input_length": 5, "output_length": 2, "hash_ids": [1]}\n',
    "TOML": "[server]\nport = 8000\n",
    "Kubernetes": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n",
    "vegeta": '{"latencies": {"total": 1, "mean": 2, "50th": 3}, "requests": 4}',
}


@pytest.mark.parametrize("name", UNREAD)
def test_a_file_that_is_no_result_is_named(name, catalog, tmp_path):
    with pytest.raises(BadFile, match=f"looks like .*{name}.*holds no operating points"):
        import_file(save(tmp_path, UNREAD[name]), catalog=catalog, values={})


@pytest.mark.parametrize(
    ("data", "name"),
    [(b"PK\x03\x04\x00\xff", "ZIP"), (b"SQLite format 3\x00\xff", "SQLite"), (b"\x80\x04\x95\xff", "pickle")],
)
def test_bytes_of_a_known_kind_are_named(data, name, catalog, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(BadFile, match=f"looks like .*{name}"):
        import_file(path, catalog=catalog, values={})


@pytest.mark.parametrize("path", sorted(DATA.glob("*.js*")), ids=lambda p: p.stem)
def test_no_signature_matches_a_format_that_is_read(path):
    from paretoken.points.importers.signatures import text_kind

    assert text_kind(path.read_text(encoding="utf-8")) is None
    assert len({name for name, *_ in SIGNATURES}) == len(SIGNATURES)


def test_text_in_utf_16_is_read(catalog, tmp_path):
    path = tmp_path / "result.json"
    path.write_bytes(vllm(tmp_path).read_text().encode("utf-16"))
    assert point(path, catalog)["concurrency"] == 16
