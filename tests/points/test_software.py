"""Software states: releases out of versions and images, months, periods; and the one that a curve is drawn from."""

from __future__ import annotations

from datetime import date

import pytest

from paretoken.points.software import by_state, days_apart, representative_day
from tests.support.points import prepared, row


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("0.5.12", "0.5.12"),
        ("v0.11.0", "0.11.0"),
        ("1.2.0rc6.post2", "1.2.0rc6.post2"),
        ("0.5.1-rc0.pre3", "0.5.1-rc0.pre3"),
        ("lmsysorg/sglang:v0.5.12-rocm700-mi30x", "0.5.12"),
        ("lmsysorg/sglang-rocm:v0.5.12.post1-rocm720-mi35x-20260529", "0.5.12.post1"),
        ("nvcr.io/nvidia/tensorrt-llm/release:1.3.0rc14", "1.3.0rc14"),
        ("rocm/sgl-dev:sglang-0.5.9-rocm720-mi35x-mori-0227-3", "0.5.9"),
        ("rocm/atom:rocm7.2.1-ubuntu24.04-pytorch2.9.1-atom0.1.2", "0.1.2"),
        ("rocm/atom:rocm7.2.3_ubuntu24.04_py3.12_pytorch_release_2.10.0_atom20260511", "2026-03"),
        ("rocm/atom-dev:vllm-v0.19.0-nightly_20260512", "2026-03"),
        ("rocm/atom-dev:latest@sha256:058d2f97", "2026-03"),
        ("nightly-dev-20260402-d7256eb6", "2026-03"),
        (None, "2026-03"),
    ],
)
def test_release_of_a_version_else_the_month(version, state):
    assert prepared(row(engine_version=version, date="2026-03-14"))["software"].to_list() == [state]


def test_a_median_over_months_is_a_state_of_its_own_and_as_old_as_its_middle():
    period = "2025-09-29..2026-07-19"
    assert prepared(row(engine_version="0.5.9", date=period))["software"].to_list() == [period]
    assert representative_day(period) == date(2026, 2, 22)
    assert days_apart(period, "2026-05-23") == 90
    assert prepared(row(date=None))["software"].to_list() == ["undated"]
    assert days_apart(None, "2026-05-23") is None
    assert (representative_day("2025-12"), representative_day("2024-02"), representative_day("2026")) == (
        date(2025, 12, 31),
        date(2024, 2, 29),
        date(2026, 12, 31),
    )


def test_an_unstated_release_is_that_of_the_day_if_there_is_one_only():
    day = {"date": "2026-03-14"}
    stated, unstated = row(engine_version="0.5.9", **day), row(concurrency=4.0, **day)
    assert prepared(stated, unstated)["software"].to_list() == ["0.5.9", "0.5.9"]
    other = row(engine_version="0.5.10", concurrency=2.0, **day)
    assert prepared(stated, unstated, other)["software"].to_list() == ["0.5.9", "2026-03", "0.5.10"]
    elsewhere = row(engine_version="0.5.9", accelerator="B200", **day)
    assert prepared(elsewhere, unstated)["software"].to_list() == ["0.5.9", "2026-03"]


def run(version: str, day: str, *loads: float, **changes) -> list[dict]:
    return [
        row(
            engine_version=version,
            date=day,
            concurrency=load,
            median_tpot_s=0.01,
            total_tput_per_gpu_tok_s=load,
            **changes,
        )
        for load in loads
    ]


def states(*rows: dict) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """(engine and state) of the curve's rows and of the newer ones."""
    return tuple(set(part.select("engine", "software").iter_rows()) for part in by_state(prepared(*rows)))


def test_the_newest_state_with_enough_loads_and_no_other():
    old, new = run("0.5.9", "2026-02-27", 4, 8, 16, 32, 64), run("0.5.12", "2026-05-18", 4, 8, 16, 32)
    assert states(*old, *new) == ({("vllm", "0.5.12")}, set())


def test_a_newer_state_with_too_few_loads_stands_beside_the_curve():
    old, new = run("0.5.9", "2026-02-27", 4, 8, 16, 32, 64), run("0.5.12", "2026-05-18", 4, 8)
    older = run("0.5.8", "2026-01-27", 4, 8, 16, 32, 64)
    assert states(*older, *new, *old) == ({("vllm", "0.5.9")}, {("vllm", "0.5.12")})


def test_four_loads_are_not_enough_beside_ten():
    old, new = run("0.5.9", "2026-02-27", *range(1, 11)), run("0.5.12", "2026-05-18", 4, 8, 16, 32)
    assert states(*old, *new) == ({("vllm", "0.5.9")}, {("vllm", "0.5.12")})


def test_where_all_states_are_small_the_newest_full_one_counts():
    assert states(*run("1", "2026-01-01", 4, 8), *run("0.9.1", "2026-02-01", 4, 8))[0] == {("vllm", "0.9.1")}


def test_rows_that_cannot_be_placed_are_no_loads():
    new = run("0.5.12", "2026-05-18", 4, 8, 16, 32, n_gpus=None)
    for r in new:
        r["total_tput_per_gpu_tok_s"] = None
    assert states(*run("0.5.9", "2026-02-27", 4, 8), *new) == ({("vllm", "0.5.9")}, set())


def test_a_dated_release_is_newer_than_a_median_whose_middle_is_older():
    median = run("median over all runs", "2025-09-29..2026-07-19", 4, 8, 16, 32, 64)
    assert states(*median, *run("0.5.12", "2026-05-18", 4, 8, 16))[1] == {("vllm", "0.5.12")}
    assert states(*median, *run("0.5.12", "2026-05-18", 4, 8, 16, 32))[0] == {("vllm", "0.5.12")}
    assert states(*median, *run("0.5.6", "2026-01-18", 4, 8, 16, 32)) == ({("vllm", "2025-09-29..2026-07-19")}, set())


def test_engines_and_origins_have_states_of_their_own():
    mine = run("0.1.0", "2025-01-01", 4, 8, origin="measured")
    other = run("0.5.12", "2026-05-18", 4, 8, engine="sglang")
    current, newer = by_state(prepared(*mine, *other, *run("0.11.0", "2026-01-01", 4, 8)))
    assert set(current["software"]) == {"0.1.0", "0.5.12", "0.11.0"} and newer.is_empty()


def test_of_states_close_in_time_the_one_with_stated_throughput():
    """A carrier without throughputs: those derived from TTFT and TPOT read a few percent high."""
    stated = run("0.5.9", "2026-02-01", 4, 8, 16, 32)
    derived = run("0.5.10", "2026-02-20", 4, 8, 16, 32)
    for r in derived:
        r |= {"total_tput_per_gpu_tok_s": None, "ttft_s": 0.1}
    assert states(*stated, *derived) == ({("vllm", "0.5.9")}, {("vllm", "0.5.10")})
    later = [r | {"date": "2026-04-01"} for r in derived]
    assert states(*stated, *later) == ({("vllm", "0.5.10")}, set())
