"""`paretoken accuracy`: whether a fast server still gives the right tokens."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path

import click

from paretoken.cli import options

FILE = click.Path(path_type=Path, dir_okay=False)


def _stack(*decorators):
    def decorate(function):
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


endpoint = _stack(
    click.option("--url", required=True, help="Server to look at, http://host:port/v1."),
    click.option("--model", help="Served model; the only one by default."),
    click.option("--api-key-file", type=Path, help="File with the API key (else PARETOKEN_API_KEY, OPENAI_API_KEY)."),
    click.option("--timeout", "timeout_s", type=click.FloatRange(1), default=300.0, show_default=True,
                 help="Longest wait for one answer, seconds."),
)  # fmt: skip
asked = _stack(
    click.option("--prompts", "n", type=click.IntRange(2), default=32, show_default=True, help="How many prompts."),
    click.option("--tokens", type=click.IntRange(1), default=32, show_default=True, help="Tokens after each prompt."),
    click.option("--seed", type=click.IntRange(0), help="Of the prompts; a new one each time by default."),
)
judged = _stack(
    click.option("--out", type=FILE, default=Path("gate.json"), show_default=True,
                 help="Verdicts; those of other tiers that it holds on this endpoint are kept."),
    options.as_json,
)  # fmt: skip
limits_of = click.option("--reference", "limits", type=FILE, help="Calibrated reference whose limits hold.")
reference_of = click.option("--reference", required=True, help="Reference file, or URL of a trusted server.")
same_model = click.option("--same-model", is_flag=True, help="The model is the reference's under another name.")
task_options = _stack(
    click.option("--tasks", default="arithmetic,copy,needle", show_default=True, help="Offline tasks, or none."),
    click.option("--items", type=click.IntRange(1), default=100, show_default=True, help="Items of each task."),
)


@click.group("accuracy")
def command() -> None:
    """Find out whether a server still gives the right tokens, tier by tier.

    \b
    T0 probe        what it can tell            T3 compare   against a reference's tokens
    T1 repeat       the same twice?             T4 task      items answered right, paired
    T2 consistency  decode against re-prefill

    \b
    Examples:
      paretoken accuracy calibrate --url http://trusted:8000 --dtype bfloat16 --out reference.json
      paretoken accuracy gate --url http://fast:8000 --reference reference.json --out gate.json
      paretoken accuracy attach gate.json runs/2026-11-24-101500
    """


@command.command("probe")
@endpoint
@judged
def probe(out, as_json, **where) -> None:
    """T0: does the server tell token ids, and a log-probability for every token that it is given?

    \b
    Example:
      paretoken accuracy probe --url http://127.0.0.1:8000
    """
    import numpy as np

    from paretoken.ecosystem.accuracy.gate import guarded
    from paretoken.ecosystem.accuracy.prompts import prompts
    from paretoken.ecosystem.accuracy.single import capability

    server = _server(where)
    (prompt,) = prompts(1, np.random.default_rng(0))
    _conclude(server, where["url"], [guarded("T0", lambda: capability(server, prompt))], out, as_json)


@command.command("repeat")
@endpoint
@asked
@limits_of
@judged
def repeat(n, tokens, seed, limits, out, as_json, **where) -> None:
    """T1: the same prompts cold, warm and all together; how much differs is the noise floor.

    \b
    Example:
      paretoken accuracy repeat --url http://127.0.0.1:8000 --prompts 64
    """
    from paretoken.ecosystem.accuracy.prompts import prompts
    from paretoken.ecosystem.accuracy.single import repeatability

    server = _server(where)
    with _progress() as told:
        found = repeatability(server, prompts(n, _rng(seed)), tokens=tokens, limits=_limits(limits), told=told("T1"))
    _conclude(server, where["url"], [found], out, as_json)


@command.command("consistency")
@endpoint
@asked
@limits_of
@judged
def consistency_(n, tokens, seed, limits, out, as_json, **where) -> None:
    """T2: log-probabilities while decoding against the same tokens prefilled; needs no reference.

    \b
    Example:
      paretoken accuracy consistency --url http://127.0.0.1:8000
    """
    from paretoken.ecosystem.accuracy.prompts import prompts
    from paretoken.ecosystem.accuracy.single import consistency

    server = _server(where)
    with _progress() as told:
        found = consistency(server, prompts(n, _rng(seed)), tokens=tokens, limits=_limits(limits), told=told("T2"))
    _conclude(server, where["url"], [found], out, as_json)


@command.command("compare")
@endpoint
@asked
@reference_of
@same_model
@click.option("--at-once", type=click.IntRange(1), default=1, show_default=True, help="Requests under way at once.")
@judged
def compare_(n, tokens, seed, reference, same_model, at_once, out, as_json, **where) -> None:
    """T3: the reference's tokens given to this server; distributions must be close, texts need not be equal.

    \b
    Examples:
      paretoken accuracy compare --url http://fast:8000 --reference reference.json
      paretoken accuracy compare --url http://fast:8000 --reference http://trusted:8000
    """
    from paretoken.ecosystem.accuracy.pair import compare
    from paretoken.ecosystem.accuracy.reference import check_model

    server = _server(where)
    with _progress() as told:
        trusted = _reference(reference, where, n, tokens, seed, told)
        check_model(trusted, server, same_model)
        found = compare(server, trusted, at_once=at_once, told=told("T3"))
    _conclude(server, where["url"], [found], out, as_json, trusted)


@command.command("task")
@endpoint
@task_options
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the items, without a reference.")
@click.option("--reference", help="Reference file with its answers, or URL of a trusted server.")
@click.option("--lm-eval", "harness", help="Tasks of lm-eval too, as gsm8k (pip install 'paretoken[lm-eval]').")
@click.option("--lm-eval-samples", type=Path, help="Folder with the reference's lm-eval samples.")
@click.option("--keep", type=Path, default=Path("lm-eval"), show_default=True, help="Folder for lm-eval's samples.")
@same_model
@judged
def task(tasks, items, seed, reference, harness, lm_eval_samples, keep, same_model, out, as_json, **where) -> None:
    """T4: tasks answered right, compared item by item with the reference (McNemar's exact test).

    \b
    Examples:
      paretoken accuracy task --url http://fast:8000 --reference reference.json
      paretoken accuracy task --url http://fast:8000 --tasks none --lm-eval gsm8k --lm-eval-samples trusted/
    """
    from paretoken.ecosystem.accuracy.lm_eval import read_samples, run_lm_eval
    from paretoken.ecosystem.accuracy.solving import against, solve

    server = _server(where)
    names = _names(tasks)
    with _progress() as told:
        right, trusted, seed = _answers(reference, where, server, names, items, seed, same_model, told)
        found, stopped = solve(server, names, n=items, seed=seed, told=told("T4"))
    for name in _names(harness or "none"):
        root = server.client.root
        found |= run_lm_eval(root, server.model, [name], keep, limit=items, key=_key(where["api_key_file"]))
        right |= {name: read_samples(lm_eval_samples, name)} if lm_eval_samples else {}
    _conclude(server, where["url"], [against(found, right, stopped)], out, as_json, trusted)


@command.command("calibrate")
@endpoint
@click.option("--against", help="URL of a second server known to be right, say in another dtype.")
@click.option("--dtype", default="", help="Of the weights; part of the reference's key.")
@click.option("--quantization", default="", help="Of the weights; part of the key.")
@click.option("--kv-dtype", default="", help="Of the KV cache; part of the key.")
@click.option("--speculation", default="", help="Speculative decoding; part of the key.")
@asked
@task_options
@click.option("--out", type=FILE, default=Path("reference.json"), show_default=True, help="Reference to write.")
@options.as_json
def calibrate_(against, n, tokens, seed, tasks, items, out, as_json, **rest) -> None:
    """Make a reference of a trusted server: its tokens, its answers, and how much two right servers may differ.

    \b
    Limits are three times what an A/A run shows: the server against itself in other company, or
    against a second right server. A server that fails T1 or T2 is refused.

    \b
    Examples:
      paretoken accuracy calibrate --url http://trusted:8000 --dtype bfloat16
      paretoken accuracy calibrate --url http://fp32:8000 --against http://bf16:8001 --dtype float32
    """
    from dataclasses import asdict

    from paretoken.cli.output import console, print_json
    from paretoken.ecosystem.accuracy.gate import calibrate
    from paretoken.ecosystem.accuracy.reference import Key, write_reference

    parts = ("dtype", "quantization", "kv_dtype", "speculation")
    where = {k: v for k, v in rest.items() if k not in parts}
    server = _server(where)
    other = _server({**where, "url": against, "model": None}) if against else None
    key = Key(server.model, **{p: rest[p] for p in parts})
    with _progress() as told:
        found = calibrate(server, other, key, n=n, tokens=tokens, items=items, seed=_seed(seed), tasks=_names(tasks),
                          note=told)  # fmt: skip
    write_reference(found, out)
    if as_json:
        print_json({"out": str(out), "key": asdict(found.key), "limits": asdict(found.limits)})
        return
    limits = found.limits
    console().print(
        f"Reference of {found.key} written to {out}\nLimits: noise {limits.noise_nats:.3g} nats, k3 {limits.k3:.3g}, "
        f"KL {limits.kl:.3g}, flips {limits.flips:.3g}; {limits.basis}",
        highlight=False,
    )


@command.command("gate")
@endpoint
@asked
@task_options
@click.option("--reference", help="Reference file, or URL of a trusted server; without one T3 and T4 do not apply.")
@same_model
@click.option("--run", type=Path, help="Run of `paretoken bench` to hang the verdict on.")
@judged
def gate(n, tokens, seed, tasks, items, reference, same_model, run, out, as_json, **where) -> None:
    """Every tier in one go, and the verdict of all.

    \b
    Example:
      paretoken accuracy gate --url http://fast:8000 --reference reference.json --run runs/2026-11-24-101500
    """
    from paretoken.ecosystem.accuracy.gate import attach, run_gate
    from paretoken.ecosystem.accuracy.reference import check_model

    server = _server(where)
    with _progress() as told:
        trusted = _reference(reference, where, n, tokens, seed, told, _names(tasks), items) if reference else None
        if trusted:
            check_model(trusted, server, same_model)
        found = run_gate(server, trusted, n=n, tokens=tokens, items=items, seed=_seed(seed), tasks=_names(tasks),
                         note=told)  # fmt: skip
    try:
        _conclude(server, where["url"], found, out, as_json, trusted)
    finally:
        if run:
            attach(out, run)


@command.command("attach")
@click.argument("gate_file", type=FILE)
@click.argument("run", type=Path)
def attach_(gate_file, run) -> None:
    """Hang a verdict on a run of `paretoken bench`; its report then shows it.

    \b
    Example:
      paretoken accuracy attach gate.json runs/2026-11-24-101500
    """
    from paretoken.ecosystem.accuracy.gate import attach

    found = attach(gate_file, run)
    click.echo(f"{run}: accuracy gate {found.verdict}")


def _key(file: Path | None) -> str | None:
    from paretoken.load.config import read_key

    return read_key(dict(os.environ), file)


def _server(where):
    from paretoken.ecosystem.accuracy.servers import connect

    key = _key(where["api_key_file"])
    return connect(where["url"], model=where["model"], key=key, timeout_s=where["timeout_s"])


def _seed(seed: int | None) -> int:
    return seed if seed is not None else int.from_bytes(os.urandom(4), "little")


def _rng(seed: int | None):
    import numpy as np

    return np.random.default_rng(_seed(seed))


def _limits(file: Path | None):
    from paretoken.ecosystem.accuracy.limits import DEFAULT
    from paretoken.ecosystem.accuracy.reference import read_reference

    return read_reference(file).limits if file else DEFAULT


def _names(text: str) -> list[str]:
    return [t.strip() for t in text.split(",") if t.strip() and t.strip() != "none"]


def _is_url(text: str) -> bool:
    return "://" in text


def _reference(given: str, where, n: int, tokens: int, seed: int | None, told, tasks=(), items: int = 100):
    """The reference of a file, or one made of a trusted server on the spot."""
    from paretoken.ecosystem.accuracy.gate import calibrate
    from paretoken.ecosystem.accuracy.reference import Key, read_reference

    if not _is_url(given):
        return read_reference(Path(given))
    trusted = _server({**where, "url": given, "model": None})
    return calibrate(trusted, None, Key(trusted.model), n=n, tokens=tokens, items=items, seed=_seed(seed),
                     tasks=tasks, note=told)  # fmt: skip


def _answers(given: str | None, where, server, names, items: int, seed: int, same: bool, told):
    """The reference's own answers, the reference itself where it is a file, and the seed of the items."""
    from paretoken.ecosystem.accuracy.reference import check_model, read_reference
    from paretoken.ecosystem.accuracy.solving import solve
    from paretoken.errors import EndpointFailed

    if given is None:
        return {}, None, seed
    if not _is_url(given):
        trusted = read_reference(Path(given))
        check_model(trusted, server, same)
        return dict(trusted.tasks or {}), trusted, trusted.task_seed
    right, stopped = solve(_server({**where, "url": given, "model": None}), names, n=items, seed=seed, told=told("T4"))
    if stopped:
        raise EndpointFailed(stopped)
    return right, None, seed


@contextmanager
def _progress():
    """A bar for each tier on a terminal; yields what makes one by its name."""
    from rich.progress import Progress

    from paretoken.cli.output import console

    with Progress(console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars:

        def of(name: str):
            bar = bars.add_task(name, total=None)
            return lambda done, total: bars.update(bar, completed=done, total=total)

        yield of


def _conclude(server, url: str, verdicts, out: Path, as_json: bool, reference=None) -> None:
    """Write and show verdicts; an endpoint that broke off is told after what was computed is kept."""
    from dataclasses import asdict

    from paretoken.cli.output import console, print_json, print_table
    from paretoken.ecosystem.accuracy.gate import gate_of, write_gate
    from paretoken.errors import EndpointFailed

    found = gate_of(server, url, verdicts, reference)
    write_gate(found, out)
    if as_json:
        print_json({"verdict": found.verdict, **asdict(found)})
    else:
        rows = [(v.title, v.verdict, v.why) for v in found.tiers]
        print_table(f"Accuracy of {found.model} at {found.endpoint}", ("tier", "verdict", "why"), rows)
        console().print(f"Gate: {found.verdict}. Written to {out}", highlight=False)
    if broke := next((v.stopped for v in found.tiers if v.stopped), None):
        raise EndpointFailed(f"{broke}; what was computed is in {out}")
