"""Every importer: what each must do, what the user fills in, and the project's own formats."""

from __future__ import annotations

import pytest

from paretoken.errors import BadConfig, BadFile, ParetokenError, UnknownName
from paretoken.points.files import read_points, write_points
from paretoken.points.importers import FORMATS, complete
from paretoken.points.importers.document import parse
from paretoken.points.load import import_file
from tests.support.foreign import DATA, GIVEN, H100, leaves, load, replaced, save

FOREIGN = sorted(p for p in DATA.glob("*.json*"))
FORMAT_OF = {
    "vllm": "vLLM bench serve",
    "vllm_2024": "vLLM bench serve",
    "sglang": "SGLang bench_serving",
    "sglang_2024": "SGLang bench_serving",
    "sglang_servers": "SGLang bench_serving",
    "genaiperf": "GenAI-Perf",
    "genaiperf_old": "GenAI-Perf",
    "inferencex_agg": "InferenceX",
    "inferencex_headed_ms": "InferenceX",
    "inferencex_disagg": "InferenceX",
    "inferencex_dump": "InferenceX database",
    "aiperf": "AIPerf",
    "aiperf_old": "AIPerf",
    "guidellm_03": "GuideLLM",
    "guidellm_08": "GuideLLM",
}


class TestEveryFormat:
    """What each importer must do, whatever its format."""

    @pytest.mark.parametrize("path", FOREIGN, ids=lambda p: p.stem)
    def test_exactly_one_detects(self, path):
        parsed = parse(path.read_text(encoding="utf-8"), path.name).parsed
        assert [f.NAME for f in FORMATS if f.detects(parsed)] == [FORMAT_OF[path.stem]]

    @pytest.mark.parametrize("path", FOREIGN, ids=lambda p: p.stem)
    def test_the_name_of_the_file_does_not_matter(self, path, catalog, tmp_path):
        twin = tmp_path / "anything.txt"
        twin.write_bytes(path.read_bytes())
        given = GIVEN.get(path.stem, {})
        one, other = (import_file(p, catalog=catalog, values=given)[0].drop("source_ref") for p in (twin, path))
        assert one.equals(other)

    @pytest.mark.parametrize("path", FOREIGN, ids=lambda p: p.stem)
    def test_points_survive_a_round_trip(self, path, catalog, tmp_path):
        points, errors = import_file(path, catalog=catalog, values=GIVEN.get(path.stem, {}))
        write_points(points, tmp_path / "p.parquet")
        assert errors == []
        assert read_points(tmp_path / "p.parquet")[0].equals(points)

    @pytest.mark.parametrize("bad", [None, "x", [], {"a": [1]}, -1, float("nan")], ids=repr)
    @pytest.mark.parametrize("path", FOREIGN, ids=lambda p: p.stem)
    def test_a_wrong_value_anywhere_is_a_sentence(self, path, bad, catalog, tmp_path, monkeypatch):
        # The check of the schema has tests of its own and would take most of the time.
        monkeypatch.setattr(complete, "checked", lambda frame, file, keep_going: (frame, []))
        parsed = parse(path.read_text(encoding="utf-8"), path.name).parsed
        for place in list(leaves(parsed)):
            twin = save(tmp_path, replaced(parsed, place, bad))
            try:
                import_file(twin, catalog=catalog, values=GIVEN.get(path.stem, {}))
            except ParetokenError as e:
                assert str(e)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"max_concurrency": None}, {"load_kind": "offline", "concurrency": None}),
        ({"request_rate": 3.5, "max_concurrency": None}, {"load_kind": "open", "request_rate": 3.5}),
        ({"request_rate": 3.5}, {"load_kind": "open", "concurrency": None}),
        (
            {"ramp_up_strategy": "linear", "ramp_up_start_rps": 1, "ramp_up_end_rps": 9},
            {"load_kind": "open", "request_rate": None},
        ),
        ({"failed": None}, {"notes": "3 of 100 requests failed"}),
        ({"failed": 0}, {"notes": "3 of 100 requests failed"}),
        ({"random_input_len": None, "random_output_len": None}, {"isl": 1000, "osl": 100}),
        ({"accelerator": "H100", "n_gpus": "4"}, {"n_gpus": 4}),
    ],
)
def test_vllm_variants(change, expected, catalog, tmp_path):
    path = save(tmp_path, load("vllm") | change)
    points, _ = import_file(path, catalog=catalog, values=H100)
    assert {column: points[column][0] for column in expected} == expected


def test_the_backend_of_a_client_is_only_a_stand_in_for_the_engine(catalog, tmp_path):
    path = save(tmp_path, load("vllm") | {"backend": "vllm"})
    given = {"accelerator": "H100", "n_gpus": 4}
    assert import_file(path, catalog=catalog, values=given)[0]["engine"][0] == "vllm"
    assert import_file(path, catalog=catalog, values=given | {"engine": "sglang"})[0]["engine"][0] == "sglang"


def test_given_lengths_win_over_rounded_means(catalog, tmp_path):
    path = save(tmp_path, load("vllm") | {"random_input_len": None, "random_output_len": None})
    points, _ = import_file(path, catalog=catalog, values=H100 | {"isl": 1024, "osl": 128})
    assert (points["isl"][0], points["osl"][0], points["mean_isl"][0]) == (1024, 128, 1000.0)


def test_given_fills_what_the_file_leaves_open(catalog):
    given = H100 | {"precision": "bf16", "licence": "CC0", "source": "mine", "date": "2026-08-01", "notes": "rack 3"}
    points, _ = import_file(DATA / "vllm.json", catalog=catalog, values=given | {"origin": "published", "ep": None})
    row = points.row(0, named=True)
    assert [row[c] for c in ("precision", "licence", "source", "origin")] == ["bf16", "CC0", "mine", "published"]
    assert row["notes"] == "rack 3; 3 of 100 requests failed"


def test_a_given_model_names_what_the_catalog_does_not_know(catalog, tmp_path):
    path = save(tmp_path, load("vllm") | {"model_id": "/models/our-finetune"})
    points, _ = import_file(path, catalog=catalog, values=H100 | {"model": "llama-3-70b"})
    assert (points["model"][0], points["model_variant"][0]) == ("llama-3-70b", "/models/our-finetune")


def test_quantised_copies_are_known_by_their_last_path_part(catalog, tmp_path):
    path = save(tmp_path, load("vllm") | {"model_id": "/mnt/models/Qwen3-32B-FP8-dynamic/"})
    assert import_file(path, catalog=catalog, values=H100)[0]["model"][0] == "qwen3-32b"


def test_a_load_that_is_not_stated_is_told_by_its_users(catalog, tmp_path):
    run = {k: v for k, v in load("aiperf").items() if k != "input_config"} | {"model_id": "x"}
    given = H100 | {"model": "gpt-oss-120b", "isl": 1000, "osl": 500}
    with pytest.raises(BadFile, match=r"does not state the load; add --concurrency$"):
        import_file(save(tmp_path, run), catalog=catalog, values=given)
    points, _ = import_file(save(tmp_path, run), catalog=catalog, values=given | {"concurrency": 10})
    assert points.select("load_kind", "concurrency").row(0) == ("closed", 10.0)


def test_an_unknown_model_is_named_with_the_nearest(catalog, tmp_path):
    path = save(tmp_path, load("vllm") | {"model_id": "qwen3-23b"})
    with pytest.raises(UnknownName, match="unknown model 'qwen3-23b': did you mean qwen3-"):
        import_file(path, catalog=catalog, values=H100)


class TestOwnSchema:
    """CSV and Parquet of this project."""

    def test_csv_is_read_and_filled(self, catalog):
        points, errors = import_file(DATA / "own.csv", catalog=catalog, values={"precision": "fp8", "tp": "8"})
        assert errors == []
        assert points.select("precision", "tp", "concurrency").rows() == [("fp8", 8, 16.0), ("fp8", 8, 32.0)]

    def test_names_become_ids(self, catalog, tmp_path):
        text = (DATA / "own.csv").read_text().replace("H100", "h100_sxm").replace("llama-3-70b", "Llama 3.1/3.3 70B")
        points, _ = import_file(save(tmp_path, text), catalog=catalog, values={"accelerator": "h100"})
        assert points.select("accelerator", "model").unique().row(0) == ("H100", "llama-3-70b")
        with pytest.raises(UnknownName, match="unknown engine 'vlm': did you mean"):
            import_file(save(tmp_path, text.replace(",vllm,", ",vlm,")), catalog=catalog, values={})

    def test_parquet(self, catalog, tmp_path):
        points, _ = import_file(DATA / "own.csv", catalog=catalog, values={})
        write_points(points, tmp_path / "own")
        assert import_file(tmp_path / "own", catalog=catalog, values={})[0].equals(points)

    def test_contradiction(self, catalog):
        with pytest.raises(BadConfig, match="says n_gpus is 8, but --gpus 4"):
            import_file(DATA / "own.csv", catalog=catalog, values={"n_gpus": 4})
