"""Results and dumps of InferenceX: entries that are no points, and the GPUs of each pool."""

from __future__ import annotations

import pytest

from paretoken.errors import BadFile, BadRows
from paretoken.points.load import import_file
from tests.support.foreign import DATA, load, save


class TestDump:
    """The database in a folder: five results, of which two are points, one of a model that the catalog lacks."""

    def test_bad_entries_are_named(self, catalog):
        with pytest.raises(BadRows, match=r"entry 2: is a failed run \(server died\).*and 2 more"):
            import_file(DATA / "inferencex_dump", catalog=catalog, values={})

    def test_good_ones_are_kept(self, catalog):
        points, errors = import_file(DATA / "inferencex_dump", catalog=catalog, values={}, keep_going=True)
        assert points["concurrency"][0] == 4.0
        assert points["model"][1] == "kimik9"
        assert [e.row for e in errors] == [2, 3, 5]
        for error, why in zip(errors, ("server died", "config_id 99", "agentic_traces"), strict=True):
            assert why in str(error)

    def test_rows_as_the_site_serves_them(self, catalog, tmp_path):
        dump = load("inferencex_dump")
        joined = [c | r for c, r in zip(dump["configs"], dump["benchmark_results"], strict=True)]
        given = {"source_ref": "s"}
        points, _ = import_file(save(tmp_path, joined), catalog=catalog, values=given)
        assert points.equals(import_file(DATA / "inferencex_dump.json", catalog=catalog, values=given)[0])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # Pool figures that already are per GPU of both pools add up as they stand.
        ({"output_tput_per_gpu": 1000.0, "input_tput_per_gpu": 2000.0}, (1000.0, 2000.0, 24)),
        ({"disagg": False}, (500.0 * 16 / 24, 8000.0 * 8 / 24, 24)),
        # Prefill workers alone: one pool, though the fields of two are there.
        (
            {
                "disagg": False,
                "num_decode_gpu": 0,
                "decode_num_workers": 0,
                "decode_tp": 0,
                "output_tput_per_gpu": 400.0,
                "input_tput_per_gpu": 2600.0,
            },
            (400.0, 2600.0, 8),
        ),
    ],
)
def test_denominators_of_pools(change, expected, catalog, tmp_path):
    points, _ = import_file(save(tmp_path, load("inferencex_disagg") | change), catalog=catalog, values={})
    got = points.select("output_tput_per_gpu_tok_s", "input_tput_per_gpu_tok_s", "n_gpus").row(0)
    assert got == pytest.approx(expected)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # One worker of TP 1 whose experts span 16 GPUs counts as 1 in the database.
        ({"decode_tp": 1, "num_decode_gpu": 1}, (8, 16, 24, 8000.0 * 8 / 24)),
        # One with attention spread over 16 GPUs, and no experts to tell: the throughputs do.
        (
            {"decode_tp": 1, "decode_ep": 1, "decode_dp_attention": "true", "num_decode_gpu": 1},
            (8, 16, 24, 8000.0 * 8 / 24),
        ),
        # Without them nothing does.
        (
            {
                "decode_tp": 1,
                "decode_ep": 1,
                "decode_dp_attention": "true",
                "num_decode_gpu": 1,
                "input_tput_per_gpu": None,
            },
            (8, None, None, None),
        ),
        # All 24 GPUs under each pool, no workers: counted once, and split as the throughputs say.
        (
            {
                "is_multinode": False,
                "prefill_num_workers": 0,
                "decode_num_workers": 0,
                "num_prefill_gpu": 24,
                "num_decode_gpu": 24,
                "decode_tp": 24,
                "prefill_tp": 24,
                "decode_ep": 1,
                "prefill_ep": 1,
            },
            (8, 16, 24, 8000.0 * 8 / 24),
        ),
    ],
)
def test_wrong_counts_of_pools(change, expected, catalog, tmp_path):
    row = {k: v for k, v in (load("inferencex_disagg") | change).items() if v is not None}
    points, _ = import_file(save(tmp_path, row), catalog=catalog, values={})
    got = points.select("prefill_gpus", "decode_gpus", "n_gpus", "input_tput_per_gpu_tok_s").row(0)
    assert got == pytest.approx(expected)
    if change.get("decode_tp") == 24:
        assert points.select("tp", "prefill_tp").row(0) == (None, None)


def test_the_first_version_has_its_lengths_in_the_file_name_only(catalog, tmp_path):
    row = {k: v for k, v in load("inferencex_agg").items() if k not in ("isl", "osl")}
    with pytest.raises(BadFile, match=r"does not state the input length or the output length; add --isl and --osl$"):
        import_file(save(tmp_path, row), catalog=catalog, values={})
