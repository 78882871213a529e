"""What the verbs of prediction share: their options, and how predictions are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from paretoken.cli.options import Finite, iso_day, stack
from paretoken.errors import BadConfig

deployment = stack(
    click.option("--accelerator", help="Any name of the catalog."),
    click.option("--model", help="Any name of the catalog."),
    click.option("--precision", help="Of the weights: bf16 (fp16), fp8, fp4, int4; the model's own if left out."),
    click.option("--engine", help="vllm, sglang, trtllm, …"),
    click.option("--tp", default="auto", show_default=True, help="Tensor parallel size, or auto for all that fit."),
    click.option("--pp", type=click.IntRange(1), default=1, show_default=True, help="Pipeline stages of tp GPUs each."),
    click.option("--gpus", type=click.IntRange(1), help="GPUs in all, if more than tp x pp (attention data parallel)."),
    click.option("--ep", type=click.IntRange(1), default=1, show_default=True, help="Expert parallel size."),
    click.option("--dp-attention", is_flag=True, help="Attention is data parallel."),
    click.option("--speculative", default="none", show_default=True, help="none, mtp, eagle, …"),
    click.option("--date", help="ISO date of the engine; the published period if left out."),
)
lengths = stack(
    click.option("--isl", type=int, help="Input tokens."),
    click.option("--osl", type=int, help="Output tokens."),
    click.option(
        "--length-range-ratio", "ratio", type=Finite(), default=0.8, show_default=True,
        help="Lengths are uniform in [ratio, 1] of nominal, as InferenceX draws them; 1 for equal lengths.",
    ),
)  # fmt: skip
calibration = click.option(
    "--calibration", type=click.Path(path_type=Path), help="Calibration file; the shipped one if left out."
)


def read(path: Path | None) -> Any:
    """The calibration of a file, None for the shipped one."""
    if path is None:
        return None
    from paretoken.predict.calibration.file import read_calibration

    return read_calibration(path)


def require(asked: dict[str, Any], isl: int | None, osl: int | None) -> None:
    """BadConfig that names the first thing missing."""
    for name, value in (*((k, asked[k]) for k in ("accelerator", "model", "engine")), ("isl", isl), ("osl", osl)):
        if value is None:
            raise BadConfig(f"--{name} is missing; say what is to be predicted, or give a file with --in")


def deployments(asked: dict[str, Any]) -> list[Any]:
    """The deployment that is asked for, or with --tp auto every size of it that fits."""
    from paretoken.catalog import load_catalog
    from paretoken.predict.asked import sizes_that_fit
    from paretoken.predict.deployment import Deployment, resolve

    catalog = load_catalog()
    precision = (asked["precision"] or catalog.models[asked["model"]].native_precision).lower()
    tp = asked["tp"]
    if tp != "auto" and not tp.isdigit():
        raise BadConfig(f"--tp is {tp!r}; give a whole number or auto")
    size = 1 if tp == "auto" else int(tp)
    one = Deployment(
        asked["accelerator"], asked["model"], {"fp16": "bf16"}.get(precision, precision), asked["engine"],
        asked["gpus"] or max(size, asked["ep"]) * asked["pp"], size, asked["ep"], asked["dp_attention"],
        asked["speculative"], iso_day(asked["date"]), pp=asked["pp"],
    )  # fmt: skip
    return sizes_that_fit(one, catalog) if tp == "auto" else [resolve(one, catalog)]


def shape(isl: int, osl: int, ratio: float) -> Any:
    from paretoken.predict.deployment import Lengths

    return Lengths(isl, osl, ratio)


def whole_file(source: Path | None, target: Path | None, given: Any, as_json: bool) -> None:
    """Predict a CSV; without a target the answers go to stdout as JSON."""
    from paretoken.cli.output import print_json
    from paretoken.errors import CannotWrite
    from paretoken.predict.batch import predict_csv, predict_rows, read_rows

    if source is None:
        raise BadConfig("--out needs --in, the CSV of what is to be predicted, or --accelerator and the rest")
    if target is None:
        rows = read_rows(source)
        print_json([{**row, **a} for row, a in zip(rows, predict_rows(rows, calibration=given), strict=True)])
        return
    try:
        rows, failed = predict_csv(source, target, calibration=given)
    except OSError as e:
        raise CannotWrite(f"{target} cannot be written: {e.strerror}") from e
    if as_json:
        print_json({"rows": rows, "not_predicted": failed, "out": str(target)})
    else:
        click.echo(
            f"{rows - failed} of {rows} rows predicted -> {target}" + (" (status says why not)" if failed else "")
        )


def show_ladder(some, lengths, concurrency: str, given, target: Path | None, as_json: bool) -> None:
    from paretoken.cli.output import print_json, print_table
    from paretoken.load.workload.ladder import parse_users
    from paretoken.predict.asked import ladder
    from paretoken.predict.points import predicted_points, result_rows
    from paretoken.predict.predictor import predict_cases

    p = predict_cases(ladder(some, lengths, parse_users(concurrency)), calibration=given)
    if target:
        from paretoken.records import write_points

        write_points(predicted_points(p), target)
    rows = result_rows(p)
    if as_json:
        print_json([{**_named(c), "concurrency": c.concurrency, "origin": "predicted", "new_to_calibration": n, **r}
                    for c, n, r in zip(p.cases, p.novelty, rows, strict=True)])  # fmt: skip
        return
    d = p.cases[0].deployment
    print_table(
        f"Predicted: {d.model} {d.precision} on {d.accelerator}, {d.engine}, {lengths.isl}/{lengths.osl}",
        (_sizes(d), "users", "tok/s/GPU", "90 %", "TPOT ms", "90 %", "TTFT ms", "90 %", "E2E s", "tok/s/user"),
        [
            [
                c.deployment.size, int(c.concurrency),
                r["total_tput_per_gpu_tok_s"], _span(r, "total_tput_per_gpu_tok_s"),
                r["median_tpot_ms"], _span(r, "median_tpot_ms"), r["median_ttft_ms"], _span(r, "median_ttft_ms"),
                r["median_e2el_ms"] / 1e3, 1e3 / r["median_tpot_ms"],
            ]
            for c, r in zip(p.cases, rows, strict=True)
        ],
        note=f"Predicted, not measured. New to the calibration: {', '.join(p.novelty[0])}.",
    )  # fmt: skip


def show_slo(some, lengths, text: str, given, as_json: bool) -> None:
    from paretoken.cli.output import print_json, print_table
    from paretoken.predict.asked import case
    from paretoken.predict.points import result_rows
    from paretoken.predict.predictor import predict_cases
    from paretoken.predict.slo import highest_users, parse_objectives

    objectives = parse_objectives(text)
    rows = []
    for d in some:
        users = highest_users(d, lengths, objectives, calibration=given)
        figures = result_rows(predict_cases([case(d, lengths, users)], calibration=given))[0] if users else {}
        rows.append({**_named_deployment(d), "users": users, **figures})
    if as_json:
        print_json(rows)
        return
    print_table(
        f"Most users within {text}",
        (_sizes(some[0]), "users", "tok/s/GPU", "TPOT ms", "TTFT ms"),
        [[d.size, r["users"], r.get("total_tput_per_gpu_tok_s"), r.get("median_tpot_ms"), r.get("median_ttft_ms")]
         for d, r in zip(some, rows, strict=True)],
        note="Predicted, not measured. 0 users: not even one is served within the bounds.",
    )  # fmt: skip


def show_rate(some, lengths, rate: float, given, as_json: bool) -> None:
    from paretoken.cli.output import print_json, print_table
    from paretoken.predict.asked import case
    from paretoken.predict.simulated import simulate_load

    rows = []
    for d in some:
        case(d, lengths, 1)
        s = simulate_load(d, lengths, rate_s=rate, calibration=given)
        rows.append({
            **_named_deployment(d), "rate_s": rate, "total_tput_per_gpu_tok_s": s.total_tput_per_gpu,
            "output_tput_per_gpu_tok_s": s.output_tput_per_gpu, "preemptions": s.preemptions,
            "overloaded": s.overloaded,
            **{f"{q}_{m}_ms": v * 1e3 for m, by in s.quantiles.items() for q, v in by.items()},
        })  # fmt: skip
    if as_json:
        print_json(rows)
        return
    print_table(
        f"Simulated: {rate:g} requests/s arriving by chance",
        (_sizes(some[0]), "tok/s/GPU", "TTFT p50 ms", "p99", "TPOT p50 ms", "p99", "E2E p50 ms", "preemptions", ""),
        [[d.size, r["total_tput_per_gpu_tok_s"], r["p50_ttft_ms"], r["p99_ttft_ms"], r["p50_tpot_ms"],
          r["p99_tpot_ms"], r["p50_e2e_ms"], r["preemptions"], "overloaded" if r["overloaded"] else ""]
         for d, r in zip(some, rows, strict=True)],
        note="Predicted, not measured.",
    )  # fmt: skip


def _named(case: Any) -> dict[str, Any]:
    return {**_named_deployment(case.deployment), "isl": case.lengths.isl, "osl": case.lengths.osl}


def _named_deployment(d: Any) -> dict[str, Any]:
    return {
        "accelerator": d.accelerator, "n_gpus": d.gpus, "model": d.model, "precision": d.precision, "engine": d.engine,
        "tp": d.tp, "ep": d.ep, "pp": d.pp,
    }  # fmt: skip


def _sizes(d: Any) -> str:
    """The heading over the sizes of deployments."""
    return "TP" if d.pp == 1 else "TP x PP"


def _span(row: dict[str, float], name: str) -> str:
    return f"{row[f'{name}_lo']:,.4g}–{row[f'{name}_hi']:,.4g}"
