"""`paretoken validate`: how far predictions are off what they have not seen."""

from __future__ import annotations

from pathlib import Path

import click

from paretoken.cli.options import catalog_folders


@click.command("validate")
@click.argument("points", nargs=-1, type=click.Path(path_type=Path))
@click.option("--split", "splits", multiple=True, help="Only these ways to hold back (repeatable); all if left out.")
@click.option("--models", default="targets", show_default=True, help="Score `targets` or `all` models.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes.")
@catalog_folders
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def command(points, splits, models, workers, catalog_folders, as_json) -> None:
    """Cross-validate: refit without a part of the points, predict it, and say by how much it is off.

    POINTS are files of operating points; the shipped ones if none is given. Scored are closed loops on one node
    without speculative decoding; `targets` are Llama 70B, DeepSeek R1/V3 and gpt-oss-120b. A crude baseline of
    eight parameters for each cell is fitted and scored on the same cases. Of all models it also says how often
    predicted frontiers name the accelerator that wins at equal latency.

    \b
    Examples:
      paretoken validate
      paretoken validate --split tp --split workload --models all --json
    """
    from dataclasses import asdict

    from paretoken.catalog.loader import load_catalog
    from paretoken.cli.output import print_json, print_table
    from paretoken.cli.progress import told_on_stderr
    from paretoken.errors import BadConfig, nearest
    from paretoken.points.load import load_points
    from paretoken.predict.calibration.make import cross_validate
    from paretoken.predict.calibration.splits import SPLITS

    for name in splits:
        if name not in SPLITS:
            near = nearest(name, list(SPLITS)) or sorted(SPLITS)
            raise BadConfig(f"no split {name!r}; did you mean {near[0]!r}? Known: {', '.join(SPLITS)}")
    if models not in ("targets", "all"):
        raise BadConfig(f"--models is {models!r}; write targets or all")
    catalog = load_catalog(*catalog_folders)
    frame = load_points(points, published=not points, catalog=catalog)
    with told_on_stderr("validating") as told:
        board = cross_validate(
            frame, splits or tuple(SPLITS), everything=models == "all", workers=workers, catalog=catalog, told=told
        )
    if as_json:
        print_json({**asdict(board), "worst": {k: v.to_dicts() for k, v in board.worst.items()}})
        return
    print_table(
        "Held out: errors of what was predicted against what was observed",
        ("held back", "outcome", "cases", "MAPE %", "crude %", "target %", "median %", "bias %", "in 90 %"),
        [
            [s.split, s.outcome, s.cases, *map(_percent, (s.mape, s.crude, s.target, s.median, s.bias, s.coverage))]
            for s in board.scores
        ],
        note="crude: MAPE of a closed form with eight parameters for each cell, on the same cases\n"
        "Noise floor, the same configuration run again within three days (median): "
        + (", ".join(f"{k} {v:.1%}" for k, v in board.noise.items() if v == v) or "no such runs"),
    )
    print_table(
        "Held out: who wins at equal E2E latency",
        ("held back", "pairs", "right %", "crude %", "latencies", "winner right %"),
        [
            [split, r.pairs, _percent(r.right), _percent(r.crude), r.latencies, _percent(r.winner)]
            for split, r in board.ranks.items()
        ],
        note="by throughput per GPU on frontiers of observed and of predicted points, all models; a pair counts\n"
        "at each latency that all four reach, if observed more than 5 % apart; winner: the best of all at a latency",
    )
    for split, cells in board.worst.items():
        worst = ", ".join(
            f"{r['accelerator']} {r['engine']} {r['model']} {r['precision']} {r['mape']:.0%}"
            for r in cells.head(3).to_dicts()
        )
        click.echo(f"worst cells, {split}: {worst}")


def _percent(share: float | None) -> float | None:
    return None if share is None or share != share else share * 100
