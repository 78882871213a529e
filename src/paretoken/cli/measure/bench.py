"""`paretoken bench`: measure a live endpoint."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

from paretoken.cli import options
from paretoken.cli.measure.nodes import measure_from_nodes, node_options
from paretoken.errors import BadConfig, CannotWrite

_CONFIG = (
    click.option("--model", help="Served model; the only one by default."),
    click.option("--api", type=click.Choice(["completions", "chat"]), default="completions", show_default=True),
    click.option("--stream/--no-stream", default=True, help="Stream the answers."),
    click.option("--dialect", help="vllm, sglang, trtllm, llamacpp, transformers, openai; found out by default."),
    click.option("--tokenizer", metavar="PATH", help="tokenizer.json, its folder, or a model in the local cache."),
    click.option("--vocab-size", type=click.IntRange(2), help="For token-id prompts without a tokenizer."),
    click.option("--prompt-unit", type=click.Choice(["tokens", "words"]), default="tokens", show_default=True),
    click.option("--workload", help="Workload of the catalog (chat, 4k/1k, …) instead of --isl and --osl."),
    click.option(
        "--isl",
        default="1024",
        show_default=True,
        metavar="LENGTH",
        help="1024, uniform:1024:0.8, normal:1024:128, lognormal:800:0.5, empirical:FILE.",
    ),
    click.option("--osl", default="1024", show_default=True, metavar="LENGTH", help="The same for answers."),
    click.option(
        "--prefix-share", type=options.Finite(0, 1), default=0.0, help="Share of each prompt that is a shared prefix."
    ),
    click.option("--prefixes", type=click.IntRange(1), default=1, help="How many such prefixes there are."),
    click.option("--turns", metavar="LENGTH", help="Conversations of so many turns, each --isl and --osl long."),
    click.option(
        "--trace", metavar="FILE", help="Mooncake, Azure, BurstGPT, ShareGPT or plain JSONL, told by content."
    ),
    click.option("--trace-speed", type=options.Finite(), default=1.0, help="2 replays twice as fast."),
    click.option("--concurrency", metavar="LADDER", help="Users: 1,2,4 or 1:256:x2 or ramp:1:64:60s; default 1:32:x2."),
    click.option("--rate", metavar="LADDER", help="Requests per second: 0.5:8:x2, or ramp:1:10:60s."),
    click.option(
        "--arrivals", default="poisson", show_default=True, help="constant, poisson, gamma:BURSTINESS, trace."
    ),
    click.option(
        "--search", type=click.Choice(["slo", "knee"]), help="Highest load within --slo, or the knee: users, or --rate."
    ),
    click.option("--slo", default="", metavar="GOALS", help="ttft_p99=2s,tpot_p50=50ms,interactivity_p50=20."),
    click.option(
        "--think", "think_s", type=options.Finite(0), default=0.0, help="Pause of a user between requests, s."
    ),
    click.option(
        "--until", metavar="END", help="60s, '1000 requests', '1e6 tokens', 2% (precision), or several with commas."
    ),
    click.option(
        "--warmup-per-user", type=click.IntRange(0), default=2, show_default=True, help="Requests before the window."
    ),
    click.option("--ignore-eos/--no-ignore-eos", default=True, help="Ask for answers of the full length."),
    click.option("--min-tokens", is_flag=True, help="Ask for it by min_tokens too, where the server takes it."),
    click.option("--temperature", type=options.Finite(), default=0.0, show_default=True),
    click.option("--extra-body", metavar="JSON", help="Laid over every request body."),
    click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Client processes."),
    click.option("--timeout", "timeout_s", type=options.Finite(0, min_open=True), default=600.0, show_default=True),
    click.option(
        "--balance", type=click.Choice(["round_robin", "weighted", "least_outstanding"]), default="round_robin"
    ),
    click.option(
        "--weight", "weights", type=options.Finite(), multiple=True, help="Of each URL, for --balance weighted."
    ),
    click.option("--cafile", metavar="FILE", help="Certificate authorities to trust."),
    click.option("--insecure", is_flag=True, help="Trust any certificate (test servers)."),
    click.option(
        "--gpus", type=click.IntRange(1), default=1, show_default=True, help="GPUs that per-GPU figures divide by."
    ),
    click.option("--accelerator", default="unknown", help="For the operating points."),
    click.option("--precision", help="For the operating points."),
    click.option("--tp", type=click.IntRange(1), help="For the operating points."),
    click.option("--engine", help="For the operating points; found out by default."),
    click.option("--catalog-model", help="Catalog name of the model, where the served name is another."),
    click.option("--seed", type=int, help="Of prompts and arrivals; a new one for every run by default."),
    click.option("--repeat", type=click.IntRange(1), default=1, show_default=True, help="Measure all levels so often."),
    click.option("--max-error-rate", type=options.Finite(0, 1), default=0.05, show_default=True),
    click.option("--on-error", type=click.Choice(["go-on", "stop"]), default="go-on", show_default=True),
)


def config_options(function):
    for option in reversed(_CONFIG):
        function = option(function)
    return function


@click.command("bench")
@click.argument("urls", nargs=-1, metavar="[URL…]")
@config_options
@node_options
@click.option("--api-key-file", type=Path, help="File with the API key (else PARETOKEN_API_KEY, OPENAI_API_KEY).")
@click.option("--out", type=Path, metavar="DIR", help="Folder of the run; runs/DATE by default.")
@click.option("--resume", type=Path, metavar="DIR", help="Go on with a run at its first unfinished level.")
@click.option("--compare", "compared", nargs=2, type=Path, metavar="A B", help="Compare run B with its baseline A.")
@click.option("--force", is_flag=True, help="Compare runs whose settings differ; resume where the server has changed.")
@click.option(
    "--export", "export_form", type=click.Choice(["vllm", "inferencex"]), help="Also write this form for each level."
)
@click.option("--gate", is_flag=True, help="Exit 1 where a level misses --slo, or B of --compare is worse.")
@options.as_json
def command(
    urls, nodes, ray_address, api_key_file, out, resume, compared, force, export_form, gate, as_json, **values
) -> None:
    """Measure a live OpenAI-compatible endpoint under ever more load.

    \b
    Without a URL a small model is served on this machine and measured (pip install 'paretoken[engine]').
    'paretoken bench selftest' tells what this machine's client is good for.

    \b
    Examples:
      paretoken bench http://127.0.0.1:8000 --concurrency 1:256:x2 --workload chat --gpus 8 --accelerator H200
      paretoken bench http://127.0.0.1:8000 --search slo --slo ttft_p99=2s,tpot_p50=50ms
      paretoken bench http://127.0.0.1:8000 --rate 0.5:8:x2 --arrivals poisson --until 120s
      paretoken bench http://10.0.0.7:8000 --ray auto --concurrency 512:8192:x2 --until 120s
      paretoken bench --resume runs/2026-11-24-101500
      paretoken bench --compare runs/before runs/after --gate
      paretoken bench selftest
    """
    if gate and not (compared or resume or values["slo"]):
        raise BadConfig("--gate has nothing to hold a level against: give --slo, or --compare A B")
    if (nodes is not None or ray_address) and (compared or resume or urls in ((), ("selftest",))):
        raise BadConfig("--nodes and --ray need the URL of an endpoint")
    if compared:
        _compare(*compared, force, gate, as_json)
    elif urls == ("selftest",):
        _selftest(as_json)
    elif resume:
        _refuse_beside_resume((*values, "urls", "out"))
        _go_on(resume, api_key_file, force, export_form, gate, as_json)
    elif not urls:
        _embedded(values, out, export_form, gate, as_json)
    else:
        measure_urls(
            {**values, "urls": urls},
            out or place(),
            api_key_file,
            export_form,
            gate,
            as_json,
            nodes=nodes,
            ray_address=ray_address,
        )


def place() -> Path:
    from datetime import datetime

    return Path("runs") / datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")


def measure_urls(values, out, key_file, export_form, gate, as_json, *, nodes=None, ray_address=None) -> None:
    """Measure endpoints into a new run folder, from this process or from many nodes."""
    from paretoken.bench.config import BenchConfig, read_key
    from paretoken.bench.run_folder import RunFolder
    from paretoken.bench.schedule import course
    from paretoken.bench.setup import prepare

    setup = prepare(BenchConfig(**values), api_key=read_key(dict(os.environ), key_file))
    _check_export(export_form, setup.config)
    steps = course(setup)  # a load that cannot be read leaves no folder behind
    with measure_from_nodes(nodes, ray_address, setup.config.workers) as run_one:
        folder = RunFolder(out)
        folder.create(setup.about(shlex.join(["paretoken", *sys.argv[1:]])))
        run(setup, folder, export_form, gate, as_json, run_one, steps)


def _refuse_beside_resume(names) -> None:
    """A run goes on as it was asked for; what else is given would be passed over."""
    given = [p for p in click.get_current_context().command.params if p.name in names and options.given(p.name)]
    if given:
        said = ", ".join(p.opts[0] if p.param_type_name == "option" else "a URL" for p in given)
        raise BadConfig(f"--resume goes on with what the run was asked; leave out {said}, or begin a new run")


def _go_on(resume, key_file, force, export_form, gate, as_json) -> None:
    from paretoken.bench.config import BenchConfig, read_key
    from paretoken.bench.run_folder import RunFolder
    from paretoken.bench.setup import prepare

    folder = RunFolder(resume)
    about = folder.about()
    setup = prepare(BenchConfig.of_dict(about["config"]), api_key=read_key(dict(os.environ), key_file))
    changes = setup.changes(about)
    if changes and not force:
        raise BadConfig(f"the server has changed since {resume} began: {'; '.join(changes)}; give --force to go on")
    _check_export(export_form, setup.config)
    run(setup, folder, export_form, gate, as_json)


def _check_export(form, config) -> None:
    if form == "inferencex" and (config.rate is not None or config.arrivals == "trace"):
        raise BadConfig("--export inferencex is of closed loops of users; give --concurrency, or --export vllm")


def _embedded(values, out, export_form, gate, as_json) -> None:
    from paretoken.bench.embedded import embedded_setup
    from paretoken.bench.run_folder import RunFolder

    with embedded_setup({k: v for k, v in values.items() if options.given(k)}) as setup:
        _check_export(export_form, setup.config)
        folder = RunFolder(out or place())
        folder.create(setup.about(shlex.join(["paretoken", *sys.argv[1:]])))
        run(setup, folder, export_form, gate, as_json)


def run(setup, folder, export_form, gate, as_json, run_one=None, steps=None) -> None:
    """Sweep with a view, then show the levels; `run_one` measures a level in another way."""
    from paretoken.bench.stats.doubts import TOO_MANY_ERRORS
    from paretoken.bench.sweep import sweep
    from paretoken.cli.measure.live import LiveView, Quiet
    from paretoken.cli.output import print_json

    for note in setup.notes:
        click.echo(f"note: {note}", err=True)
    watch = Quiet() if as_json or not sys.stderr.isatty() else LiveView()
    levels = []
    try:
        with watch:
            for level in sweep(setup, folder, watch, steps, run_one):
                levels.append(level)
                if export_form:
                    _export(level, export_form)
    except KeyboardInterrupt:
        click.echo(
            f"interrupted; {len(levels)} finished levels are kept: paretoken bench --resume {folder.folder}", err=True
        )
        raise
    summary = folder.folder / "summary.json"
    print_json(_read(summary)) if as_json else _show(levels, folder, summary)
    missed = _missed(levels, setup.config.slo) if gate else []
    for why in missed:
        click.echo(f"gate: {why}", err=True)
    if missed or any(TOO_MANY_ERRORS in level.summary for level in levels):
        raise SystemExit(1)


def _missed(levels, slo) -> list[str]:
    """Why a gate stays shut: loads that did not stay within the goals, and those of which that cannot be said."""
    from paretoken.bench.plan import load_name
    from paretoken.bench.schedule import meets
    from paretoken.bench.stats.doubts import doubts

    missed = [load_name(x.summary["load"]) for x in levels if not meets(x.summary)]
    unsure = [(load_name(x.summary["load"]), doubts(x.summary)) for x in levels if meets(x.summary)]
    found = [f"{', '.join(missed)} did not stay within {slo or 'any --slo'}"] if missed else []
    return found + [f"{name} cannot be held against {slo}: {'; '.join(why)}" for name, why in unsure if why]


def _export(level, form) -> None:
    import orjson

    from paretoken.bench.exports import export

    made, place = export(form, level.summary, level.point), level.folder / f"{form}.json"
    try:
        place.write_bytes(orjson.dumps(made, option=orjson.OPT_INDENT_2))
    except OSError as e:
        raise CannotWrite(f"{place}: {e.strerror}") from e


def _read(path: Path):
    import orjson

    return orjson.loads(path.read_bytes())


def _show(levels, folder, summary) -> None:
    from paretoken.bench.plan import found_name
    from paretoken.cli.measure.levels import show_levels
    from paretoken.cli.output import console

    show_levels(levels)
    out = console()
    answer = _read(summary).get("answer")
    if answer:
        what = f"within {answer['slo']}" if answer["kind"] == "slo" else "at the knee"
        found = ("at least " if answer.get("at_least") else "") + (found_name(answer) or "none")
        out.print(f"\nHighest load {what}: [bold]{found}[/bold], in {answer['steps']} steps")
        for doubt in answer.get("doubts", ()):
            out.print(f"Read that as rough: {doubt}", style="yellow", markup=False, highlight=False)
    out.print(f"Run: {folder.folder}   (paretoken report {folder.folder}, paretoken share {folder.folder})")


def _compare(a: Path, b: Path, force: bool, gate: bool, as_json: bool) -> None:
    from paretoken.answers.check import CheckQuestion, check
    from paretoken.cli.compare.check_view import gate_on_regression, show_check

    answer = check(CheckQuestion(runs=(b,), baselines=(a,), at="load", force=force))
    show_check(answer, as_json)
    if gate:
        gate_on_regression(answer)


def _selftest(as_json: bool) -> None:
    from paretoken.cli.measure.selftest import show_selftest

    show_selftest(as_json)
