"""`paretoken calibrate --url`: measure a short ladder on a server, and fit a calibration of its own to it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretoken.cli.output import echo, print_json
from paretoken.errors import BadConfig, CannotWrite
from paretoken.plural import counted

if TYPE_CHECKING:
    from paretoken.answers.calibrate_url import CalibrateUrlQuestion
    from paretoken.bench.config import BenchConfig
    from paretoken.bench.keys import ApiKey
    from paretoken.bench.setup import Setup
    from paretoken.bench.short_ladder import ShortLadder
    from paretoken.catalog.loader import Catalog
    from paretoken.cli.measure.live import LiveView, Quiet
    from paretoken.predict.deployment import Deployment

PACE_TOKENS = 32
"""Most output tokens of a request that measures the pace."""


@dataclass(frozen=True, kw_only=True)
class CalibrateUrlOptions:
    """The options of `--url` besides the deployment and its lengths."""

    url: str
    concurrency: str
    minutes: float
    runs: Path | None
    served_model: str | None
    out: Path
    api: str = "auto"
    api_key_file: Path | None = None
    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()


def calibrate_from_url(options: CalibrateUrlOptions, deployment: Mapping[str, Any], as_json: bool) -> None:
    """Probe, plan, measure, fit and print. Finished levels are kept if it is interrupted."""
    from paretoken.answers.calibrate_url import CalibrateUrlQuestion, calibrate_url
    from paretoken.answers.prediction import prepared
    from paretoken.answers.seam import to_json
    from paretoken.bench.begin import new_folder
    from paretoken.bench.short_ladder import begun_ladder, slots
    from paretoken.cli.measure.bench_options import read_api_key
    from paretoken.cli.measure.live import LiveView, Quiet
    from paretoken.cli.predict.calibrate_url_view import show

    if not options.out.absolute().parent.is_dir():
        raise CannotWrite(f"{options.out} cannot be written: its folder does not exist; create it, or change --out")
    question = CalibrateUrlQuestion(
        **deployment, concurrency=_users(options.concurrency), minutes=options.minutes, out=options.out
    )
    question, data = prepared(question, None)
    catalog = data.catalog
    served = question.checked_deployment(catalog)
    config, key = _config(options, served), read_api_key((options.url,), options.api_key_file)
    watch = Quiet() if as_json or not sys.stderr.isatty() else LiveView()
    folder = options.runs or new_folder()
    try:
        if ladder := begun_ladder(config, folder, options.api_key_file):
            echo(f"continuing {folder}", err=True)
        else:
            ladder = _ladder(question, config, key, catalog, folder, watch)
        question = _with_slots(question, slots(ladder.runs[0].setup))
        _measure(ladder, watch)
    except KeyboardInterrupt:
        echo(f"interrupted; finished levels are kept; repeat the command with --runs {folder} to continue", err=True)
        raise
    answer = calibrate_url(question, ladder.points, catalog)
    if as_json:
        print_json(to_json(answer))
    else:
        show(answer, question, ladder.levels, folder)


def _with_slots(question: CalibrateUrlQuestion, slots: int | None) -> CalibrateUrlQuestion:
    """The question with the batch size that the server states; BadConfig if another one was given."""
    stated = question.settings.max_num_seqs
    if slots is None or stated == slots:
        return question
    if stated is not None:
        raise BadConfig(
            f"the server batches at most {counted(slots, 'request')}, but --max-num-seqs {stated} was given; use "
            f"--max-num-seqs {slots}"
        )
    return replace(question, settings=replace(question.settings, max_num_seqs=slots))


def _users(text: str) -> tuple[int, ...]:
    """The loads that matter; a ramp has no steady state."""
    from paretoken.bench.workload.ladder import parse_users

    levels = parse_users(text)
    users = tuple(level for level in levels if isinstance(level, int))
    if len(users) < len(levels):
        raise BadConfig(f"--concurrency is {text!r}; a ramp has no steady state, write levels like 1,4,16")
    return users


def _config(options: CalibrateUrlOptions, d: Deployment) -> BenchConfig:
    """The settings that all levels share."""
    from paretoken.bench.config import BenchConfig
    from paretoken.bench.keys import read_headers

    return BenchConfig.of_dict(
        {
            "urls": (options.url,),
            "model": options.served_model,
            "api": options.api,
            "headers": read_headers(options.headers, os.environ),
            "query": options.query,
            "accelerator": d.accelerator,
            "catalog_model": d.model,
            "engine": d.engine,
            "precision": d.precision,
            "tp": d.tp,
            "gpus": d.gpus,
            "warmup_per_user": 1,
            "on_error": "stop",
        }
    )


def _ladder(
    question: CalibrateUrlQuestion,
    config: BenchConfig,
    key: ApiKey,
    catalog: Catalog,
    folder: Path,
    watch: LiveView | Quiet,
) -> ShortLadder:
    """A new ladder, planned by the pace of the highest load."""
    from paretoken.bench.short_ladder import begin_ladder, measure_pace
    from paretoken.bench.short_ladder_plan import plan_ladder

    config, setup, users = _highest_load(question, config, key, catalog)
    echo(f"measuring the pace of {counted(users, 'user')} at {question.isl}/{config.osl} tokens", err=True)
    with watch:
        pace = measure_pace(setup, users, folder, question.minutes, watch)
    plan = plan_ladder(question.isl, question.osl, question.minutes, pace)
    for note in plan.notes:
        echo(f"note: {note}", err=True)
    for pair in plan.pairs:
        loads = ", ".join(map(str, pair.users))
        echo(f"will measure {pair.isl}/{pair.osl} tokens at {loads} users, {pair.seconds:.0f} s each", err=True)
    return begin_ladder(config, key, catalog, folder, plan.pairs, question.length_range_ratio)


def _highest_load(
    question: CalibrateUrlQuestion, config: BenchConfig, key: ApiKey, catalog: Catalog
) -> tuple[BenchConfig, Setup, int]:
    """The settings of all levels, and a setup of the highest load with its users. BadConfig for another server."""
    from paretoken.bench.short_ladder import check_server, length_text, probed, slots
    from paretoken.bench.short_ladder_plan import most_users

    isl = length_text(question.isl, question.length_range_ratio)
    config = replace(config, isl=isl, osl=str(min(question.osl, PACE_TOKENS)))
    setup = probed(config, key, catalog)
    check_server(setup, question.speculative, catalog)
    if "speculative" not in setup.columns():  # the server does not state it
        config = replace(config, speculative=question.speculative, speculative_tokens=question.speculative_tokens)
    batched = slots(setup)
    users = most_users(question.concurrency, batched)
    setup = probed(replace(config, concurrency=str(users)), key, catalog)
    for note in setup.notes:
        echo(f"note: {note}", err=True)
    if batched and batched < max(question.concurrency):
        echo(f"note: the server batches at most {counted(batched, 'request')}; that is the highest load", err=True)
    server = setup.servers[0]
    parts = [server.dialect, server.version, ", ".join(server.models)]
    echo(f"{server.base_url}: {', '.join(filter(None, parts))}", err=True)
    return config, setup, users


def _measure(ladder: ShortLadder, watch: LiveView | Quiet) -> None:
    """Measure the levels left, with a note if the server stopped answering."""
    from paretoken.bench.short_ladder import measure_ladder

    done = 0
    with watch:
        for level in measure_ladder(ladder, watch):
            done += 1
            if level.failed:
                echo(f"note: {level.load.name} failed: {level.failed}", err=True)
    if done < ladder.levels:
        echo(
            f"note: the server stopped answering after {done} of {counted(ladder.levels, 'level')}; they are fitted",
            err=True,
        )
