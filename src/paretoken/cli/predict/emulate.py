"""`paretoken emulate`: an OpenAI-compatible endpoint that answers when a simulated engine would."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import rich_click as click

from paretoken.cli.names import ACCELERATOR, ENGINE, MODEL, PRECISION
from paretoken.cli.options import Finite, catalog_folders, stack
from paretoken.cli.output import echo

if TYPE_CHECKING:
    from paretoken.emulate.engine import EmulatedEngine, EngineOverrides

COUNT = click.IntRange(1)
described = stack(
    click.option("--decode-ms", type=Finite(0), default=20.0, show_default=True, help="Time of an engine step, ms."),
    click.option("--per-seq-ms", type=Finite(0), default=0.0, help="Step time added by each decoding sequence, ms."),
    click.option("--per-context-us", type=Finite(0), default=0.0, help="Step time added by each cached token, µs."),
    click.option(
        "--prefill-tok-s",
        type=Finite(0, min_open=True),
        default=2e4,
        show_default=True,
        help="Prefill speed, tokens/s.",
    ),
)
predicted = stack(
    click.option("--accelerator", type=ACCELERATOR, help="Emulate a predicted engine on this accelerator."),
    click.option("--model", type=MODEL, help="Model, by any name in the catalog."),
    click.option("--precision", type=PRECISION, metavar="TEXT", help="Precision of the weights: fp4, fp8, bf16."),
    click.option("--engine", type=ENGINE, help="Engine: vllm, sglang, trtllm."),
    click.option("--tp", type=COUNT, default=1, show_default=True, help="Tensor-parallel size: GPUs of each stage."),
    click.option("--pp", type=COUNT, default=1, help="Pipeline stages."),
    click.option("--ep", type=COUNT, default=1, help="Expert-parallel size."),
    click.option("--dp-attention", is_flag=True, help="Use attention data parallelism."),
    click.option("--date", help="Date of the engine, YYYY-MM-DD."),
    click.option("--isl", type=COUNT, default=1024, show_default=True, help="Predict at this input length, tokens."),
    click.option("--osl", type=COUNT, default=1024, show_default=True, help="Predict at this output length, tokens."),
)
overrides = stack(
    click.option("--max-num-seqs", type=COUNT, help="Maximum number of running sequences."),
    click.option("--max-batched-tokens", type=COUNT, help="Maximum number of tokens in a step."),
    click.option("--kv-tokens", type=click.IntRange(16), help="Capacity of the KV cache, tokens."),
    click.option("--context", type=click.IntRange(2), help="Maximum context length, tokens."),
    click.option("--prefix-hits", type=Finite(0, 1), default=0.0, help="Share of each prompt in the prefix cache."),
    click.option("--acceptance", type=Finite(1, 16), help="Acceptance length of speculative decoding."),
)
server = stack(
    click.option("--name", help="Model name in requests."),
    click.option(
        "--natural-tokens",
        type=Finite(1),
        default=256.0,
        show_default=True,
        help="Mean length of answers without ignore_eos, tokens.",
    ),
    click.option(
        "--time-scale", type=Finite(), default=1.0, show_default=True, help="Speed up time; 2 is twice as fast."
    ),
    click.option("--tokens-per-chunk", type=COUNT, default=1, show_default=True, help="Tokens in each stream event."),
    click.option("--fault", "faults", multiple=True, metavar="KIND=N@SHARE", help="Inject a fault (repeatable)."),
    click.option("--tokenizer", type=Path, help="Count the tokens of texts with this tokenizer.json."),
    click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on."),
    click.option(
        "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port; 0 picks a free one."
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Seed of lengths and faults."),
    click.option("--realtime", is_flag=True, help="Use real-time scheduling (Linux, needs root)."),
    catalog_folders,
)


class EngineOptions(TypedDict):
    """The values of the options that make up the engine."""

    decode_ms: float
    per_seq_ms: float
    per_context_us: float
    prefill_tok_s: float
    accelerator: str | None
    model: str | None
    precision: str | None
    engine: str | None
    tp: int
    pp: int
    ep: int
    dp_attention: bool
    date: str | None
    isl: int
    osl: int
    max_num_seqs: int | None
    max_batched_tokens: int | None
    kv_tokens: int | None
    context: int | None
    prefix_hits: float
    acceptance: float | None
    catalog_folders: tuple[Path, ...]


@click.command()
@predicted
@described
@overrides
@server
def command(
    name: str | None,
    natural_tokens: float,
    time_scale: float,
    tokens_per_chunk: int,
    faults: tuple[str, ...],
    tokenizer: Path | None,
    host: str,
    port: int,
    seed: int,
    realtime: bool,
    **engine: Unpack[EngineOptions],
) -> None:
    """Serve /v1/completions and /v1/chat/completions at the pace of a simulated engine.

    Batching, queueing, KV limits and preemptions follow the simulation; each token is sent when its step ends.
    Faults: refuse, reset, truncate, stall, slow, malformed, error, 429, 500, 503, chunk; a request may set its
    own in the header X-Paretoken-Fault.

    \b
    Examples:
      paretoken emulate --accelerator MI355X --model llama-3-70b --precision fp8 \\
                        --engine vllm --tp 8
      paretoken emulate --decode-ms 8 --per-seq-ms 0.05 --kv-tokens 100000 \\
                        --time-scale 10
      paretoken emulate --fault reset=5@0.01 --fault 429@0.05
      paretoken bench http://127.0.0.1:8000 --isl 1024 --osl 128
    """
    from paretoken.emulate.faults import parse_fault
    from paretoken.emulate.running import counter, serve
    from paretoken.emulate.settings import EmulatorSettings

    emulated = _engine(engine)
    settings = EmulatorSettings(
        model=name or emulated.model,
        step_time=emulated.step_time,
        limits=emulated.limits,
        serving=emulated.serving,
        context=emulated.context,
        time_scale=time_scale,
        natural_tokens=natural_tokens,
        tokens_per_chunk=tokens_per_chunk,
        faults=tuple(map(parse_fault, faults)),
        seed=seed,
        count=counter(tokenizer),
    )
    serve(settings, host, port, partial(echo, err=True), realtime=realtime)


def _engine(options: EngineOptions) -> EmulatedEngine:
    """The predicted engine if any of its options is stated, else the described one."""
    from paretoken.emulate.engine import EngineOverrides, described
    from paretoken.predict.steptime import AffineStepTime

    limits = EngineOverrides(
        max_num_seqs=options["max_num_seqs"],
        max_batched_tokens=options["max_batched_tokens"],
        kv_tokens=options["kv_tokens"],
        context=options["context"],
        prefix_hits=options["prefix_hits"],
        acceptance=options["acceptance"],
    )
    if any((options["accelerator"], options["model"], options["precision"], options["engine"])):
        return _predicted(options, limits)
    step_ms, per_seq_ms, per_context_us = options["decode_ms"], options["per_seq_ms"], options["per_context_us"]
    step_time = AffineStepTime(step_ms / 1e3, per_seq_ms / 1e3, per_context_us / 1e6, 1 / options["prefill_tok_s"])
    return described(step_time, limits)


def _predicted(options: EngineOptions, limits: EngineOverrides) -> EmulatedEngine:
    from paretoken.catalog.loader import load_catalog
    from paretoken.emulate.engine import predicted
    from paretoken.predict.deployment import Deployment, Lengths

    names = {
        "accelerator": options["accelerator"] or "",
        "model": options["model"] or "",
        "precision": options["precision"] or "",
        "engine": options["engine"] or "",
    }
    if missing := [f"--{name}" for name, value in names.items() if not value]:
        stated = next(name for name, value in names.items() if value)
        raise click.UsageError(f"--{stated} also needs {', '.join(missing)}")
    deployment = Deployment(
        accelerator=names["accelerator"],
        model=names["model"],
        precision=names["precision"],
        engine=names["engine"],
        gpus=options["tp"] * options["pp"],
        tp=options["tp"],
        ep=options["ep"],
        dp_attention=options["dp_attention"],
        date=options["date"],
        pp=options["pp"],
    )
    lengths = Lengths(options["isl"], options["osl"])
    return predicted(deployment, lengths, limits, load_catalog(*options["catalog_folders"]))
