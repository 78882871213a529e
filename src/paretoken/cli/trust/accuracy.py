"""`paretoken accuracy`: whether a fast server still gives the right tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import rich_click as click

from paretoken.cli import options
from paretoken.cli.output import echo
from paretoken.cli.trust.endpoint import (
    FILE,
    EndpointOptions,
    conclude,
    endpoint_options,
    progress,
    prompt_options,
    reference_at,
    same_model_option,
    seed_or_new,
    server_at,
    split_names,
    task_options,
    trusted_server,
    verdict_options,
)
from paretoken.cli.trust.tiers import compare_, consistency_, probe, repeat, task


@click.group("accuracy")
def command() -> None:
    """Check whether a server still gives the right tokens, tier by tier.

    \b
    T0 probe        what the server returns     T3 compare  distributions against a reference
    T1 repeat       same prompts, same tokens   T4 task     correct answers, item by item
    T2 consistency  decode against prefill

    \b
    Examples:
      paretoken accuracy calibrate --url http://trusted:8000 --dtype bfloat16 \\
                         --out reference.json
      paretoken accuracy gate --url http://fast:8000 --reference reference.json \\
                         --out gate.json
      paretoken accuracy attach gate.json runs/2026-11-24-101500
    """


for tier in (probe, repeat, consistency_, compare_, task):
    command.add_command(tier)


@command.command("calibrate")
@endpoint_options
@click.option("--against", help="URL of a second correct server, such as another dtype.")
@click.option("--dtype", default="", help="Data type of the weights; part of the reference's key.")
@click.option("--quantization", default="", help="Quantization of the weights; part of the key.")
@click.option("--kv-cache-dtype", "kv_dtype", default="", help="Data type of the KV cache; part of the key.")
@click.option("--speculative", "speculation", default="", help="Speculative decoding method; part of the key.")
@prompt_options
@task_options
@click.option("--out", type=FILE, default=Path("reference.json"), show_default=True, help="Reference file to write.")
@options.json_only
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
    """Record a reference from a trusted server.

    It holds the server's tokens, its task answers, and the limits for other servers.

    Limits are three times what an A/A run shows: the server against itself under other load, or
    against a second correct server. A server that fails T1 or T2 is refused.

    \b
    Examples:
      paretoken accuracy calibrate --url http://trusted:8000 --dtype bfloat16
      paretoken accuracy calibrate --url http://fp32:8000 \\
                         --against http://bf16:8001 --dtype float32
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
    )


@command.command("gate")
@endpoint_options
@prompt_options
@task_options
@click.option("--reference", help="Reference file or trusted server's URL; needed for T3 and T4.")
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
      paretoken accuracy gate --url http://fast:8000 --reference reference.json \\
                         --run runs/2026-11-24-101500
    """
    from dataclasses import replace

    from paretoken.accuracy.gate import GatePlan, run_gate
    from paretoken.accuracy.gate_file import attach
    from paretoken.accuracy.reference import check_model
    from paretoken.bench.receipt import GATE, add_to_run_receipt

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
            add_to_run_receipt(run, (GATE,))


@command.command("attach")
@click.argument("gate_file", type=FILE)
@click.argument("run", type=Path)
def attach_(gate_file: Path, run: Path) -> None:
    """Attach a verdict to a run.

    The report of the run, made by `paretoken bench`, then shows it.

    \b
    Example:
      paretoken accuracy attach gate.json runs/2026-11-24-101500
    """
    from paretoken.accuracy.gate_file import attach
    from paretoken.bench.receipt import GATE, add_to_run_receipt

    attached = attach(gate_file, run)
    add_to_run_receipt(run, (GATE,))
    echo(f"{run}: accuracy gate {attached.verdict}")
