"""Panels that group the options in the help. Options in no panel go last, under "Options"."""

from __future__ import annotations

from inspect import cleandoc

import rich_click as click
from rich_click.rich_panel import RichOptionPanel

_MEASURE = {
    "Server": "--model --api --api-key-file --header --query --max-tokens-field --url --weight --balance --cafile "
    "--insecure --timeout --stream --dialect --vocab-size --tokenizer --adapters --extra-body",
    "Workload": "--workload --isl --osl --prompt-unit --prefix-share --prefixes --images --batch --turns --trace "
    "--sessions --session-seed --trace-speed --answers --idle-cap --keep-going --ignore-eos --min-tokens "
    "--temperature --seed",
    "Load": "--yes --minutes --concurrency --rate --arrivals --think --until --warmup-per-user --repeat --search --slo "
    "--max-error-rate --on-error",
    "Client": "--workers --nodes --ray",
    "Recorded in the results": "--catalog-model --accelerator --gpus --tp --precision --engine "
    "--speculative --speculative-tokens --draft-model --kv-cache-dtype",
    "Output": "--out --resume --compare --gate --force --all --export --format --json --wide",
    "Telemetry": "--otel --metrics-port",
}
_SESSIONS = "Sessions and prefix cache"
_DEPLOYMENT = {
    "Deployment": "--accelerator --engine --model --precision --tp --pp --ep --dp-attention --gpus --disaggregated "
    "--speculative --speculative-tokens --acceptance --draft-model --date --serve-command --ignore-unknown-flags",
    "Workload": "--workload --isl --osl --concurrency --rate --slo --length-range-ratio --prefix-hits",
    _SESSIONS: "--trace --sessions --idle-cap --replicas --routing --prefix-cache --no-prefix-cache "
    "--host-cache --ssd-cache --cache-worth --keep-going",
    "Engine settings": "--kv-cache-dtype --gpu-memory-utilization --max-num-seqs --max-num-batched-tokens "
    "--max-model-len --kv-tokens --weights-gb --enforce-eager --redundant-experts --two-batch-overlap --cp "
    "--scheduler-recv-interval --batch-wait-timeout-iters",
    "Step time instead of a deployment": "--decode-ms --per-seq-ms --per-context-us --prefill-tok-s",
    "Endpoint": "--host --port --name --tokenizer --natural-tokens --time-scale --tokens-per-chunk --fault --realtime "
    "--seed",
    "Data": "--calibration --catalog --in --price --rent",
    "Output": "--top --currency --usd-rate --plot --out --format --json --wide",
}
_QUESTION = {
    "Question": "--model --precision --workload --isl --osl --e2e --interactivity --ttft --slo --axis "
    "--accelerator --against --rank-by",
    "Price": "--price --rent --market --term --operator --tco --tier --set --serving-load --switching-cost "
    "--hours --or-rent --needed --reserved --price-decline --months --estimate-terms "
    "--input-price --output-price --cached-price --api-prices --tiers --split --tax-rate --depreciation "
    "--depreciation-months",
    "Task and volume": "--cached-share --own-cached-share --cache-write-share --batch-share --day-curve --utc-offset "
    "--tokens-per-day --requests-per-day",
    "Site": "--mw --token-price --grid-gco2-per-kwh",
    "Rental market": "--prices --no-shipped-prices --at --cost-of-capital",
    "Points": "--engine --origin --serving --speculative --include-suspicious --points --no-published --bundle "
    "--as-of --catalog",
    "Output": "--currency --usd-rate --explain --statement --tornado --monte-carlo --throughput-spread --seed "
    "--format --json --wide",
}
_LAUNCH = {
    "Model": "--path --precision --accelerator --workload --concurrency",
    "Parallelism": "--tp --ep --dp-attention",
    "Separate pools": "--disaggregated --speculative --draft-model",
    "Recipe": "--set --env --extra",
    "Container": "--container --image --volume",
    "Server": "--host --port --log",
    "Output": "--print --replicas --max-replicas --target-requests --format --json --wide",
}
_FIT = {
    "Data": "--published --on-top --bundle --as-of --catalog",
    "Cross-validation": "--no-validation --split --models --by --workers",
    "Output": "--out --show --plot --format --json --wide",
}
_CALIBRATE = {
    "Server to measure": "--url --served-model --api --api-key-file --header --query --minutes --runs",
    **{name: _DEPLOYMENT[name] for name in ("Deployment", "Workload", "Engine settings")},
    **_FIT,
}
_ACCURACY = {
    "Server": "--url --model --api-key-file --header --timeout --against --at-once",
    "Reference": "--reference --same-model --dtype --quantization --kv-cache-dtype --speculative",
    "Prompts": "--prompts --tokens --seed",
    "Tasks": "--tasks --items --lm-eval --lm-eval-samples --keep",
    "Output": "--out --run --format --json --wide",
}
_HISTORY = {
    "Series": "--model --accelerator --engine --precision --workload --e2e --interactivity",
    "Steps": "--alpha --smallest --steps-only",
    "Points": "--origin --points --no-published --bundle --as-of",
    "Output": "--format --json --wide",
}
_STUDY = {
    "Points": "--measure-here --bundle --as-of",
    "Price": "--price",
    "Output": "--out --all --format --json --wide",
}
_CHECK = {
    "Comparison": "--baseline --at --e2e --interactivity --allow --force",
    "Output": "--summary --junit --annotations --format --json --wide",
}
_PARITY_SCAN = {
    "Source": "--engine --path --policy --date --commit",
    "Output": "--out --format --json --wide",
}
_OUTLOOK = {
    "Trends": "--trend --accelerator",
    "Price": "--price",
    "Rental market": "--prices --no-shipped-prices --at --cost-of-capital",
    "Points": "--points --no-published --bundle --as-of --catalog",
    "Output": "--currency --usd-rate --format --json --wide",
}
_RENT = {
    "Question": "--term --form --estimate-terms --history --basket --flagged",
    "Rental market": "--prices --no-shipped-prices --at --cost-of-capital --catalog",
    "Output": "--currency --usd-rate --format --json --wide",
}
_PLAN = {
    "Traffic": "--log --metrics --served-model --since --step --api-key-file --rate --workload --isl --osl --day-curve "
    "--peak --burstiness --prefix-share --prefixes --requests-per-session --growth --seed",
    "Limits": "--slo --confidence --spares --max-gpus --mw",
    "Choices": "--model --precision --accelerator --engine --tp --disaggregated --speculative --acceptance --split "
    "--no-prefix-cache --cold-start --candidates",
    "Price": "--contract --price --operator --set --task",
    "Rental market": "--prices --no-shipped-prices --at --cost-of-capital",
    "Data": "--points --calibration --catalog",
    "Output": "--coarse --replay --top --currency --usd-rate --out --format --json --wide",
}
_IMPORT = {
    "Values that the files do not state": "--accelerator --gpus --tp --ep --model --precision --engine "
    "--engine-version --speculative --speculative-tokens --acceptance --kv-cache-dtype "
    "--isl --osl --concurrency --origin --source --date --licence",
    "Data": "--keep-going --catalog --formats",
    "Output": "--out --format --json --wide",
}
_REPRODUCE = {
    "Points": "--model --accelerator --engine --precision --isl --osl --concurrency --points",
    "Output": "--script --format --json --wide",
}
PANELS: dict[str, dict[str, str]] = (
    dict.fromkeys(("bench", "quick", "fleet"), _MEASURE)
    | dict.fromkeys(("explain", "fit", "emulate"), _DEPLOYMENT)
    | {"predict": _DEPLOYMENT | {_SESSIONS: f"{_DEPLOYMENT[_SESSIONS]} --seed", "Endpoint": ""}}
    | dict.fromkeys(("compare", "frontier", "cost", "breakeven", "tco", "advise", "selfhost"), _QUESTION)
    | {"calibrate": _CALIBRATE, "validate": _FIT}
    | dict.fromkeys(
        [f"accuracy {tier}" for tier in ("calibrate", "compare", "consistency", "gate", "probe", "repeat", "task")],
        _ACCURACY,
    )
    | {
        "launch": _LAUNCH,
        "history": _HISTORY,
        "check": _CHECK,
        "study": _STUDY,
        "parity scan": _PARITY_SCAN,
        "outlook": _OUTLOOK,
        "rent show": _RENT,
        "import": _IMPORT,
        "reproduce": _REPRODUCE,
        "plan": _PLAN,
    }
)
"""Panels by verb, each with its options in the order of the help. A verb with few options needs none."""


def arrange(verb: str, command: click.Command) -> None:
    """Lay out the help of a command and its subcommands: paragraphs, and the panels that have an option of it."""
    if not isinstance(command, click.RichCommand):
        return
    command.help = _laid_out(command.help or "")
    if isinstance(command, click.Group):
        for name, subcommand in command.commands.items():
            arrange(f"{verb} {name}", subcommand)
    own = {name: param for param in command.params for name in param.opts}
    for panel, options in PANELS.get(verb, {}).items():
        chosen = list({own[name]: name for name in reversed(options.split()) if name in own}.values())[::-1]
        if chosen:
            command.add_panel(RichOptionPanel(panel, options=chosen))


def _laid_out(text: str) -> str:
    """The help text as its first paragraph and one literal block: prose is joined, what follows \\b keeps its lines.

    rich-click keeps a blank line inside a literal block only, and there only if it has a space.
    """
    summary, *rest = cleandoc(text).split("\n\n")
    blocks = [p.removeprefix("\b\n").removeprefix(" \n") if p.startswith("\b\n") else " ".join(p.split()) for p in rest]
    return "\n\n".join([" ".join(summary.split()), *(["\b\n \n" + "\n \n".join(blocks)] if blocks else [])])
