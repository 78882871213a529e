"""`paretoken accuracy`: whether a fast server still gives the right tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from paretoken.cli import options
from paretoken.cli.trust.endpoint import (
    FILE,
    Answers,
    EndpointOptions,
    ProgressOf,
    api_key,
    conclude,
    endpoint_options,
    generator,
    is_url,
    limits_of,
    limits_option,
    progress,
    prompt_options,
    reference_at,
    reference_option,
    same_model_option,
    seed_or_new,
    server_at,
    split_names,
    task_options,
    trusted_server,
    verdict_options,
)

if TYPE_CHECKING:
    from paretoken.accuracy.reference import Reference


@click.group("accuracy")
def command() -> None:
    """Check whether a server still gives the right tokens, tier by tier.

    \b
    T0 probe        what the server returns     T3 compare  distributions against a reference
    T1 repeat       same prompts, same tokens   T4 task     correct answers, item by item
    T2 consistency  decode against prefill

    \b
    Examples:
      paretoken accuracy calibrate --url http://trusted:8000 --dtype bfloat16 --out reference.json
      paretoken accuracy gate --url http://fast:8000 --reference reference.json --out gate.json
      paretoken accuracy attach gate.json runs/2026-11-24-101500
    """


@command.command("probe")
@endpoint_options
@verdict_options
def probe(out: Path, as_json: bool, **endpoint: Unpack[EndpointOptions]) -> None:
    """T0: Check that the server returns token ids and a log-probability for every token sent.

    \b
    Example:
      paretoken accuracy probe --url http://127.0.0.1:8000
    """
    import numpy as np

    from paretoken.accuracy.gate import guarded
    from paretoken.accuracy.prompts import prompts
    from paretoken.accuracy.single import capability

    server = server_at(endpoint)
    (prompt,) = prompts(1, np.random.default_rng(0))
    verdict = guarded("T0", lambda: capability(server, prompt))
    conclude(server, endpoint["url"], [verdict], out=out, as_json=as_json)


@command.command("repeat")
@endpoint_options
@prompt_options
@limits_option
@verdict_options
def repeat(
    n: int,
    tokens: int,
    seed: int | None,
    limits: Path | None,
    out: Path,
    as_json: bool,
    **endpoint: Unpack[EndpointOptions],
) -> None:
    """T1: Send the same prompts cold, warm and all at once. The differences are the noise floor.

    \b
    Example:
      paretoken accuracy repeat --url http://127.0.0.1:8000 --prompts 64
    """
    from paretoken.accuracy.prompts import prompts
    from paretoken.accuracy.single import repeatability

    server, texts = server_at(endpoint), prompts(n, generator(seed))
    with progress() as progress_of:
        verdict = repeatability(server, texts, tokens=tokens, limits=limits_of(limits), on_progress=progress_of("T1"))
    conclude(server, endpoint["url"], [verdict], out=out, as_json=as_json)


@command.command("consistency")
@endpoint_options
@prompt_options
@limits_option
@verdict_options
def consistency_(
    n: int,
    tokens: int,
    seed: int | None,
    limits: Path | None,
    out: Path,
    as_json: bool,
    **endpoint: Unpack[EndpointOptions],
) -> None:
    """T2: Compare log-probabilities of decoding with those of prefilling the same tokens.

    Needs no reference.

    \b
    Example:
      paretoken accuracy consistency --url http://127.0.0.1:8000
    """
    from paretoken.accuracy.prompts import prompts
    from paretoken.accuracy.single import consistency

    server, texts = server_at(endpoint), prompts(n, generator(seed))
    with progress() as progress_of:
        verdict = consistency(server, texts, tokens=tokens, limits=limits_of(limits), on_progress=progress_of("T2"))
    conclude(server, endpoint["url"], [verdict], out=out, as_json=as_json)


@command.command("compare")
@endpoint_options
@prompt_options
@reference_option
@same_model_option
@click.option(
    "--at-once", type=click.IntRange(1), default=1, show_default=True, help="Number of requests sent at a time."
)
@verdict_options
def compare_(
    n: int,
    tokens: int,
    seed: int | None,
    reference: str,
    same_model: bool,
    at_once: int,
    out: Path,
    as_json: bool,
    **endpoint: Unpack[EndpointOptions],
) -> None:
    """T3: Send the reference's tokens to this server and compare the distributions.

    Texts may differ; distributions must be close.

    \b
    Examples:
      paretoken accuracy compare --url http://fast:8000 --reference reference.json
      paretoken accuracy compare --url http://fast:8000 --reference http://trusted:8000
    """
    from paretoken.accuracy.gate import GatePlan
    from paretoken.accuracy.pair import compare
    from paretoken.accuracy.reference import check_model

    server = server_at(endpoint)
    plan = GatePlan(seed=seed_or_new(seed), n=n, tokens=tokens, tasks=())
    with progress() as progress_of:
        trusted = reference_at(reference, endpoint, plan, progress_of)
        check_model(trusted, server, same_model)
        verdict = compare(server, trusted, at_once=at_once, on_progress=progress_of("T3"))
    conclude(server, endpoint["url"], [verdict], out=out, as_json=as_json, reference=trusted)


@command.command("task")
@endpoint_options
@task_options
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed of the items; ignored if the reference file has one.",
)
@click.option("--reference", help="Reference file with answers, or URL of a trusted server.")
@click.option(
    "--lm-eval", "harness", help="Also run these lm-eval tasks, such as gsm8k (pip install 'paretoken[lm-eval]')."
)
@click.option("--lm-eval-samples", type=Path, help="Folder with the lm-eval samples of the reference.")
@click.option(
    "--keep", type=Path, default=Path("lm-eval"), show_default=True, help="Folder to keep the lm-eval samples in."
)
@same_model_option
@verdict_options
def task(
    tasks: str,
    items: int,
    seed: int,
    reference: str | None,
    harness: str | None,
    lm_eval_samples: Path | None,
    keep: Path,
    same_model: bool,
    out: Path,
    as_json: bool,
    **endpoint: Unpack[EndpointOptions],
) -> None:
    """T4: Compare correct answers with the reference's, item by item (McNemar's exact test).

    \b
    Examples:
      paretoken accuracy task --url http://fast:8000 --reference reference.json
      paretoken accuracy task --url http://fast:8000 --tasks none --lm-eval gsm8k --lm-eval-samples trusted/
    """
    from paretoken.accuracy.lm_eval import read_samples, run_lm_eval
    from paretoken.accuracy.reference import check_model
    from paretoken.accuracy.solving import against, solve
    from paretoken.errors import ParetokenError

    server = server_at(endpoint)
    names = split_names(tasks)
    trusted = _reference_file(reference)
    if trusted:
        check_model(trusted, server, same_model)
        seed = trusted.task_seed
    with progress() as progress_of:
        right = dict(trusted.tasks or {}) if trusted else {}
        if reference and not trusted:
            right = _answers_at(reference, endpoint, (names, items, seed), progress_of)
        answers, stopped = solve(server, names, n=items, seed=seed, on_progress=progress_of("T4"))
    try:
        for name in split_names(harness or "none"):
            root, key = server.client.root, api_key(endpoint["api_key_file"])
            answers |= run_lm_eval(root, server.model, [name], keep, limit=items, key=key)
            right |= {name: read_samples(lm_eval_samples, name)} if lm_eval_samples else {}
    except ParetokenError as e:
        stopped = stopped or str(e)
    verdict = against(answers, right, stopped)
    conclude(server, endpoint["url"], [verdict], out=out, as_json=as_json, reference=trusted)


def _reference_file(file_or_url: str | None) -> Reference | None:
    from paretoken.accuracy.reference import read_reference

    return None if file_or_url is None or is_url(file_or_url) else read_reference(Path(file_or_url))


def _answers_at(
    url: str, endpoint: EndpointOptions, what: tuple[tuple[str, ...], int, int], progress_of: ProgressOf
) -> Answers:
    """The answers of a trusted server to (tasks, items of each, seed)."""
    from paretoken.accuracy.solving import solve
    from paretoken.errors import EndpointFailed

    tasks, items, seed = what
    right, stopped = solve(trusted_server(endpoint, url), tasks, n=items, seed=seed, on_progress=progress_of("T4"))
    if stopped:
        raise EndpointFailed(stopped)
    return right


@command.command("calibrate")
@endpoint_options
@click.option("--against", help="URL of a second server known to be correct, for example in another dtype.")
@click.option("--dtype", default="", help="Data type of the weights; part of the reference's key.")
@click.option("--quantization", default="", help="Quantization of the weights; part of the key.")
@click.option("--kv-dtype", default="", help="Data type of the KV cache; part of the key.")
@click.option("--speculation", default="", help="Speculative decoding method; part of the key.")
@prompt_options
@task_options
@click.option("--out", type=FILE, default=Path("reference.json"), show_default=True, help="Reference file to write.")
@options.as_json
def calibrate_(
    against: str | None,
    dtype: str,
    quantization: str,
    kv_dtype: str,
    speculation: str,
    n: int,
    tokens: int,
    seed: int | None,
    tasks: str,
    items: int,
    out: Path,
    as_json: bool,
    **endpoint: Unpack[EndpointOptions],
) -> None:
    """Make a reference of a trusted server: its tokens, its answers, and the limits.

    \b
    Limits are three times what an A/A run shows: the server against itself under other load, or
    against a second correct server. A server that fails T1 or T2 is refused.

    \b
    Examples:
      paretoken accuracy calibrate --url http://trusted:8000 --dtype bfloat16
      paretoken accuracy calibrate --url http://fp32:8000 --against http://bf16:8001 --dtype float32
    """
    from dataclasses import asdict

    from paretoken.accuracy.gate import GatePlan, calibrate
    from paretoken.accuracy.reference import ReferenceKey, write_reference
    from paretoken.cli.output import console, print_json

    server = server_at(endpoint)
    other = trusted_server(endpoint, against) if against else None
    key = ReferenceKey(server.model, dtype, quantization, kv_dtype, speculation)
    plan = GatePlan(seed=seed_or_new(seed), n=n, tokens=tokens, items=items, tasks=split_names(tasks))
    with progress() as progress_of:
        reference = calibrate(server, other, key, plan, progress_of)
    write_reference(reference, out)
    limits = reference.limits
    if as_json:
        print_json({"out": str(out), "key": asdict(reference.key), "limits": asdict(limits)})
        return
    console().print(
        f"Reference of {reference.key} written to {out}\nLimits: noise {limits.noise_nats:.3g} nats, "
        f"k3 {limits.k3:.3g}, KL {limits.kl:.3g}, flips {limits.flips:.3g}; {limits.basis}",
        highlight=False,
    )


@command.command("gate")
@endpoint_options
@prompt_options
@task_options
@click.option("--reference", help="Reference file, or URL of a trusted server; needed for T3 and T4.")
@same_model_option
@click.option("--run", type=Path, help="Run of `paretoken bench` to attach the verdict to.")
@verdict_options
def gate(
    n: int,
    tokens: int,
    seed: int | None,
    tasks: str,
    items: int,
    reference: str | None,
    same_model: bool,
    run: Path | None,
    out: Path,
    as_json: bool,
    **endpoint: Unpack[EndpointOptions],
) -> None:
    """Run every tier and give one verdict.

    \b
    Example:
      paretoken accuracy gate --url http://fast:8000 --reference reference.json --run runs/2026-11-24-101500
    """
    from dataclasses import replace

    from paretoken.accuracy.gate import GatePlan, attach, run_gate
    from paretoken.accuracy.reference import check_model

    server = server_at(endpoint)
    plan = GatePlan(seed=seed_or_new(seed), n=n, tokens=tokens, items=items, tasks=split_names(tasks))
    with progress() as progress_of:
        trusted = None
        if reference:
            trusted = reference_at(reference, endpoint, plan, progress_of)
            check_model(trusted, server, same_model)
        fresh = replace(plan, seed=seed_or_new(seed))
        verdicts = run_gate(server, trusted, fresh, progress_of)
    try:
        conclude(server, endpoint["url"], verdicts, out=out, as_json=as_json, reference=trusted)
    finally:
        if run:
            attach(out, run)


@command.command("attach")
@click.argument("gate_file", type=FILE)
@click.argument("run", type=Path)
def attach_(gate_file: Path, run: Path) -> None:
    """Attach a verdict to a run of `paretoken bench`, whose report then shows it.

    \b
    Example:
      paretoken accuracy attach gate.json runs/2026-11-24-101500
    """
    from paretoken.accuracy.gate import attach

    attached = attach(gate_file, run)
    click.echo(f"{run}: accuracy gate {attached.verdict}")
