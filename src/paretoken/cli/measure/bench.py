"""`paretoken bench`: measure a live endpoint."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from paretoken.cli import options
from paretoken.errors import BadConfig

if TYPE_CHECKING:
    from paretoken.bench.begin import Run
    from paretoken.bench.stats.significance import RunComparison
    from paretoken.bench.sweep import Measure

_ENDPOINT = (
    click.option("--model", help="Served model; needed only if the server lists several."),
    click.option(
        "--api",
        type=click.Choice(["completions", "chat"]),
        default="completions",
        show_default=True,
        help="API to call: /v1/completions or /v1/chat/completions.",
    ),
    click.option("--stream/--no-stream", default=True, show_default=True, help="Stream the responses."),
    click.option(
        "--dialect",
        help="Engine-specific request fields: vllm, sglang, trtllm, llamacpp, transformers, openai; auto-detected "
        "by default.",
    ),
    click.option("--cafile", metavar="FILE", help="CA certificates to trust."),
    click.option("--insecure", is_flag=True, help="Skip TLS certificate checks (test servers only)."),
    click.option(
        "--timeout",
        "timeout_s",
        type=options.Finite(0, min_open=True),
        default=600.0,
        show_default=True,
        help="Timeout of a request, in seconds.",
    ),
    click.option(
        "--balance",
        type=click.Choice(["round_robin", "weighted", "least_outstanding"]),
        default="round_robin",
        show_default=True,
        help="Load balancing across several URLs.",
    ),
    click.option(
        "--weight",
        "weights",
        type=options.Finite(),
        multiple=True,
        help="Weight of a URL for --balance weighted; one for each URL, in their order.",
    ),
)
_LOAD = (
    click.option(
        "--concurrency",
        metavar="LADDER",
        help="Concurrent users, a level each: 1,2,4 or 1:256:x2 or ramp:1:64:60s.  [default: 1:32:x2]",
    ),
    click.option(
        "--rate", metavar="LADDER", help="Requests per second instead (open loop): 0.5:8:x2 or ramp:1:10:60s."
    ),
    click.option(
        "--arrivals",
        default="poisson",
        show_default=True,
        help="Arrival process for --rate: constant, poisson, gamma:BURSTINESS, or trace (times of --trace).",
    ),
    click.option(
        "--think",
        "think_s",
        type=options.Finite(0),
        default=0.0,
        show_default=True,
        help="Think time of a user between requests, in seconds.",
    ),
    click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Client processes."),
)
_WORKLOAD = (
    click.option("--workload", help="Workload of the catalog (chat, 4k/1k, …) instead of --isl and --osl."),
    click.option(
        "--isl",
        default="1024",
        show_default=True,
        metavar="LENGTH",
        help="Prompt length in tokens: 1024, uniform:1024:0.8, normal:1024:128, lognormal:800:0.5, empirical:FILE.",
    ),
    click.option(
        "--osl",
        default="1024",
        show_default=True,
        metavar="LENGTH",
        help="Output length in tokens, in the same forms as --isl.",
    ),
    click.option(
        "--prefix-share",
        type=options.Finite(0, 1),
        default=0.0,
        show_default=True,
        help="Share of each prompt that is a shared prefix.",
    ),
    click.option(
        "--prefixes", type=click.IntRange(1), default=1, show_default=True, help="Number of distinct shared prefixes."
    ),
    click.option("--turns", metavar="LENGTH", help="Turns per conversation; each has --isl and --osl tokens."),
    click.option(
        "--trace",
        metavar="FILE",
        help="Replay a trace: Mooncake, Azure, BurstGPT, ShareGPT or plain JSONL; format detected from content.",
    ),
    click.option(
        "--trace-speed",
        type=options.Finite(),
        default=1.0,
        show_default=True,
        help="Replay speed of the trace; 2 replays twice as fast.",
    ),
    click.option(
        "--prompt-unit",
        type=click.Choice(["tokens", "words"]),
        default="tokens",
        show_default=True,
        help="Count prompt lengths in tokens or in words; words need no tokenizer.",
    ),
    click.option(
        "--tokenizer", metavar="PATH", help="tokenizer.json, a folder with one, or a model in the local cache."
    ),
    click.option(
        "--vocab-size", type=click.IntRange(2), help="Vocabulary size for token-id prompts without a tokenizer."
    ),
    click.option(
        "--ignore-eos/--no-ignore-eos",
        default=True,
        show_default=True,
        help="Generate the full output length, past the end-of-sequence token.",
    ),
    click.option("--min-tokens", is_flag=True, help="Also send min_tokens, where the server accepts it."),
    click.option("--temperature", type=options.Finite(), default=0.0, show_default=True, help="Sampling temperature."),
    click.option("--extra-body", metavar="JSON", help="JSON object merged into every request body."),
    click.option("--seed", type=int, help="Seed of prompts and arrivals; a new one for every run by default."),
)
_MEASUREMENT = (
    click.option(
        "--until",
        metavar="END",
        help="End of a level: 60s, '1000 requests', '1e6 tokens', 2% (precision), or several with commas.",
    ),
    click.option(
        "--warmup-per-user",
        type=click.IntRange(0),
        default=2,
        show_default=True,
        help="Warm-up requests of each user, before the measured window.",
    ),
    click.option("--repeat", type=click.IntRange(1), default=1, show_default=True, help="Repeat every level N times."),
    click.option(
        "--max-error-rate",
        type=options.Finite(0, 1),
        default=0.05,
        show_default=True,
        help="Share of failed requests above which a level fails.",
    ),
    click.option(
        "--on-error",
        type=click.Choice(["go-on", "stop"]),
        default="go-on",
        show_default=True,
        help="Continue after a failed level, or stop.",
    ),
)
_SEARCH = (
    click.option(
        "--slo",
        default="",
        metavar="SLOS",
        help="Service-level objectives: ttft_p99=2s,tpot_p50=50ms,interactivity_p50=20.",
    ),
    click.option(
        "--search",
        type=click.Choice(["slo", "knee"]),
        help="Find the highest load within --slo, or the knee of the curve; over users, or over --rate.",
    ),
)
_RECORDED = (
    click.option(
        "--gpus",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Number of GPUs that serve; divides the per-GPU figures.",
    ),
    click.option(
        "--accelerator",
        default="unknown",
        show_default=True,
        help="Recorded in the results: accelerator, such as H200.",
    ),
    click.option("--precision", help="Recorded in the results: weight precision, such as fp8."),
    click.option("--tp", type=click.IntRange(1), help="Recorded in the results: tensor-parallel size."),
    click.option("--engine", help="Recorded in the results: engine; auto-detected by default."),
    click.option(
        "--catalog-model", help="Recorded in the results: catalog name of the model, if it is served as another."
    ),
)
config_options = options.stack(*_ENDPOINT, *_LOAD, *_WORKLOAD, *_MEASUREMENT, *_SEARCH, *_RECORDED)
api_key_file = click.option(
    "--api-key-file",
    type=Path,
    metavar="FILE",
    help="File with the API key, instead of PARETOKEN_API_KEY or OPENAI_API_KEY.",
)
out_folder = click.option("--out", type=Path, metavar="DIR", help="Folder of the run.  [default: runs/DATE]")


@click.command("bench")
@click.argument("urls", nargs=-1, metavar="[URL…]")
@config_options
@api_key_file
@out_folder
@click.option("--resume", type=Path, metavar="DIR", help="Continue a run at its first unfinished level.")
@click.option("--compare", "compared", nargs=2, type=Path, metavar="A B", help="Compare two finished runs.")
@click.option("--force", is_flag=True, help="Compare despite different settings; resume although the server changed.")
@click.option("--gate", is_flag=True, help="Exit 1 if a level misses --slo, or if run B of --compare is worse.")
@click.option(
    "--export",
    "export_form",
    type=click.Choice(["vllm", "inferencex"]),
    help="Also write each level in the result format of this tool.",
)
@options.as_json
def command(
    urls: tuple[str, ...],
    api_key_file: Path | None,
    out: Path | None,
    resume: Path | None,
    compared: tuple[Path, Path] | None,
    force: bool,
    export_form: str | None,
    gate: bool,
    as_json: bool,
    **settings: object,
) -> None:
    """Benchmark a live OpenAI-compatible endpoint at increasing load.

    \b
    Without a URL, a small model is served on this machine and measured
    (pip install 'paretoken[engine]'). 'paretoken bench selftest' shows how many
    streams this client can measure accurately.

    \b
    Examples:
      paretoken bench http://127.0.0.1:8000 --concurrency 1:256:x2 --workload chat --gpus 8 --accelerator H200
      paretoken bench http://127.0.0.1:8000 --search slo --slo ttft_p99=2s,tpot_p50=50ms
      paretoken bench http://127.0.0.1:8000 --rate 0.5:8:x2 --arrivals poisson --until 120s
      paretoken bench --resume runs/2026-11-24-101500
      paretoken bench --compare runs/before runs/after --gate
      paretoken bench selftest
    """
    if gate and not (compared or resume or settings["slo"]):
        raise BadConfig("--gate needs --slo, or --compare A B")
    if compared:
        _compare(*compared, force=force, gate=gate, as_json=as_json)
        return
    if urls == ("selftest",):
        from paretoken.cli.measure.selftest import show_selftest

        show_selftest(as_json)
        return
    from paretoken.bench import begin
    from paretoken.bench.config import BenchConfig
    from paretoken.bench.embedded import embedded_setup

    key = read_api_key(api_key_file)
    if resume:
        _refuse_beside_resume((*settings, "urls", "out"))
        resumed = begin.resume(resume, api_key=key, force=force, export_form=export_form)
        measure_and_show(resumed, export_form=export_form, gate=gate, as_json=as_json)
        return
    chosen = {name: value for name, value in settings.items() if on_command_line(name)}
    with nullcontext() if urls else embedded_setup(chosen) as embedded:
        if embedded:
            run = begin.begin_with(embedded, out, export_form=export_form)
        else:
            config = BenchConfig.of_dict({**settings, "urls": urls})
            run = begin.begin(config, out, api_key=key, export_form=export_form)
        measure_and_show(run, export_form=export_form, gate=gate, as_json=as_json)


def read_api_key(file: Path | None) -> str | None:
    from paretoken.bench.config import read_key

    return read_key(dict(os.environ), file)


def on_command_line(name: str | None) -> bool:
    """Whether an option of the running command was typed by the user."""
    return name is not None and click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def _refuse_beside_resume(names: tuple[str, ...]) -> None:
    """A run continues with its own settings; others would have no effect."""
    typed = [p for p in click.get_current_context().command.params if p.name in names and on_command_line(p.name)]
    if typed:
        extra = ", ".join(p.opts[0] if p.param_type_name == "option" else "the URL" for p in typed)
        raise BadConfig(f"--resume uses the settings of the run; leave out {extra}, or begin a new run")


def measure_and_show(
    run: Run,
    *,
    export_form: str | None = None,
    gate: bool = False,
    as_json: bool = False,
    measure: Measure | None = None,
) -> None:
    """Sweep with a live view, then show the levels; `measure` measures a level in another way."""
    from paretoken.bench.documents import to_json
    from paretoken.bench.exports import write_export
    from paretoken.bench.gate import gate_failures
    from paretoken.bench.sweep import sweep
    from paretoken.cli.measure.levels import show_run
    from paretoken.cli.measure.live import LiveView, Quiet
    from paretoken.cli.output import print_json

    for note in run.setup.notes:
        click.echo(f"note: {note}", err=True)
    watch = Quiet() if as_json or not sys.stderr.isatty() else LiveView()
    levels = []
    try:
        with watch:
            for level in sweep(run.setup, run.folder, watch, run.schedule, measure):
                levels.append(level)
                if export_form:
                    write_export(export_form, level)
    except KeyboardInterrupt:
        kept = f"{len(levels)} finished levels are kept; continue with"
        click.echo(f"interrupted; {kept}: paretoken bench --resume {run.folder.folder}", err=True)
        raise
    if as_json:
        print_json(to_json(run.folder.sweep()))
    else:
        show_run(run.folder, levels)
    summaries = [level.summary for level in levels]
    failures = gate_failures(summaries, run.setup.config.slo) if gate else []
    for why in failures:
        click.echo(f"gate: {why}", err=True)
    if failures or any(s.failed for s in summaries):
        raise SystemExit(1)


def _compare(a: Path, b: Path, *, force: bool, gate: bool, as_json: bool) -> None:
    from dataclasses import asdict

    from paretoken.bench.stats.compare_runs import compare_runs
    from paretoken.cli.output import print_json

    comparison = compare_runs(a, b, force=force)
    if as_json:
        print_json(asdict(comparison))
    else:
        _show_comparison(comparison)
    if gate and comparison.worse:
        click.echo(f"gate: {comparison.worse}", err=True)
        raise SystemExit(1)


def _show_comparison(comparison: RunComparison) -> None:
    from paretoken.cli.output import console

    out = console()
    for setting in comparison.differing:
        out.print(f"different settings: {setting}", style="yellow", markup=False)
    for doubt in comparison.doubts:
        out.print(f"warning: {doubt}", style="yellow", markup=False, highlight=False)
    for difference in comparison.differences:
        out.print(str(difference), style="bold" if difference.significant else None, markup=False)
    for kind, load in comparison.unmatched:
        unit = "users" if kind == "closed" else "req/s"
        out.print(f"in one run only: {load:g} {unit}", style="dim", markup=False)
