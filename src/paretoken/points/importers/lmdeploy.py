"""LMDeploy's benchmark CSV, a row for each run: of `profile_throughput`, `profile_restful_api` and the others.

Up to 0.6 `batch` is the number of clients that each send the next request when the last one ends. `FTL(ave)(s)` is the
mean TTFT; `50%(s)` to `99%(s)` are of the gap before each token after the first, in seconds rounded to ms, where tokens
that come together count a gap of 0: the ITL of this project if each chunk holds one token. `profile_generation` states
the lengths; the others state the rates that the mean lengths follow from. Later versions state the clients as `bs` or
the rate of an open loop, tokens and seconds, and means in ms by the definitions of this project; without streaming
their TPOT is of the whole answer, so it is not read.
"""

from __future__ import annotations

from collections.abc import Mapping

from paretoken.points.importers.figures import error_rate, is_nothing, without_nothing
from paretoken.points.importers.reading import LevelReading, failures, load_of, mean_lengths, nominal, ratio, scaled
from paretoken.points.importers.text_tables import has_table, rows_of
from paretoken.points.values import number

NAME = "LMDeploy"
ORIGIN = "measured"
_OUTPUT, _TOTAL = "throughput(out tok/s)", "throughput(total tok/s)"
_OLD = {"batch", _OUTPUT}
_NEW = {"backend", "dataset_name", "completed", "total_input_tokens", "duration", "mean_tpot_ms", "mean_itl_ms"}
_OF_OTHERS = {"GPU"}
_LENGTHS = {"isl": "prompt_tokens", "osl": "completion_tokens"}
_OLD_LATENCIES = {"FTL(ave)(s)": "mean_ttft_s", "50%(s)": "median_itl_s", "95%(s)": "p95_itl_s", "99%(s)": "p99_itl_s"}
_NEW_LATENCIES = {
    "mean_ttft_ms": "mean_ttft_s",
    "mean_tpot_ms": "mean_tpot_s",
    "mean_itl_ms": "mean_itl_s",
    "mean_e2e_latency_ms": "mean_e2e_s",
}
_OWN_BACKENDS = ("turbomind", "pytorch", "lmdeploy")


def detects_text(text: str) -> bool:
    """A table with the rate of output tokens by batch, or the record of a run without the GPU."""
    return has_table(text, _OLD) or (has_table(text, _NEW) and not has_table(text, _OF_OTHERS))


def text_rows(text: str, file: str) -> list[LevelReading]:
    """One reading for each row."""
    if has_table(text, _OLD):
        return [_old(at, row) for at, row in enumerate(rows_of(text, _OLD, file), start=1)]
    return [_new(at, row) for at, row in enumerate(rows_of(text, _NEW, file), start=1)]


def _old(at: int, row: Mapping[str, str]) -> LevelReading:
    output, total = number(row.get(_OUTPUT)), number(row.get(_TOTAL))
    prompts = total - output if output is not None and total is not None else None
    means = without_nothing({"mean_isl": ratio(prompts, row.get("RPS")), "mean_osl": ratio(output, row.get("RPS"))})
    stated = {
        **{side: row[name] for side, name in _LENGTHS.items() if name in row},
        **means,
        "load_kind": "closed",
        "concurrency": row.get("batch"),
        **without_nothing({ours: row.get(theirs) for theirs, ours in _OLD_LATENCIES.items()}),
    }
    totals = without_nothing({"output": row.get(_OUTPUT), "total": row.get(_TOTAL), "input": prompts})
    return LevelReading(at, stated, totals, {**nominal(means), "engine": "lmdeploy"})


def _new(at: int, row: Mapping[str, str]) -> LevelReading:
    means = mean_lengths(dict(row))
    streamed = not is_nothing(row.get("mean_ttft_ms"))
    latencies = {ours: scaled(row.get(theirs), 1e-3) for theirs, ours in _NEW_LATENCIES.items()}
    sent, completed = number(row.get("num_prompts")), number(row.get("completed"))
    failed = sent - completed if sent is not None and completed is not None and sent >= completed else None
    stated = {
        **_random_lengths(row),
        **means,
        **_load(row),
        **without_nothing({k: v for k, v in latencies.items() if streamed or k == "mean_e2e_s"}),
        **error_rate(failed, sent),
        "notes": failures(failed, sent),
    }
    totals = {side: row.get(f"{side}_throughput") for side in ("input", "output")}
    backend = row.get("backend", "")
    engine = "lmdeploy" if backend.startswith(_OWN_BACKENDS) else backend
    return LevelReading(at, stated, without_nothing(totals), {**nominal(means), "engine": engine})


def _load(row: Mapping[str, str]) -> dict[str, object]:
    if "bs" in row:
        return {"load_kind": "closed", "concurrency": row["bs"]}
    return load_of(row.get("request_rate"), None)


def _random_lengths(row: Mapping[str, str]) -> dict[str, object]:
    """The lengths of the random data set; the row holds their defaults for every other data set too."""
    if row.get("dataset_name") != "random":
        return {}
    return without_nothing(
        {side: row.get(f"random_{word}_len") for side, word in (("isl", "input"), ("osl", "output"))}
    )
