"""`paretoken fit`: the fewest GPUs that hold a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from paretoken.cli.cells import figure
from paretoken.cli.names import ENGINE, MODEL, PRECISION
from paretoken.cli.options import accelerators, as_json, catalog_folders
from paretoken.cli.predict import options
from paretoken.plural import counted

if TYPE_CHECKING:
    from paretoken.answers.fit import FitAnswer, FitQuestion, FitRow

_MEMORY = ("weights", "activations", "other", "KV cache", "free")
_HEADERS = ("accelerator", "GPUs", "TP x PP", "memory GiB", *_MEMORY, "KV tokens", "users", "longest request")


@click.command("fit", no_args_is_help=True)
@click.argument("model", type=MODEL, metavar="MODEL")
@accelerators
@click.option("--precision", type=PRECISION, metavar="TEXT", help="Precision of the weights (default: the model's).")
@click.option("--engine", type=ENGINE, default="vllm", show_default=True, help="Engine: vllm, sglang, trtllm, …")
@options.nominal_lengths(1024)
@click.option(
    "--concurrency",
    "users",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Requests that the KV cache must hold at once.",
)
@click.option("--dp-attention", is_flag=True, help="Use attention data parallelism, one rank for each GPU.")
@click.option("--date", help="Date of the engine, YYYY-MM-DD (default: the newest).")
@options.memory_settings
@catalog_folders
@as_json
def command(as_json: bool, accelerators: tuple[str, ...], catalog_folders: tuple[Path, ...], **values: Any) -> None:
    """Show the fewest GPUs of each accelerator that hold a model, and what fills their memory.

    MODEL is a name of the catalog, org/name on the Hugging Face hub, a folder with a config.json, or that file.

    The KV cache must hold --concurrency requests of --isl and --osl at once. Sizes are tensor-parallel within a node,
    then pipeline stages of whole nodes; users beyond one deployment get replicas.

    \b
    Examples:
      paretoken fit llama-3-70b --precision fp8
      paretoken fit deepseek-r1 --engine sglang --accelerator H200 \\
                    --isl 8192 --osl 1024 --concurrency 64
      paretoken fit gpt-oss-120b --accelerator H100 \\
                    --gpu-memory-utilization 0.95 --enforce-eager
    """
    from paretoken.answers.fit import FitQuestion, fit
    from paretoken.cli.predict.notes import print_answer

    settings = options.settings_of_options(values)
    values["isl"], values["osl"] = options.lengths_of(values | {"catalog_folders": catalog_folders})
    fields = {name: values[name] for name in FitQuestion.__dataclass_fields__ if name in values}
    question = FitQuestion(**fields, accelerators=accelerators, settings=settings, catalog=catalog_folders)
    answer = fit(question)
    print_answer(answer, answer.assumed, lambda: _print(answer, question), as_json=as_json)


def _print(answer: FitAnswer, question: FitQuestion) -> None:
    from paretoken.answers.fit import FitRow
    from paretoken.cli.output import echo, print_table

    rows = [r for r in answer.rows if isinstance(r, FitRow)]
    if rows:
        print_table(
            f"{answer.model} {answer.precision} on {answer.engine}: fewest GPUs for "
            f"{counted(question.users, 'request')} of {question.isl:,}/{question.osl:,}",
            _HEADERS,
            [_cells(r) for r in rows],
            note=_note(rows),
            spare=("longest request", "free", "other", "activations"),
            units=dict.fromkeys(_MEMORY, "GiB"),
        )
    others = [r for r in answer.rows if not isinstance(r, FitRow)]
    for r in (r for r in others if r.deployable):
        echo(f"{r.accelerator} does not fit: {r.reason}.")
    if left_out := [r.accelerator for r in others if not r.deployable]:
        why = f"{answer.engine} does not run on them" + (" or they shipped after --date" if question.date else "")
        echo(f"Left out, as {why}: {', '.join(left_out)}.")
    if len(rows) == 1:
        print_table("\nSettings", ("setting", "value", "from"), [[s.name, s.value, s.origin] for s in rows[0].settings])


def _cells(r: FitRow) -> list[object]:
    size = f"{r.tp}x{r.pp}" + (f", {r.replicas} replicas" if r.replicas > 1 else "")
    other = r.graphs_gib + r.runtime_gib
    parts = (r.memory_gib, r.weights_gib, r.activations_gib, other, r.cache_gib, r.free_gib)
    counts = (r.kv_tokens, r.users, r.longest_request)
    return [r.accelerator, r.gpus, size, *(figure(x, ",.1f") for x in parts), *counts]


def _note(rows: list[FitRow]) -> str:
    note = "Memory of one GPU; KV tokens as the log of one engine prints them. Computed, not measured."
    if any(r.users > r.max_num_seqs * r.engines for r in rows):
        note += " Engines run max_num_seqs requests at once; raise it for more users."
    if any(r.pp > 1 for r in rows):
        note += " With PP above 1 the pipeline spans several nodes; no published measurement has this."
    if any(r.longest_request < (r.max_model_len or 0) for r in rows):
        note += " A server starts with --max-model-len up to the longest request."
    return note
