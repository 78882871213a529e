"""What the verbs of prediction share: their options, and how predictions are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from paretoken.cli.options import Finite, catalog_folders, given, stack
from paretoken.errors import BadConfig

deployment = stack(
    click.option("--accelerator", help="Any name of the catalog."),
    click.option("--model", help="Any name of the catalog."),
    click.option("--precision", help="Of the weights: bf16 (fp16), fp8, fp4, int4; the model's own if left out."),
    click.option("--engine", help="vllm, sglang, trtllm, …"),
    click.option("--tp", default="auto", show_default=True, help="Tensor parallel size, or auto for all that fit."),
    click.option("--pp", type=click.IntRange(1), default=1, show_default=True, help="Pipeline stages of tp GPUs each."),
    click.option(
        "--gpus",
        type=click.IntRange(1),
        help="GPUs in all, if more than tp x pp: replicas of a dense model, attention groups of a mixture.",
    ),
    click.option("--ep", type=click.IntRange(1), default=1, show_default=True, help="Expert parallel size."),
    click.option("--dp-attention", is_flag=True, help="Attention is data parallel."),
    click.option("--speculative", default="none", show_default=True, help="none, mtp, eagle, …"),
    click.option("--date", help="ISO date of the engine; the published period if left out."),
    catalog_folders,
)
lengths = stack(
    click.option("--isl", type=int, help="Input tokens."),
    click.option("--osl", type=int, help="Output tokens."),
    click.option(
        "--length-range-ratio",
        "ratio",
        type=Finite(),
        default=0.8,
        show_default=True,
        help="Lengths are uniform in [ratio, 1] of nominal, as InferenceX draws them; 1 for equal lengths.",
    ),
)
calibration = click.option(
    "--calibration", type=click.Path(path_type=Path), help="Calibration file; the shipped one if left out."
)


def read(path: Path | None) -> Any:
    """The calibration of a file, None for the shipped one."""
    if path is None:
        return None
    from paretoken.predict.calibration.file import read_calibration

    return read_calibration(path)


def catalog_of(folders: tuple[Path, ...]) -> Any:
    from paretoken.catalog.loader import load_catalog

    return load_catalog(*folders)


def said() -> set[str]:
    """The options on the command line."""
    return {option.opts[0] for option in click.get_current_context().command.params if given(option.name)}


def require_one_question(given: set[str]) -> None:
    """BadConfig where options exclude each other, so that none is dropped in silence."""
    if "--in" in given and (other := given - {"--in", "--out", "--calibration", "--catalog", "--json"}):
        raise BadConfig(f"--in takes what is predicted from its file; leave out {', '.join(sorted(other))}")
    ways = sorted(given & {"--concurrency", "--rate", "--slo"})
    if len(ways) > 1:
        raise BadConfig(f"{' and '.join(ways)} ask different questions; give one of them")
    if "--out" in given and (way := given & {"--rate", "--slo"}):
        raise BadConfig(f"--out takes operating points at --concurrency; with {way.pop()} use --json")


def require(asked: dict[str, Any], isl: int | None, osl: int | None) -> None:
    """BadConfig that names the first thing missing."""
    for name, value in (*((k, asked[k]) for k in ("accelerator", "model", "engine")), ("isl", isl), ("osl", osl)):
        if value is None:
            raise BadConfig(f"--{name} is missing; say what is to be predicted, or give a file with --in")


def deployments(asked: dict[str, Any], lengths: Any, catalog: Any) -> list[Any]:
    """The deployment that is asked for, or with --tp auto every size of it that fits, each with its replicas."""
    from paretoken.predict.configure import configured, replicated, sizes_that_fit

    tp = asked["tp"]
    if tp != "auto" and not (tp.isascii() and tp.isdecimal() and len(tp) < 7):
        raise BadConfig(f"--tp is {tp!r}; give a whole number or auto")
    one = configured(**{**asked, "tp": 1 if tp == "auto" else int(tp)}, catalog=catalog)
    some = sizes_that_fit(one, catalog, lengths=lengths, gpus=asked["gpus"]) if tp == "auto" else [one]
    return [replicated(d, catalog) for d in some]


def shape(isl: int, osl: int, ratio: float) -> Any:
    from paretoken.predict.deployment import Lengths

    return Lengths(isl, osl, ratio)


def whole_file(source: Path | None, target: Path | None, given: Any, catalog: Any, as_json: bool) -> None:
    """Predict a CSV; without a target the answers go to stdout as JSON."""
    from paretoken.cli.output import print_json
    from paretoken.errors import CannotWrite
    from paretoken.predict.csvfile import predict_csv, predict_rows, read_rows

    if source is None:
        raise BadConfig("--out needs --in, the CSV of what is to be predicted, or --accelerator and the rest")
    if target is None:
        rows = read_rows(source)
        answers = predict_rows(rows, calibration=given, catalog=catalog)
        print_json([{**row, **a} for row, a in zip(rows, answers, strict=True)])
        return
    try:
        rows, failed = predict_csv(source, target, calibration=given, catalog=catalog)
    except OSError as e:
        raise CannotWrite(f"{target} cannot be written: {e.strerror}") from e
    if as_json:
        print_json({"rows": rows, "not_predicted": failed, "out": str(target)})
    else:
        click.echo(
            f"{rows - failed} of {rows} rows predicted -> {target}" + (" (status says why not)" if failed else "")
        )


def show_ladder(some, lengths, concurrency: str, given, catalog, target: Path | None, as_json: bool) -> None:
    from paretoken.cli.output import print_json, print_table
    from paretoken.predict.configure import ladder
    from paretoken.predict.rows import news, predicted_points, result_rows
    from paretoken.predict.predictor import predict_cases

    p = predict_cases(ladder(some, lengths, users_of(concurrency), catalog), calibration=given, catalog=catalog)
    if target:
        write(predicted_points(p, catalog), target)
    rows = result_rows(p)
    if as_json:
        print_json(
            [
                {**_named(c), "concurrency": c.concurrency, "origin": "predicted", "new_to_calibration": news(n), **r}
                for c, n, r in zip(p.cases, p.novelty, rows, strict=True)
            ]
        )
        return
    d = p.cases[0].deployment
    print_table(
        f"Predicted: {d.model} {d.precision} on {d.accelerator}, {d.engine}, {lengths.isl}/{lengths.osl}",
        (_sizes(d), "users", "tok/s/GPU", "90 %", "TPOT ms", "90 %", "TTFT ms", "90 %", "E2E s", "tok/s/user"),
        [
            [
                _size(c.deployment, c.replicas),
                int(c.concurrency),
                r["total_tput_per_gpu_tok_s"],
                _span(r, "total_tput_per_gpu_tok_s"),
                r["median_tpot_ms"],
                _span(r, "median_tpot_ms"),
                r["median_ttft_ms"],
                _span(r, "median_ttft_ms"),
                r["median_e2el_ms"] / 1e3,
                r["median_tpot_ms"] and 1e3 / r["median_tpot_ms"],
            ]
            for c, r in zip(p.cases, rows, strict=True)
        ],
        note=f"Predicted, not measured. {_novelty(p)}",
    )


def users_of(text: str) -> list[int]:
    """Levels of users; a ramp is none that has a steady state."""
    from paretoken.bench.workload.ladder import parse_users

    levels = parse_users(text)
    if not all(isinstance(level, int) for level in levels):
        raise BadConfig(f"--concurrency is {text!r}; a ramp cannot be predicted, write levels like 1,2,4 or 1:256:x2")
    return list(levels)


def write(points: Any, target: Path) -> None:
    """Operating points as CSV where the name says so, else as Parquet."""
    from paretoken.errors import CannotWrite
    from paretoken.points.files import write_points

    if target.suffix.lower() != ".csv":
        write_points(points, target)
        return
    try:
        points.write_csv(target)
    except OSError as e:
        raise CannotWrite(f"{target} cannot be written: {e.strerror or e}") from e


def show_slo(some, lengths, text: str, given, catalog, as_json: bool) -> None:
    from paretoken.cli.output import print_json, print_table
    from paretoken.predict.configure import case
    from paretoken.predict.rows import result_rows
    from paretoken.predict.predictor import predict_cases
    from paretoken.predict.slo import MOST_USERS, highest_users, parse_objectives

    objectives = parse_objectives(text)
    rows = []
    for d, replicas in some:
        users = highest_users(d, lengths, objectives, calibration=given, catalog=catalog, replicas=replicas)
        most = [case(d, lengths, users, replicas=replicas, catalog=catalog)] if users else []
        figures = result_rows(predict_cases(most, calibration=given, catalog=catalog))[0] if users else {}
        rows.append({**_named_deployment(d, replicas), "users": users, "or_more": users == MOST_USERS, **figures})
    if as_json:
        print_json(rows)
        return
    print_table(
        f"Most users within {text}",
        (_sizes(some[0][0]), "users", "tok/s/GPU", "TPOT ms", "TTFT ms"),
        [
            [
                _size(*x),
                f"{r['users']:,} or more" if r["or_more"] else r["users"],
                r.get("total_tput_per_gpu_tok_s"),
                r.get("median_tpot_ms"),
                r.get("median_ttft_ms"),
            ]
            for x, r in zip(some, rows, strict=True)
        ],
        note="Predicted, not measured. 0 users: not even one is served within the bounds.",
    )


def show_rate(some, lengths, rate: float, given, catalog, as_json: bool) -> None:
    from paretoken.cli.output import print_json, print_table
    from paretoken.predict.configure import case
    from paretoken.predict.simulated import simulate_load

    rows = []
    for d, replicas in some:
        case(d, lengths, 1, replicas=replicas, catalog=catalog)
        s = simulate_load(d, lengths, rate_s=rate / replicas, calibration=given, catalog=catalog)
        rows.append(
            {
                **_named_deployment(d, replicas),
                "rate_s": rate,
                "total_tput_per_gpu_tok_s": s.total_tput_per_gpu,
                "output_tput_per_gpu_tok_s": s.output_tput_per_gpu,
                "requests": len(s.run.due_s),
                "preemptions": s.preemptions,
                "overloaded": s.overloaded,
                **{f"{q}_{m}_ms": None if v != v else v * 1e3 for m, by in s.quantiles.items() for q, v in by.items()},
            }
        )
    if as_json:
        print_json(rows)
        return
    print_table(
        f"Simulated: {rate:g} requests/s arriving by chance",
        (
            _sizes(some[0][0]),
            "tok/s/GPU",
            "TTFT p50 ms",
            "p99",
            "TPOT p50 ms",
            "p99",
            "E2E p50 ms",
            "requests",
            "preemptions",
            "",
        ),
        [
            [
                _size(*x),
                r["total_tput_per_gpu_tok_s"],
                r["p50_ttft_ms"],
                r["p99_ttft_ms"],
                r["p50_tpot_ms"],
                r["p99_tpot_ms"],
                r["p50_e2e_ms"],
                r["requests"],
                r["preemptions"],
                "overloaded" if r["overloaded"] else "",
            ]
            for x, r in zip(some, rows, strict=True)
        ],
        note="Predicted, not measured."
        + (" Overloaded: requests wait ever longer, these did so many." if any(r["overloaded"] for r in rows) else ""),
    )


def _novelty(p: Any) -> str:
    """What is new to the calibration, in a sentence; of each size if they differ."""
    from paretoken.predict.rows import news

    by_size = {_size(c.deployment, c.replicas): ", ".join(news(n)) for c, n in zip(p.cases, p.novelty, strict=True)}
    if not any(by_size.values()):
        return "Nothing in it is new to the calibration."
    if len(set(by_size.values())) == 1:
        return f"New to the calibration: {next(iter(by_size.values()))}."
    heading = _sizes(p.cases[0].deployment)
    each = "; ".join(f"{heading} {size}: {new or 'nothing'}" for size, new in by_size.items())
    return f"New to the calibration: {each}."


def _named(case: Any) -> dict[str, Any]:
    named = _named_deployment(case.deployment, case.replicas)
    return {**named, "isl": case.lengths.isl, "osl": case.lengths.osl}


def _named_deployment(d: Any, replicas: int) -> dict[str, Any]:
    return {
        "accelerator": d.accelerator,
        "n_gpus": d.gpus * replicas,
        "model": d.model,
        "precision": d.precision,
        "engine": d.engine,
        "tp": d.tp,
        "ep": d.ep,
        "pp": d.pp,
        "replicas": replicas,
    }


def _sizes(d: Any) -> str:
    """The heading over the sizes of deployments."""
    return "TP" if d.pp == 1 else "TP x PP"


def _size(d: Any, replicas: int) -> str:
    """A size in a table: of one deployment, and what the GPUs beyond TP x PP are."""
    if replicas > 1:
        return f"{d.size}, {replicas} replicas"
    groups = d.stage_gpus // d.tp
    return d.size if groups == 1 else f"{d.tp} of {d.size} GPUs"


def _span(row: dict[str, float | None], name: str) -> str | None:
    low, high = row[f"{name}_lo"], row[f"{name}_hi"]
    return None if low is None else f"{low:,.4g}–{high:,.4g}"
