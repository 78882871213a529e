"""`paretoken emulate`: an OpenAI-compatible endpoint that answers when a simulated engine would."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from paretoken.cli import options

PREDICTED = ("accelerator", "model", "precision", "engine", "gpus", "ep", "dp_attention", "pp", "date", "isl", "osl")
NEEDED = PREDICTED[:4]
BOUNDS = ("max_num_seqs", "max_batched_tokens", "kv_tokens", "context", "prefix_hits", "acceptance")


@click.command()
@click.option("--accelerator", help="Predict this accelerator instead of taking --decode-ms and the like.")
@click.option("--model", help="Model of the catalog.")
@click.option("--precision", help="fp4, fp8, bf16.")
@click.option("--engine", help="vllm, sglang, trtllm.")
@click.option("--tp", "gpus", type=click.IntRange(1), default=1, show_default=True, help="GPUs, of each stage.")
@click.option("--pp", type=click.IntRange(1), default=1, help="Pipeline stages.")
@click.option("--ep", type=click.IntRange(1), default=1, help="GPUs that share the experts.")
@click.option("--dp-attention", is_flag=True, help="Attention of its own on each GPU.")
@click.option("--date", help="How old the engine is, YYYY-MM-DD.")
@click.option(
    "--isl", type=click.IntRange(1), default=1024, show_default=True, help="Lengths at which it is predicted,"
)
@click.option("--osl", type=click.IntRange(1), default=1024, show_default=True, help="tokens.")
@click.option("--decode-ms", type=options.Finite(0), default=20.0, show_default=True, help="An engine step, ms.")
@click.option("--per-seq-ms", type=options.Finite(0), default=0.0, help="Added by each decoding sequence, ms.")
@click.option("--per-context-us", type=options.Finite(0), default=0.0, help="Added by each cached token, µs.")
@click.option(
    "--prefill-tok-s", type=options.Finite(0, min_open=True), default=2e4, show_default=True, help="Prompt tokens/s."
)
@click.option("--max-num-seqs", type=click.IntRange(1), help="Sequences at once.")
@click.option("--max-batched-tokens", type=click.IntRange(1), help="Tokens a step.")
@click.option("--kv-tokens", type=click.IntRange(16), help="Room in the KV cache.")
@click.option("--context", type=click.IntRange(2), help="Longest prompt with its answer, tokens.")
@click.option("--prefix-hits", type=options.Finite(0, 1), default=0.0, help="Share of a prompt found in the cache.")
@click.option("--acceptance", type=options.Finite(1, 16), help="Tokens a step yields by speculation.")
@click.option("--name", help="The model's name in requests.")
@click.option("--natural-tokens", type=options.Finite(1), default=256.0, show_default=True, help="Mean own length.")
@click.option("--time-scale", type=options.Finite(), default=1.0, show_default=True, help="2 is twice as fast.")
@click.option("--tokens-per-chunk", type=click.IntRange(1), default=1, show_default=True)
@click.option("--fault", "faults", multiple=True, metavar="KIND=N@SHARE", help="What goes wrong (repeatable).")
@click.option("--tokenizer", type=Path, help="tokenizer.json that counts the tokens of texts.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option("--seed", type=int, default=0, show_default=True)
@options.catalog_folders
@click.option("--realtime", is_flag=True, help="No other program on its core while a token is due (root, Linux).")
def command(**asked: Any) -> None:
    """Serve /v1/completions and /v1/chat/completions at the pace of an engine that is only simulated.

    Batching, queueing, KV limits and preemptions are those of the simulation; each token leaves when it says.
    Faults: refuse, reset, truncate, stall, slow, malformed, error, 429, 500, 503, chunk; a request may bring its
    own in the header X-Paretoken-Fault.

    \b
    Examples:
      paretoken emulate --accelerator MI355X --model llama-3-70b --precision fp8 --engine vllm --tp 8
      paretoken emulate --decode-ms 8 --per-seq-ms 0.05 --kv-tokens 100000 --time-scale 10
      paretoken emulate --fault reset=5@0.01 --fault 429@0.05
      paretoken bench http://127.0.0.1:8000 --isl 1024 --osl 128
    """
    from paretoken.emulate.faults import parse_fault
    from paretoken.emulate.running import counter, serve
    from paretoken.emulate.settings import EmulatorSettings

    engine = _engine(asked)
    same = ("time_scale", "natural_tokens", "tokens_per_chunk", "seed")
    settings = EmulatorSettings(
        model=asked["name"] or engine.model,
        step_time=engine.step_time,
        limits=engine.limits,
        serving=engine.serving,
        context=engine.context,
        faults=tuple(map(parse_fault, asked["faults"])),
        count=counter(asked["tokenizer"]),
        **{name: asked[name] for name in same},
    )
    say = partial(click.echo, err=True)
    serve(settings, asked["host"], asked["port"], say, realtime=asked["realtime"])


def _engine(asked: dict[str, Any]) -> Any:
    from paretoken.catalog.loader import load_catalog
    from paretoken.emulate.engine import EngineOverrides, described, predicted
    from paretoken.predict.steptime import AffineStepTime

    bounds = EngineOverrides(**{name: asked[name] for name in BOUNDS})
    given = [name for name in NEEDED if asked[name]]
    if given:
        missing = ", ".join(f"--{name}" for name in NEEDED if not asked[name])
        if missing:
            raise click.UsageError(f"--{given[0]} also needs {missing}")
        catalog = load_catalog(*asked["catalog_folders"])
        return predicted(**{name: asked[name] for name in PREDICTED}, bounds=bounds, catalog=catalog)
    step_ms, per_seq_ms, per_context_us = (asked[k] for k in ("decode_ms", "per_seq_ms", "per_context_us"))
    step_time = AffineStepTime(step_ms / 1e3, per_seq_ms / 1e3, per_context_us / 1e6, 1 / asked["prefill_tok_s"])
    return described(step_time, bounds)
