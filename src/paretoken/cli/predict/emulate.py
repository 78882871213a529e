"""`paretoken emulate`: an OpenAI-compatible endpoint that answers when a simulated engine would."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from paretoken.cli.options import Finite, stack
from paretoken.cli.output import echo
from paretoken.cli.predict import options
from paretoken.cli.predict.disaggregated import LAYOUT_HELP, pooled_fields, refuse_options_of_workers
from paretoken.errors import BadConfig

if TYPE_CHECKING:
    from paretoken.emulate.engine import EmulatedEngine

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
lengths = stack(options.nominal_lengths(1024), options.length_range_ratio)
disaggregated = click.option("--disaggregated", metavar="LAYOUT", help=LAYOUT_HELP)
TIERS = ("--host-cache", "--ssd-cache")
DESCRIBED = ("--decode-ms", "--per-seq-ms", "--per-context-us", "--prefill-tok-s")
cache = stack(
    click.option("--prefix-cache", is_flag=True, help="Emulate the prefix cache of the engine."),
    options.cache_tiers("With --prefix-cache"),
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
)


@click.command()
@options.deployment
@disaggregated
@lengths
@options.calibration
@described
@cache
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
    **engine: Any,
) -> None:
    """Serve OpenAI's completions, chat and responses and Anthropic's messages at the pace of a simulated engine.

    Batching, queueing, KV limits and preemptions follow the simulation; each token is sent when its step ends.
    With --disaggregated, prompts queue at prefill workers, and tokens come at the pace of their decode worker.
    With --prefix-cache, a later turn of a session hits the prompt and the answer before it.
    Faults: refuse, reset, truncate, stall, slow, malformed, error, 429, 500, 503, chunk; a request may set its
    own in the header X-Paretoken-Fault.

    \b
    Examples:
      paretoken emulate --accelerator MI355X --model llama-3-70b --precision fp8 \\
                        --engine vllm --tp 8
      paretoken emulate --accelerator GB200 --model deepseek-r1 --precision fp4 \\
                        --engine dynamo-trtllm --disaggregated 2xDEP4+1xDEP16
      paretoken emulate --decode-ms 8 --per-seq-ms 0.05 --kv-tokens 100000 \\
                        --time-scale 10
      paretoken emulate --accelerator H200 --model llama-3-70b --precision fp8 \\
                        --engine vllm --tp 8 --prefix-cache --host-cache 800
      paretoken emulate --fault reset=5@0.01 --fault 429@0.05
      paretoken bench http://127.0.0.1:8000 --isl 1024 --osl 128
    """
    from paretoken.emulate.faults import parse_fault
    from paretoken.emulate.running import serve, text_tokens
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
        texts=text_tokens(tokenizer),
        pools=emulated.pools,
        cache=emulated.cache,
    )
    serve(settings, host, port, partial(echo, err=True), realtime=realtime)


def _engine(values: dict[str, Any]) -> EmulatedEngine:
    """The predicted engine if an accelerator, a model, a precision or an engine is stated, else the described one."""
    from paretoken.emulate.engine import described
    from paretoken.predict.simulation.cache.options import CacheOptions
    from paretoken.predict.steptime import AffineStepTime

    stated = options.stated_options()
    if not values["prefix_cache"] and (tiers := sorted(stated & set(TIERS))):
        raise BadConfig(f"{tiers[0]} is a tier of the prefix cache; add --prefix-cache")
    cache = CacheOptions() if values["prefix_cache"] else None
    if stated & {"--accelerator", "--model", "--precision", "--engine", "--serve-command"}:
        if both := sorted(stated & set(DESCRIBED)):
            raise BadConfig(
                f"{both[0]} describes an engine, --accelerator and --model predict one; leave one of them out"
            )
        if values["disaggregated"] is None:
            return _predicted(values)
        if cache:
            raise BadConfig("the prefix cache of separate pools is not emulated; leave out --prefix-cache")
        return _predicted_pools(values, stated)
    if stray := sorted(stated & {*options.DEPLOYMENT_ONLY, *TIERS, "--disaggregated"}):
        raise BadConfig(f"{stray[0]} needs a predicted engine; add --accelerator, --model and --engine")
    step_ms, per_seq_ms, per_context_us = values["decode_ms"], values["per_seq_ms"], values["per_context_us"]
    step_time = AffineStepTime(step_ms / 1e3, per_seq_ms / 1e3, per_context_us / 1e6, 1 / values["prefill_tok_s"])
    engine = described(
        step_time,
        options.settings_of_options(values),
        acceptance_length=values["acceptance_length"],
        speculative_tokens=values["speculative_tokens"],
    )
    return replace(engine, cache=cache)


def _predicted(values: dict[str, Any]) -> EmulatedEngine:
    """The stated deployment; with --tp auto, at the smallest TP size that fits."""
    from paretoken.answers.prediction import DeploymentQuestion, assumptions, prepared
    from paretoken.cli.predict.notes import print_notes
    from paretoken.emulate.engine import predicted, prefix_cache
    from paretoken.predict.drafting import speculation_notes

    question, data = prepared(DeploymentQuestion(**options.question_fields(values)), None)
    deployment, replicas = question.deployments(data.catalog)[0]
    print_notes((*assumptions(data.catalog.models[question.model]), *speculation_notes(deployment, data.catalog)))
    if replicas > 1:
        raise BadConfig(
            f"--gpus {deployment.gpus * replicas} is {replicas} replicas of {deployment.hardware}; emulate one of them"
        )
    engine = predicted(deployment, question.lengths, calibration=data.calibration, catalog=data.catalog)
    if not values["prefix_cache"]:
        return engine
    sizes = {"host_gb": values["host_cache_gb"], "ssd_gb": values["ssd_cache_gb"]}
    return replace(engine, cache=prefix_cache(deployment, data.catalog, **sizes))


def _predicted_pools(values: dict[str, Any], stated: set[str]) -> EmulatedEngine:
    """The stated layout of a prefill and a decode pool."""
    from paretoken.answers.pools import PooledQuestion
    from paretoken.answers.prediction import assumptions, prepared
    from paretoken.cli.predict.notes import print_notes
    from paretoken.emulate.engine import predicted_pools
    from paretoken.predict.drafting import speculation_notes

    layout = values["disaggregated"]
    refuse_options_of_workers(stated, "--gpus")
    question, data = prepared(PooledQuestion(**pooled_fields(values, layout)), None)
    pools, engine_note = question.pools(layout, data.catalog)
    assumed = (*assumptions(data.catalog.models[question.model]), *speculation_notes(pools.decode, data.catalog))
    print_notes((*filter(None, [engine_note]), *assumed))
    return predicted_pools(pools, question.lengths, calibration=data.calibration, catalog=data.catalog)
