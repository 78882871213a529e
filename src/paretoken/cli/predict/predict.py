"""`paretoken predict`: throughput and latency without a measurement."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from paretoken.cli.options import Finite, as_json, currency, price
from paretoken.cli.predict import options
from paretoken.cli.predict.disaggregated import (
    AUTO,
    disaggregated_or_auto,
    pooled_fields,
    rent,
    require_pool_options,
    top,
)
from paretoken.cli.predict.trace_options import (
    replay_fields,
    require_sessions,
    session_workload,
    taken,
    trace_options,
)
from paretoken.errors import BadConfig, quoted
from paretoken.plural import counted

if TYPE_CHECKING:
    from paretoken.answers.pool_frontiers import PoolFrontiers
    from paretoken.answers.predict_file import PredictFileAnswer


@click.command("predict", no_args_is_help=True)
@options.deployment
@disaggregated_or_auto
@options.lengths
@click.option(
    "--concurrency",
    default="1:256:x2",
    show_default=True,
    help="Concurrent requests: 1,2,4 or 1:256:x2. With --disaggregated LAYOUT the default is 4:4096:x4; "
    "auto searches them.",
)
@click.option("--rate", type=Finite(), help="Requests per second, Poisson arrivals; simulated.")
@click.option(
    "--slo",
    help="Find the highest load within an SLO: ttft=1s,tpot=50ms,interactivity=40,e2e_p99=30s. "
    "With sessions also session_p90=60s. With --disaggregated, limits are of medians.",
)
@click.option("--in", "source", type=click.Path(path_type=Path), help="Predict every row of a CSV of configurations.")
@click.option(
    "--out",
    type=options.FileToWrite(".parquet", ".csv"),
    help="Write operating points (.parquet, .csv), or with --in a CSV of predictions.",
)
@click.option(
    "--plot",
    type=options.FileToWrite(".svg", ".html"),
    help="Draw disaggregated, aggregated and measured throughput over interactivity (.svg or .html).",
)
@price
@rent
@top
@trace_options
@options.calibration
@currency
@as_json
def command(**values: Any) -> None:
    """Predict throughput and latency of a model on accelerators, with 90 % intervals.

    \b
    Examples:
      paretoken predict --accelerator MI355X --model llama-3.1-405b \\
                        --precision fp8 --engine vllm --tp auto --isl 1024 \\
                        --osl 4096
      paretoken predict --accelerator H200 --model llama-3-70b --precision fp8 \\
                        --engine trtllm --tp 4 --isl 1024 --osl 1024 \\
                        --slo ttft=1s,tpot=50ms
      paretoken predict --accelerator B200 --model deepseek-r1 --precision fp4 \\
                        --engine sglang --tp 8 --isl 4096 --osl 1024 --rate 3
      paretoken predict --accelerator H100 --model llama-3.1-405b \\
                        --precision bf16 --engine vllm --tp 8 --pp 2 --isl 1024 \\
                        --osl 1024
      paretoken predict --accelerator H200 --isl 1024 --osl 1024 \\
                        --serve-command "vllm serve openai/gpt-oss-120b -tp 4"
      paretoken predict --accelerator GB200 --model deepseek-r1 --precision fp4 \\
                        --engine trtllm --isl 8192 --osl 1024 \\
                        --disaggregated 4xDEP4+1xDEP32
      paretoken predict --accelerator MI355X --model deepseek-r1 \\
                        --precision fp8 --engine sglang --isl 8192 --osl 1024 \\
                        --disaggregated auto --gpus 32 \\
                        --slo ttft=2s,interactivity=40 --plot pools.svg
      paretoken predict --accelerator H200 --model qwen3-235b-a22b \\
                        --precision fp8 --engine vllm --tp 4 \\
                        --trace sessions.jsonl --concurrency 16 \\
                        --host-cache 800 --cache-worth
      paretoken predict --accelerator H200 --model llama-3-70b \\
                        --precision fp8 --engine vllm --tp 8 \\
                        --workload agent-code --concurrency 8,16,32
      paretoken predict --in configs.csv --out predictions.csv
    """
    replay = taken(values)
    run = PredictRun(**{f.name: values.pop(f.name) for f in fields(PredictRun)})
    of_sessions = session_workload(values["workload"], values["catalog_folders"])
    require_sessions(replay, of_sessions)
    if replay["trace"] is None and not of_sessions:
        _predict_requests(run, values)
        return
    loads: dict[str, Any] = {"workload": of_sessions, "slo": run.slo, "price_usd_per_gpu_h": run.price_usd_per_gpu_h}
    loads |= _stated_users(run.concurrency) | ({"out": run.out} if run.out else {})
    _replay(replay_fields(replay, values, loads), worth=replay["cache_worth"], as_json=run.as_json)


@dataclass(frozen=True, kw_only=True)
class PredictRun:
    """The options of the load, of prices, and of what is read and written."""

    disaggregated: str | None
    concurrency: str
    rate: float | None
    slo: str | None
    source: Path | None
    out: Path | None
    plot: Path | None
    price_usd_per_gpu_h: dict[str, float]
    rents: tuple[str, ...]
    top: int
    as_json: bool


def _predict_requests(run: PredictRun, deployment: dict[str, Any]) -> None:
    """Predict single requests: of a file, of a layout, or of one pool."""
    layout = run.disaggregated and run.disaggregated.strip()
    _require_one_question(searched=(layout or "").lower() == AUTO)
    require_pool_options(layout)
    if run.plot and layout is None:
        raise BadConfig("--plot draws disaggregated serving; add --disaggregated")
    if run.source:
        _predict_rows(run.source, run.out, deployment, run.as_json)
        return
    if run.out and not deployment["accelerator"] and layout is None:
        raise BadConfig("--out needs a deployment (--accelerator, --model, …) or --in FILE")
    if layout is not None:
        _predict_pools(run, layout, deployment)
        return
    load = {"concurrency": _users(run.concurrency), "rate": run.rate, "slo": run.slo, "out": run.out}
    _predict(options.question_fields(deployment) | load, run.as_json)


def _predict_pools(run: PredictRun, layout: str, deployment: dict[str, Any]) -> None:
    prices = (f"{name}={usd!r}" for name, usd in run.price_usd_per_gpu_h.items())
    load = {"slo": run.slo, "rents": (*run.rents, *prices), **_stated_users(run.concurrency)}
    pooled = pooled_fields(deployment, layout) | load
    if layout.lower() == AUTO:
        _search(pooled | {"top": run.top}, run.plot, run.as_json)
    else:
        _predict_layout(pooled | {"layout": layout, "out": run.out}, run.plot, run.as_json)


def _predict(fields: dict[str, Any], as_json: bool) -> None:
    from paretoken.answers.predict import PredictQuestion, predict
    from paretoken.answers.seam import to_json
    from paretoken.cli.output import print_json
    from paretoken.cli.predict.notes import print_notes
    from paretoken.cli.predict.tables import print_predictions

    question = PredictQuestion(**fields)
    answer = predict(question)
    print_notes(answer.rows[0].assumed)
    if as_json:
        print_json(to_json(answer)["rows"])
    else:
        print_predictions(answer, question)


def _predict_rows(source: Path, out: Path | None, deployment: dict[str, Any], as_json: bool) -> None:
    from paretoken.answers.predict_file import PredictFileQuestion, predict_file

    if out and out.suffix.lower() != ".csv":
        raise BadConfig(f"--in writes a CSV, but --out is {quoted(str(out))}; end the file name in .csv")
    question = PredictFileQuestion(
        source=source, out=out, calibration=deployment["calibration"], catalog=deployment["catalog_folders"]
    )
    _print_file(predict_file(question), out, as_json)


def _replay(fields: dict[str, Any], *, worth: bool, as_json: bool) -> None:
    from paretoken.answers.cache_worth import CacheWorthQuestion, cache_worth
    from paretoken.answers.predict_trace import PredictTraceQuestion, predict_trace
    from paretoken.cli.predict.cache_worth_tables import print_cache_worth
    from paretoken.cli.predict.notes import print_answer
    from paretoken.cli.predict.trace_tables import print_replays
    from paretoken.cli.progress import told_on_stderr

    with told_on_stderr("Replay") as tell:
        if worth:
            compared = CacheWorthQuestion(**fields)
            worths = cache_worth(compared, on_progress=tell)
        else:
            question = PredictTraceQuestion(**fields)
            answer = predict_trace(question, on_progress=tell)
    if worth:
        print_answer(worths, worths.notes, lambda: print_cache_worth(worths, compared), as_json=as_json)
    else:
        print_answer(answer, answer.notes, lambda: print_replays(answer, question), as_json=as_json)


def _predict_layout(fields: dict[str, Any], plot: Path | None, as_json: bool) -> None:
    from paretoken.answers.pool_frontiers import layout_frontiers
    from paretoken.answers.pools import PoolsQuestion, predict_disaggregated
    from paretoken.cli.predict.notes import print_answer
    from paretoken.cli.predict.pool_tables import print_pools

    question = PoolsQuestion(**fields)
    answer = predict_disaggregated(question)
    print_answer(answer, answer.notes, lambda: print_pools(answer, question), as_json=as_json)
    if plot:
        _draw(layout_frontiers(question, answer), plot, question.catalog)


def _search(fields: dict[str, Any], plot: Path | None, as_json: bool) -> None:
    from paretoken.answers.pool_frontiers import search_frontiers
    from paretoken.answers.pool_search import PoolSearchQuestion, search_disaggregated
    from paretoken.cli.predict.notes import print_answer
    from paretoken.cli.predict.pool_search_tables import print_pool_search

    question = PoolSearchQuestion(**fields)
    answer = search_disaggregated(question)
    print_answer(answer, answer.notes, lambda: print_pool_search(answer, question), as_json=as_json)
    if plot:
        _draw(search_frontiers(question, answer), plot, question.catalog)


def _draw(frontiers: PoolFrontiers, plot: Path, catalog_folders: tuple[Path, ...]) -> None:
    from paretoken.catalog.loader import load_catalog
    from paretoken.report.pool_chart import write_pool_chart

    write_pool_chart(frontiers, plot, load_catalog(*catalog_folders))


def _require_one_question(*, searched: bool) -> None:
    """BadConfig for options that exclude each other, so that none is silently ignored.

    Layouts are `searched` within an SLO, also at stated concurrencies.
    """
    options_set = options.on_the_command_line()
    if "--in" in options_set and (other := options_set - {"--in", "--out", "--calibration", "--catalog", "--json"}):
        raise BadConfig(f"--in reads the deployments from its file; leave out {', '.join(sorted(other))}")
    loads = sorted(options_set & {"--concurrency", "--rate", "--slo"})
    if len(loads) > 1 and not (searched and "--rate" not in loads):
        raise BadConfig(f"{' and '.join(loads)} cannot be combined; use one of them")
    if "--out" in options_set and (load := options_set & {"--rate", "--slo"}):
        raise BadConfig(f"--out takes operating points at --concurrency; with {load.pop()} use --json")


def _stated_users(text: str) -> dict[str, tuple[int, ...]]:
    """The field of the levels of concurrency, if they are stated."""
    return {"concurrency": _users(text)} if "--concurrency" in options.stated_options() else {}


def _users(text: str) -> tuple[int, ...]:
    """Levels of concurrency; BadConfig for a ramp, which has no steady state."""
    from paretoken.bench.workload.ladder import parse_users

    levels = parse_users(text)
    users = tuple(level for level in levels if isinstance(level, int))
    if len(users) < len(levels):
        raise BadConfig(f"--concurrency is {text!r}; a ramp cannot be predicted, write levels like 1,2,4 or 1:256:x2")
    return users


def _print_file(answer: PredictFileAnswer, out: Path | None, as_json: bool) -> None:
    from paretoken.cli.output import echo, print_json

    rows, failed = len(answer.rows), answer.not_predicted
    if out is None:
        print_json(answer.rows)
    elif as_json:
        print_json({"rows": rows, "not_predicted": failed, "out": str(out)})
    else:
        echo(
            f"{rows - failed} of {counted(rows, 'row')} predicted -> {out}"
            + (" (status says why not)" if failed else "")
        )
