"""`paretoken explain`: the terms of a prediction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from paretoken.cli.options import as_json
from paretoken.cli.predict import options
from paretoken.cli.predict.disaggregated import AUTO, disaggregated, pooled_fields, require_pool_options
from paretoken.errors import BadConfig

if TYPE_CHECKING:
    from paretoken.predict.explain import Explanation
    from paretoken.predict.memory import MemoryParts


@click.command("explain", no_args_is_help=True)
@options.deployment
@disaggregated
@options.lengths
@click.option("--concurrency", type=click.IntRange(1), default=64, show_default=True, help="Concurrent requests.")
@options.calibration
@click.option("--plot", type=options.FileToWrite(".html"), help="Write the plot as an HTML file.")
@as_json
def command(disaggregated: str | None, concurrency: int, plot: Path | None, as_json: bool, **deployment: Any) -> None:
    """Break a prediction down into the terms of a decode step, of prefill and of TTFT.

    Shows each TP size that fits. With --pp, the terms cover all pipeline stages.

    \b
    Examples:
      paretoken explain --accelerator MI300X --model llama-3-70b --precision fp8 \\
                        --engine vllm --tp 8 --isl 1024 --osl 1024 \\
                        --concurrency 64
      paretoken explain --accelerator B200 --model deepseek-r1 --precision fp8 \\
                        --engine sglang --tp 8 --isl 8192 --osl 1024 \\
                        --plot parts.html
      paretoken explain --accelerator GB200 --model deepseek-r1 --precision fp4 \\
                        --engine trtllm --isl 8192 --osl 1024 \\
                        --disaggregated 4xDEP4+1xDEP32 --concurrency 1024
    """
    from paretoken.answers.explain import ExplainQuestion, explain
    from paretoken.answers.seam import to_json
    from paretoken.cli.output import print_json
    from paretoken.cli.predict.notes import print_notes

    disaggregated = disaggregated and disaggregated.strip()
    if disaggregated and disaggregated.lower() == AUTO:
        raise BadConfig("explain takes one layout; `paretoken predict --disaggregated auto` names the best ones")
    require_pool_options(disaggregated)
    if disaggregated is not None:
        if plot:
            raise BadConfig("--plot draws aggregated serving; leave it out with --disaggregated")
        _explain_layout(
            pooled_fields(deployment, disaggregated) | {"layout": disaggregated, "concurrency": concurrency}, as_json
        )
        return
    answer = explain(ExplainQuestion(**options.question_fields(deployment), concurrency=concurrency))
    print_notes(answer.assumed)
    if plot:
        from paretoken.cli.predict.explain_plot import write_plot

        write_plot(answer.explanations, plot)
    if as_json:
        plain = to_json(answer)
        print_json([e | {"memory": m} for e, m in zip(plain["explanations"], plain["memory"], strict=True)])
        return
    for explanation, memory in zip(answer.explanations, answer.memory, strict=True):
        _print(explanation, memory)


def _explain_layout(fields: dict[str, Any], as_json: bool) -> None:
    from paretoken.answers.pool_explain import ExplainPoolsQuestion, explain_disaggregated
    from paretoken.cli.predict.notes import print_answer
    from paretoken.cli.predict.pool_tables import print_pool_explanation

    answer = explain_disaggregated(ExplainPoolsQuestion(**fields))
    print_answer(answer, answer.notes, lambda: print_pool_explanation(answer), as_json=as_json)


def _print(e: Explanation, memory: MemoryParts) -> None:
    from paretoken.cli.output import echo, print_table
    from paretoken.cli.predict.notes import memory_only_note
    from paretoken.predict.acceptance import speculation_text
    from paretoken.predict.request import SETTINGS

    d, decodes = e.case.deployment, e.case.lengths.osl > 1
    tpot = f"{e.tpot_s * 1e3:.2f} ms" if decodes else "not defined"
    experts = f"; {e.active_experts:.0f} experts active per layer" if e.active_experts else ""
    print_table(
        f"{d.model} {d.precision} on {d.hardware}, {d.engine}: concurrency {e.case.concurrency:g}, "
        f"{e.batch if decodes else 0:.0f} decoding",
        ("phase", "part", "ms", "share %", "what"),
        [[p.phase, p.name, p.seconds * 1e3, p.share * 100, p.what] for p in e.parts],
        note=f"Prefill takes {e.busy:.0%} of the time: TPOT {tpot}, TTFT {e.ttft_s * 1e3:,.0f} ms, "
        f"E2E {e.e2e_s:.2f} s{experts}. Predicted, not measured.",
    )
    if e.speculation:
        echo(speculation_text([e.speculation]))
    echo(f"Memory of one GPU, GiB: {memory}.")
    if note := memory_only_note([name for name in SETTINGS if getattr(d.settings, name)]):
        echo(note)
