"""The options of a benchmark, in the order of its help: endpoint, load, workload, measurement, SLOs, records."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from paretoken.bench.workload.gaps import forms
from paretoken.cli import options
from paretoken.cli.names import ACCELERATOR, ENGINE, MODEL, PRECISION, WORKLOAD

if TYPE_CHECKING:
    from paretoken.bench.keys import ApiKey

api_key_file = click.option(
    "--api-key-file",
    type=Path,
    metavar="FILE",
    help="File with the API key, instead of PARETOKEN_API_KEY or (for https and this machine only) OPENAI_API_KEY.",
)
header = click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="HEADER",
    help="Header of every request: 'Name: value', 'Name: $VARIABLE' or 'Name: @FILE' (repeatable).",
)
query = click.option(
    "--query", multiple=True, metavar="NAME=VALUE", help="Query of every request, such as api-version=2024-10-21."
)
api = click.option(
    "--api",
    type=click.Choice(["auto", "completions", "chat", "messages", "responses", "embeddings"]),
    default="auto",
    show_default=True,
    help="API to call, such as chat or messages (Anthropic's); auto takes the one in the URL, else the first that "
    "answers, completions first.",
)
cafile = click.option("--cafile", metavar="FILE", help="CA certificates to trust.")
insecure = click.option("--insecure", is_flag=True, help="Skip TLS certificate checks (test servers only).")
_ENDPOINT = (
    api_key_file,
    click.option("--model", help="Served model; needed only if the server lists several."),
    api,
    header,
    query,
    click.option(
        "--max-tokens-field",
        type=click.Choice(["auto", "max_tokens", "max_completion_tokens", "both"]),
        default="auto",
        show_default=True,
        help="Field that limits the output length; auto tries max_tokens first.",
    ),
    click.option("--stream/--no-stream", default=True, show_default=True, help="Stream the responses."),
    click.option(
        "--dialect",
        help="Engine-specific request fields: vllm, sglang, trtllm, llamacpp, transformers, openai; auto-detected "
        "by default.",
    ),
    cafile,
    insecure,
    click.option(
        "--timeout",
        "timeout_s",
        type=options.Finite(0, min_open=True),
        default=600.0,
        show_default=True,
        help="Limit in seconds: for the headers, for each token of a stream, and for a whole answer without --stream.",
    ),
    click.option(
        "--balance",
        type=click.Choice(["round_robin", "weighted", "least_outstanding"]),
        default="round_robin",
        show_default=True,
        help="Load balancing across several URLs.",
    ),
    click.option(
        "--weight",
        "weights",
        type=options.Finite(),
        multiple=True,
        help="Weight of each URL in order, for --balance weighted (repeatable).",
    ),
)
_LOAD = (
    click.option(
        "--concurrency",
        metavar="LADDER",
        help="Concurrent users, one level each: 1,2,4 or 1:256:x2 or ramp:1:64:60s.  [default: 1:32:x2]",
    ),
    click.option(
        "--rate",
        metavar="LADDER",
        help="Requests per second instead (open loop), or sessions per second: 0.5:8:x2 or ramp:1:10:60s.",
    ),
    click.option(
        "--arrivals",
        default="poisson",
        show_default=True,
        help=f"Arrival process for --rate: {', '.join(forms())}, or trace (times of --trace).",
    ),
    click.option(
        "--think",
        "think_s",
        type=options.Finite(0),
        default=0.0,
        show_default=True,
        help="Think time of a user between requests, in seconds.",
    ),
    click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Client processes."),
)
_WORKLOAD = (
    click.option(
        "--workload",
        type=WORKLOAD,
        help="Workload of the catalog instead of --isl and --osl: lengths (chat, 4k/1k, …), or sessions that are made "
        "up (agent-code, agent-research, chat-multi-turn, rag).",
    ),
    click.option(
        "--sessions",
        type=click.IntRange(1),
        metavar="N",
        help="With a --workload of sessions: how many are played, over and over.  [default: 256]",
    ),
    click.option(
        "--session-seed",
        type=click.IntRange(0),
        metavar="N",
        default=0,
        show_default=True,
        help="With a --workload of sessions: seed of their draws, as --seed of predict.",
    ),
    click.option(
        "--isl",
        default="1024",
        show_default=True,
        metavar="LENGTH",
        help="Prompt length in tokens: 1024, uniform:1024:0.8, normal:1024:128, lognormal:800:0.5, empirical:FILE.",
    ),
    click.option(
        "--osl",
        metavar="LENGTH",
        help="Output length in tokens, in the same forms as --isl.  [default: 1024, or the lengths of --trace]",
    ),
    click.option(
        "--prefix-share",
        type=options.Finite(0, 1),
        default=0.0,
        show_default=True,
        help="Share of each prompt that is a shared prefix.",
    ),
    click.option(
        "--prefixes", type=click.IntRange(1), default=1, show_default=True, help="Number of distinct shared prefixes."
    ),
    click.option(
        "--images",
        metavar="IMAGES",
        help="Synthetic PNG images in every prompt: 2x512x512 (count, width, height), or 2x512x512:shared.",
    ),
    click.option(
        "--batch", type=click.IntRange(1), default=1, show_default=True, help="Inputs of each embeddings request."
    ),
    click.option(
        "--adapters",
        metavar="NAMES",
        help="LoRA adapters to spread the requests over, by their served names: NAME[:WEIGHT],…",
    ),
    click.option("--turns", metavar="LENGTH", help="Turns per conversation; each has --isl and --osl tokens."),
    click.option(
        "--trace",
        metavar="FILE",
        help="Trace file of requests or of agentic sessions: Mooncake, Bailian, TraceLab, ShareGPT, JSONL and more.",
    ),
    click.option(
        "--answers",
        type=click.Choice(["trace", "server"]),
        default="trace",
        show_default=True,
        help="Answers in later prompts of a session: those of the trace, or the server's own.",
    ),
    click.option(
        "--idle-cap",
        "idle_cap_s",
        type=options.Finite(0),
        metavar="SECONDS",
        help="Longest wait and longest tool call of a session; no limit by default.",
    ),
    click.option(
        "--keep-going",
        is_flag=True,
        help="Leave out broken sessions of --trace, and those beyond the server's context.",
    ),
    click.option(
        "--trace-speed",
        type=options.Finite(),
        default=1.0,
        show_default=True,
        help="Replay speed of the trace; 2 is twice as fast.",
    ),
    click.option(
        "--prompt-unit",
        type=click.Choice(["tokens", "words"]),
        default="tokens",
        show_default=True,
        help="Count prompt lengths in tokens or in words; words need no tokenizer.",
    ),
    click.option(
        "--tokenizer", metavar="PATH", help="tokenizer.json, a folder with one, or a model in the local cache."
    ),
    click.option(
        "--vocab-size", type=click.IntRange(2), help="Vocabulary size for token-id prompts without a tokenizer."
    ),
    click.option(
        "--ignore-eos/--no-ignore-eos",
        default=True,
        show_default=True,
        help="Generate the full output length, past the end-of-sequence token.",
    ),
    click.option("--min-tokens", is_flag=True, help="Also send min_tokens, where the server accepts it."),
    click.option("--temperature", type=options.Finite(), default=0.0, show_default=True, help="Sampling temperature."),
    click.option(
        "--extra-body",
        metavar="JSON",
        help="JSON object merged into every request body; null removes a field, as in '{\"stream_options\": null}'.",
    ),
    click.option("--seed", type=int, help="Seed of prompts and arrivals (default: new for every run)."),
)
_MEASUREMENT = (
    click.option(
        "--until",
        metavar="END",
        help="End a level at: 60s, '1000 requests', '1e6 tokens', '50 sessions', 2% (precision); comma-separated.",
    ),
    click.option(
        "--warmup-per-user",
        type=click.IntRange(0),
        default=2,
        show_default=True,
        help="Warm-up requests of each user, before the measured window.",
    ),
    click.option("--repeat", type=click.IntRange(1), default=1, show_default=True, help="Repeat every level N times."),
    click.option(
        "--max-error-rate",
        type=options.Finite(0, 1),
        default=0.05,
        show_default=True,
        help="Fail a level above this share of failures among the requests that ended.",
    ),
    click.option(
        "--on-error",
        type=click.Choice(["go-on", "stop"]),
        default="go-on",
        show_default=True,
        help="Continue after a failed level, or stop.",
    ),
)
_SEARCH = (
    click.option(
        "--slo",
        default="",
        metavar="SLOS",
        help="Service-level objectives: ttft_p99=2s,tpot_p50=50ms,session_p90=60s of a --trace.",
    ),
    click.option(
        "--search",
        type=click.Choice(["slo", "knee"]),
        help="Find the highest load within --slo, or the knee of the curve.",
    ),
)
_RECORDED = (
    click.option(
        "--gpus",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Number of serving GPUs; divides the per-GPU figures.",
    ),
    click.option(
        "--accelerator",
        type=ACCELERATOR,
        default="unknown",
        show_default=True,
        help="Accelerator to record, such as H200.",
    ),
    click.option("--precision", type=PRECISION, metavar="TEXT", help="Weight precision to record, such as fp8."),
    click.option("--tp", type=click.IntRange(1), help="Tensor-parallel size to record."),
    click.option("--engine", type=ENGINE, help="Engine to record; auto-detected by default."),
    click.option("--speculative", metavar="METHOD", help="Speculative decoding to record: none, mtp, eagle, …"),
    click.option("--speculative-tokens", type=click.IntRange(1), help="Drafted tokens per step, to record."),
    click.option("--draft-model", metavar="NAME", help="Draft model to record."),
    click.option("--kv-cache-dtype", metavar="TYPE", help="Data type of the KV cache to record, such as fp8."),
    click.option(
        "--catalog-model",
        type=MODEL,
        help="Catalog name of the model to record, if served under another.",
    ),
)
config_options = options.stack(*_ENDPOINT, *_LOAD, *_WORKLOAD, *_MEASUREMENT, *_SEARCH, *_RECORDED)
out_folder = click.option("--out", type=Path, metavar="DIR", help="Folder of the run.  [default: runs/DATE]")


def read_api_key(urls: Sequence[str], file: Path | None) -> ApiKey:
    """The API key for the servers at these URLs: of the file, else of the environment."""
    from paretoken.bench.keys import key_for

    return key_for(urls, os.environ, file)
