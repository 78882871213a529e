"""`paretoken bench`: measure a live endpoint."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, cast

import rich_click as click
from click.core import ParameterSource
from click.globals import get_current_context

from paretoken.cli import context, options
from paretoken.cli.measure.bench_options import config_options, out_folder, read_api_key
from paretoken.cli.measure.nodes import measure_from_nodes, node_options
from paretoken.cli.measure.telemetry import Telemetry, telemetry_options
from paretoken.errors import BadConfig

if TYPE_CHECKING:
    from paretoken.bench.begin import Run
    from paretoken.bench.sweep import Measure


RESTATED = ("extra_body", "cafile", "insecure")
"""Settings that a run folder may not decide, and that are stated again to continue it."""


@click.command("bench")
@click.argument("urls", nargs=-1, metavar="[URL…]")
@config_options
@node_options
@out_folder
@click.option("--resume", type=Path, metavar="DIR", help="Continue a run at its first unfinished level.")
@click.option("--compare", "compared", nargs=2, type=Path, metavar="A B", help="Compare two finished runs.")
@click.option(
    "--force",
    is_flag=True,
    help="Compare despite different settings; resume although the server changed; keep labels outside the catalog.",
)
@click.option("--gate", is_flag=True, help="Exit 1 if a level misses --slo or --compare finds a regression.")
@click.option(
    "--export",
    "export_form",
    type=click.Choice(["vllm", "inferencex"]),
    help="Also write each level in the result format of this tool.",
)
@click.option("--all", "every", is_flag=True, help="Print every level in full, not only the best one.")
@telemetry_options
@options.as_json
def command(
    urls: tuple[str, ...],
    nodes: int | None,
    ray_address: str | None,
    api_key_file: Path | None,
    headers: tuple[str, ...],
    out: Path | None,
    resume: Path | None,
    compared: tuple[Path, Path] | None,
    force: bool,
    export_form: str | None,
    gate: bool,
    every: bool,
    otel: str | None,
    metrics_port: str | None,
    as_json: bool,
    **settings: object,
) -> None:
    """Benchmark a live OpenAI-compatible endpoint at increasing load.

    Without a URL, a small model is served on this machine and measured
    (pip install 'paretoken[engine]'). 'paretoken bench selftest' shows how many
    streams this client can measure accurately.

    \b
    Examples:
      paretoken bench http://127.0.0.1:8000 --concurrency 1:256:x2 \\
                      --workload chat --gpus 8 --accelerator H200
      paretoken bench http://127.0.0.1:8000 --search slo \\
                      --slo ttft_p99=2s,tpot_p50=50ms
      paretoken bench http://127.0.0.1:8000 --rate 0.5:8:x2 --arrivals poisson \\
                      --until 120s
      paretoken bench https://api.example.com/v1 --model m --api chat \\
                      --header 'X-Team: $TEAM'
      paretoken bench --resume runs/2026-11-24-101500
      paretoken bench --compare runs/before runs/after --gate
      paretoken bench selftest
    """
    if gate and not (compared or resume or settings["slo"]):
        raise BadConfig("--gate needs --slo, or --compare A B")
    if (nodes is not None or ray_address) and (compared or resume or urls in ((), ("selftest",))):
        raise BadConfig("--nodes and --ray need the URL of an endpoint")
    telemetry = Telemetry(otel, metrics_port)
    telemetry.check(urls, resume, measures=not compared and urls != ("selftest",))
    if compared:
        _compare(*compared, force=force, gate=gate, as_json=as_json)
        return
    if urls == ("selftest",):
        from paretoken.cli.measure.selftest import show_selftest

        show_selftest(as_json)
        return
    if resume:
        access = (urls, api_key_file, headers)
        run = _resumed(resume, access, settings, force=force, export_form=export_form)
        measure_and_show(run, export_form=export_form, gate=gate, every=every, as_json=as_json, telemetry=telemetry)
        return
    from paretoken.bench import begin
    from paretoken.bench.config import BenchConfig
    from paretoken.bench.embedded import embedded_setup
    from paretoken.bench.keys import read_headers

    chosen = {name: value for name, value in settings.items() if context.stated(name)}
    with nullcontext() if urls else embedded_setup(chosen) as embedded:
        if embedded:
            run = begin.begin_with(embedded, out, export_form=export_form)
        else:
            config = BenchConfig.of_dict({**settings, "urls": urls, "headers": read_headers(headers, os.environ)})
            run = begin.begin(config, out, key=read_api_key(urls, api_key_file), force=force, export_form=export_form)
        with measure_from_nodes(nodes, ray_address, run.setup.config.workers) as measure:
            measure_and_show(
                run,
                export_form=export_form,
                gate=gate,
                every=every,
                as_json=as_json,
                measure=measure,
                telemetry=telemetry,
            )


def _resumed(
    folder: Path,
    access: tuple[tuple[str, ...], Path | None, tuple[str, ...]],
    settings: Mapping[str, object],
    *,
    force: bool,
    export_form: str | None,
) -> Run:
    """A run to continue, with what its folder may not decide; `access` is URLs, the file of a key, and headers."""
    from paretoken.bench import begin
    from paretoken.bench.keys import read_headers

    _refuse_beside_resume((*(name for name in settings if name not in RESTATED), "out"))
    urls, key_file, headers = access
    restated = begin.Restated(
        urls=urls,
        key_file=key_file,
        headers=read_headers(headers, os.environ),
        extra_body=cast("str | None", settings["extra_body"]),
        cafile=cast("str | None", settings["cafile"]),
        insecure=bool(settings["insecure"]),
    )
    return begin.resume(folder, restated, force=force, export_form=export_form)


def on_command_line(name: str | None) -> bool:
    """Whether an option of the running command was typed by the user."""
    return name is not None and get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def _refuse_beside_resume(names: tuple[str, ...]) -> None:
    """A run continues with its own settings; others would have no effect."""
    typed = [p for p in get_current_context().command.params if p.name in names and on_command_line(p.name)]
    if typed:
        extra = ", ".join(p.opts[0] if p.param_type_name == "option" else "the URL" for p in typed)
        raise BadConfig(f"--resume uses the settings of the run; leave out {extra}, or begin a new run")


def measure_and_show(
    run: Run,
    *,
    export_form: str | None = None,
    gate: bool = False,
    every: bool = False,
    as_json: bool = False,
    measure: Measure | None = None,
    telemetry: Telemetry | None = None,
) -> None:
    """Sweep with a live view, then show the levels, with `every` each in full.

    `measure` measures a level in another way; `telemetry` says what other programs see of the run.
    """
    from paretoken.bench.exports import write_export
    from paretoken.bench.gate import gate_failures
    from paretoken.bench.sweep import sweep
    from paretoken.cli.measure.adapter_table import show_adapters
    from paretoken.cli.measure.levels import show_run
    from paretoken.cli.measure.live import LiveView, Quiet
    from paretoken.cli.measure.session_block import with_costs
    from paretoken.cli.output import echo, print_json

    for note in run.setup.notes:
        echo(f"note: {note}", err=True)
    view = Quiet() if as_json or not sys.stderr.isatty() else LiveView()
    levels = []
    try:
        with (telemetry or Telemetry()).watching(run, view) as watch, view:
            for level in sweep(run.setup, run.folder, watch, run.schedule, measure):
                levels.append(level)
                if export_form:
                    write_export(export_form, level)
    except KeyboardInterrupt:
        kept = f"{len(levels)} finished levels are kept; continue with"
        config = run.setup.config
        urls = " ".join(config.urls) + " " if run.setup.api_key or config.headers else ""
        urls += f"--cafile {config.cafile} " if config.cafile else "--insecure " if config.insecure else ""
        echo(f"interrupted; {kept}: paretoken bench {urls}--resume {run.folder.folder}", err=True)
        raise
    if as_json:
        print_json(with_costs(run.folder.sweep()))
    else:
        show_run(run.folder, levels, every=every)
        if adapters := run.setup.config.adapters:
            show_adapters(levels, adapters)
    summaries = [level.summary for level in levels]
    failures = gate_failures(summaries, run.setup.config.slo) if gate else []
    for why in failures:
        echo(f"gate: {why}", err=True)
    if failures or any(s.failed for s in summaries):
        raise SystemExit(1)


def _compare(a: Path, b: Path, *, force: bool, gate: bool, as_json: bool) -> None:
    from paretoken.answers.check import CheckQuestion, check
    from paretoken.cli.compare.check_view import gate_on_regression, show_check

    question = CheckQuestion(runs=(b,), baselines=(a,), at="load", force=force)
    answer = check(question)
    show_check(answer, question, as_json)
    if gate:
        gate_on_regression(answer)
