"""`paretoken emulate`: an OpenAI-compatible endpoint that answers when a simulated engine would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

EXPLICIT = {
    "decode_ms": ("--decode-ms", 20.0, "An engine step, ms."),
    "per_seq_ms": ("--per-seq-ms", 0.0, "What each decoding sequence adds to a step, ms."),
    "per_context_us": ("--per-context-us", 0.0, "What each token in the KV caches of the batch adds, µs."),
    "prefill_tok_s": ("--prefill-tok-s", 20_000.0, "Prompt tokens a second."),
}


def _explicit(function: Any) -> Any:
    for name, (flag, default, words) in reversed(EXPLICIT.items()):
        least = click.FloatRange(0, min_open=name == "prefill_tok_s")
        function = click.option(flag, name, type=least, default=default, show_default=True, help=words)(function)
    return function


@click.command()
@click.option("--name", default="emulated", show_default=True, help="The model's name in requests.")
@_explicit
@click.option("--max-num-seqs", type=click.IntRange(1), default=256, show_default=True, help="Sequences at once.")
@click.option("--max-batched-tokens", type=click.IntRange(1), default=8192, show_default=True, help="Tokens a step.")
@click.option("--kv-tokens", type=click.IntRange(16), default=500_000, show_default=True, help="Room in the KV cache.")
@click.option("--context", type=click.IntRange(2), default=131_072, show_default=True, help="Longest prompt + answer.")
@click.option("--prefix-hits", type=click.FloatRange(0, 1), default=0.0, help="Share of a prompt found in the cache.")
@click.option("--acceptance", type=click.FloatRange(1, 16), default=1.0, help="Tokens a step yields by speculation.")
@click.option("--natural-tokens", type=click.FloatRange(1), default=256.0, show_default=True, help="Mean own length.")
@click.option("--time-scale", type=float, default=1.0, show_default=True, help="2 is twice as fast.")
@click.option("--tokens-per-chunk", type=click.IntRange(1), default=1, show_default=True)
@click.option("--fault", "faults", multiple=True, metavar="KIND=N@SHARE", help="What goes wrong (repeatable).")
@click.option("--tokenizer", type=Path, help="tokenizer.json that counts the tokens of texts.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option("--seed", type=int, default=0, show_default=True)
def command(**asked: Any) -> None:
    """Serve /v1/completions and /v1/chat/completions at the pace of an engine that is only simulated.

    Batching, queueing, KV limits and preemptions are those of the simulation; each token leaves when it says.
    Faults: refuse, reset, truncate, stall, slow, malformed, error, 429, 500, 503, chunk; a request may bring its
    own in the header X-Paretoken-Fault.

    \b
    Examples:
      paretoken emulate --decode-ms 20 --prefill-tok-s 30000 --port 8000
      paretoken emulate --decode-ms 8 --per-seq-ms 0.05 --kv-tokens 100000 --time-scale 10
      paretoken emulate --fault reset=5@0.01 --fault 429@0.05
      paretoken bench http://127.0.0.1:8000 --isl 1024 --osl 128
    """
    from paretoken.emulate.running import serve

    serve(_settings(**asked), asked["host"], asked["port"], lambda text: click.echo(text, err=True))


def _settings(**asked: Any) -> Any:
    from paretoken.emulate import Settings, parse_fault
    from paretoken.emulate.running import counter
    from paretoken.predict.simulation import Limits, Serving
    from paretoken.predict.steptime import AffineStepTime

    return Settings(
        model=asked["name"],
        step_time=AffineStepTime(
            asked["decode_ms"] / 1e3,
            asked["per_seq_ms"] / 1e3,
            asked["per_context_us"] / 1e6,
            1 / asked["prefill_tok_s"],
        ),
        limits=Limits(asked["max_num_seqs"], asked["max_batched_tokens"], asked["kv_tokens"] // 16),
        serving=Serving(asked["prefix_hits"], asked["acceptance"]),
        context=asked["context"],
        time_scale=asked["time_scale"],
        natural_tokens=asked["natural_tokens"],
        tokens_per_chunk=asked["tokens_per_chunk"],
        faults=tuple(map(parse_fault, asked["faults"])),
        seed=asked["seed"],
        count=counter(asked["tokenizer"]),
    )
