"""What the accuracy verbs share: options, the server asked, the reference, progress, and how verdicts end."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path

import click

from paretoken.cli import options

FILE = click.Path(path_type=Path, dir_okay=False)


endpoint = options.stack(
    click.option("--url", required=True, help="Server to look at, http://host:port/v1."),
    click.option("--model", help="Served model; the only one by default."),
    click.option("--api-key-file", type=Path, help="File with the API key (else PARETOKEN_API_KEY, OPENAI_API_KEY)."),
    click.option(
        "--timeout",
        "timeout_s",
        type=options.Finite(1),
        default=300.0,
        show_default=True,
        help="Longest wait for one answer, seconds.",
    ),
)
asked = options.stack(
    click.option("--prompts", "n", type=click.IntRange(2), default=32, show_default=True, help="How many prompts."),
    click.option("--tokens", type=click.IntRange(1), default=32, show_default=True, help="Tokens after each prompt."),
    click.option("--seed", type=click.IntRange(0), help="Of the prompts; a new one each time by default."),
)
judged = options.stack(
    click.option(
        "--out",
        type=FILE,
        default=Path("gate.json"),
        show_default=True,
        help="Verdicts; those of other tiers that it holds on this endpoint are kept.",
    ),
    options.as_json,
)
limits_of = click.option("--reference", "limits", type=FILE, help="Calibrated reference whose limits hold.")
reference_of = click.option("--reference", required=True, help="Reference file, or URL of a trusted server.")
same_model = click.option("--same-model", is_flag=True, help="The model is the reference's under another name.")
task_options = options.stack(
    click.option("--tasks", default="arithmetic,copy,needle", show_default=True, help="Offline tasks, or none."),
    click.option("--items", type=click.IntRange(1), default=100, show_default=True, help="Items of each task."),
)


def key_of(file: Path | None) -> str | None:
    from paretoken.bench.config import read_key

    return read_key(dict(os.environ), file)


def server_at(where):
    from paretoken.accuracy.servers import connect

    key = key_of(where["api_key_file"])
    return connect(where["url"], model=where["model"], key=key, timeout_s=where["timeout_s"])


def seed_of(seed: int | None) -> int:
    return seed if seed is not None else int.from_bytes(os.urandom(4), "little")


def rng_of(seed: int | None):
    import numpy as np

    return np.random.default_rng(seed_of(seed))


def limits_in(file: Path | None):
    from paretoken.accuracy.limits import DEFAULT
    from paretoken.accuracy.reference import read_reference

    return read_reference(file).limits if file else DEFAULT


def names_in(text: str) -> list[str]:
    return [t.strip() for t in text.split(",") if t.strip() and t.strip() != "none"]


def _is_url(text: str) -> bool:
    return "://" in text


def reference_at(given: str, where, n: int, tokens: int, seed: int | None, told, tasks=(), items: int = 100):
    """The reference of a file, or one made of a trusted server on the spot."""
    from paretoken.accuracy.gate import calibrate
    from paretoken.accuracy.reference import Key, read_reference

    if not _is_url(given):
        return read_reference(Path(given))
    trusted = server_at({**where, "url": given, "model": None})
    return calibrate(
        trusted, None, Key(trusted.model), n=n, tokens=tokens, items=items, seed=seed_of(seed), tasks=tasks, note=told
    )


def answers_of(given: str | None, where, server, names, items: int, seed: int, same: bool, told):
    """The reference's own answers, the reference itself where it is a file, and the seed of the items."""
    from paretoken.accuracy.reference import check_model, read_reference
    from paretoken.accuracy.solving import solve
    from paretoken.errors import EndpointFailed

    if given is None:
        return {}, None, seed
    if not _is_url(given):
        trusted = read_reference(Path(given))
        check_model(trusted, server, same)
        return dict(trusted.tasks or {}), trusted, trusted.task_seed
    right, stopped = solve(
        server_at({**where, "url": given, "model": None}), names, n=items, seed=seed, told=told("T4")
    )
    if stopped:
        raise EndpointFailed(stopped)
    return right, None, seed


@contextmanager
def progress():
    """A bar for each tier on a terminal; yields what makes one by its name."""
    from rich.progress import Progress

    from paretoken.cli.output import console

    with Progress(console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars:

        def of(name: str):
            bar = bars.add_task(name, total=None)
            return lambda done, total: bars.update(bar, completed=done, total=total)

        yield of


def conclude(server, url: str, verdicts, out: Path, as_json: bool, reference=None) -> None:
    """Write and show verdicts; an endpoint that broke off is told after what was computed is kept."""
    from dataclasses import asdict

    from paretoken.accuracy.gate import gate_of, write_gate
    from paretoken.cli.output import console, print_json, print_table
    from paretoken.errors import EndpointFailed

    found = gate_of(server, url, verdicts, reference)
    write_gate(found, out)
    if as_json:
        print_json({"verdict": found.verdict, **asdict(found)})
    else:
        rows = [(v.title, v.verdict, v.why) for v in found.tiers]
        print_table(f"Accuracy of {found.model} at {found.endpoint}", ("tier", "verdict", "why"), rows)
        console().print(f"Gate: {found.verdict}. Written to {out}", highlight=False)
    if broke := next((v.stopped for v in found.tiers if v.stopped), None):
        raise EndpointFailed(f"{broke}; what was computed is in {out}")
