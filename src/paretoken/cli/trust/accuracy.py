"""`paretoken accuracy`: whether a fast server still gives the right tokens."""

from __future__ import annotations

from pathlib import Path

import click

from paretoken.cli import options
from paretoken.cli.measure.endpoint import (
    FILE,
    answers_of,
    asked,
    conclude,
    endpoint,
    judged,
    key_of,
    limits_in,
    limits_of,
    names_in,
    progress,
    reference_at,
    reference_of,
    rng_of,
    same_model,
    seed_of,
    server_at,
    task_options,
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

    from paretoken.accuracy.gate import guarded
    from paretoken.accuracy.prompts import prompts
    from paretoken.accuracy.single import capability

    server = server_at(where)
    (prompt,) = prompts(1, np.random.default_rng(0))
    conclude(server, where["url"], [guarded("T0", lambda: capability(server, prompt))], out, as_json)


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
    from paretoken.accuracy.prompts import prompts
    from paretoken.accuracy.single import repeatability

    server = server_at(where)
    with progress() as told:
        found = repeatability(
            server, prompts(n, rng_of(seed)), tokens=tokens, limits=limits_in(limits), told=told("T1")
        )
    conclude(server, where["url"], [found], out, as_json)


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
    from paretoken.accuracy.prompts import prompts
    from paretoken.accuracy.single import consistency

    server = server_at(where)
    with progress() as told:
        found = consistency(server, prompts(n, rng_of(seed)), tokens=tokens, limits=limits_in(limits), told=told("T2"))
    conclude(server, where["url"], [found], out, as_json)


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
    from paretoken.accuracy.pair import compare
    from paretoken.accuracy.reference import check_model

    server = server_at(where)
    with progress() as told:
        trusted = reference_at(reference, where, n, tokens, seed, told)
        check_model(trusted, server, same_model)
        found = compare(server, trusted, at_once=at_once, told=told("T3"))
    conclude(server, where["url"], [found], out, as_json, trusted)


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
    from paretoken.accuracy.lm_eval import read_samples, run_lm_eval
    from paretoken.accuracy.solving import against, solve
    from paretoken.errors import ParetokenError

    server = server_at(where)
    names = names_in(tasks)
    with progress() as told:
        right, trusted, seed = answers_of(reference, where, server, names, items, seed, same_model, told)
        found, stopped = solve(server, names, n=items, seed=seed, told=told("T4"))
    try:
        for name in names_in(harness or "none"):
            root, key = server.client.root, key_of(where["api_key_file"])
            found |= run_lm_eval(root, server.model, [name], keep, limit=items, key=key)
            right |= {name: read_samples(lm_eval_samples, name)} if lm_eval_samples else {}
    except ParetokenError as e:
        stopped = stopped or str(e)
    conclude(server, where["url"], [against(found, right, stopped)], out, as_json, trusted)


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

    from paretoken.accuracy.gate import calibrate
    from paretoken.accuracy.reference import Key, write_reference
    from paretoken.cli.output import console, print_json

    parts = ("dtype", "quantization", "kv_dtype", "speculation")
    where = {k: v for k, v in rest.items() if k not in parts}
    server = server_at(where)
    other = server_at({**where, "url": against, "model": None}) if against else None
    key = Key(server.model, **{p: rest[p] for p in parts})
    with progress() as told:
        names = names_in(tasks)
        found = calibrate(
            server, other, key, n=n, tokens=tokens, items=items, seed=seed_of(seed), tasks=names, note=told
        )
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
    from paretoken.accuracy.gate import attach, run_gate
    from paretoken.accuracy.reference import check_model

    server = server_at(where)
    with progress() as told:
        trusted = reference_at(reference, where, n, tokens, seed, told, names_in(tasks), items) if reference else None
        if trusted:
            check_model(trusted, server, same_model)
        found = run_gate(
            server, trusted, n=n, tokens=tokens, items=items, seed=seed_of(seed), tasks=names_in(tasks), note=told
        )
    try:
        conclude(server, where["url"], found, out, as_json, trusted)
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
    from paretoken.accuracy.gate import attach

    found = attach(gate_file, run)
    click.echo(f"{run}: accuracy gate {found.verdict}")
