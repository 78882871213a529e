"""`paretoken explain`: where a step's time goes."""

from __future__ import annotations

from pathlib import Path

import click

from paretoken.cli.predict import predicting


@click.command("explain", no_args_is_help=True)
@predicting.deployment
@predicting.lengths
@click.option("--concurrency", type=click.IntRange(1), default=64, show_default=True, help="Users.")
@predicting.calibration
@click.option("--plot", type=click.Path(path_type=Path), help="Write the plot as an HTML file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def command(concurrency, calibration, plot, as_json, isl, osl, ratio, catalog_folders, **deployment) -> None:
    """Take a prediction apart: the terms of a decode step, of a prompt and of the TTFT, for each TP size that fits.

    With --pp they are those of a token's way through all stages.

    \b
    Examples:
      paretoken explain --accelerator MI300X --model llama-3-70b --precision fp8 --engine vllm --tp 8 \\
                        --isl 1024 --osl 1024 --concurrency 64
      paretoken explain --accelerator B200 --model deepseek-r1 --precision fp8 --engine sglang --tp 8 \\
                        --isl 8192 --osl 1024 --plot parts.html
    """
    from dataclasses import asdict

    from paretoken.cli.output import print_json, print_table
    from paretoken.errors import CannotWrite
    from paretoken.predict.configure import ladder
    from paretoken.predict.explain import explain_case, plot_explanation

    given, catalog = predicting.read(calibration), predicting.catalog_of(catalog_folders)
    predicting.require(deployment, isl, osl)
    shape = predicting.shape(isl, osl, ratio)
    cases = ladder(predicting.deployments(deployment, shape, catalog), shape, [concurrency], catalog)
    found = [explain_case(c, calibration=given, catalog=catalog) for c in cases]
    if plot:
        pages = (plot_explanation(e).to_html(full_html=False, include_plotlyjs=i == 0) for i, e in enumerate(found))
        try:
            plot.write_text("\n".join(pages), encoding="utf-8")
        except OSError as e:
            raise CannotWrite(f"{plot} cannot be written: {e.strerror}") from e
    if as_json:
        print_json([asdict(e) for e in found])
        return
    for e in found:
        d = e.case.deployment
        tpot = f"{e.tpot_s * 1e3:.2f} ms" if osl > 1 else "not defined"
        print_table(
            f"{d.model} {d.precision} on {d.hardware}, {d.engine}: {e.case.concurrency:g} users, "
            f"{e.batch if osl > 1 else 0:.0f} decoding",
            ("phase", "part", "ms", "share %", "what"),
            [[p.phase, p.name, p.seconds * 1e3, p.share * 100, p.what] for p in e.parts],
            note=f"Prompts take {e.busy:.0%} of the time: TPOT {tpot}, TTFT {e.ttft_s * 1e3:.0f} ms, "
            f"E2E {e.e2e_s:.2f} s"
            + (f"; {e.active_experts:.0f} experts active per layer" if e.active_experts else "")
            + ". Predicted, not measured.",
        )
