"""What the accuracy verbs share: options, the server, the reference, progress, and the verdicts shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from paretoken.cli import options

if TYPE_CHECKING:
    import numpy as np

    from paretoken.accuracy.limits import Limits
    from paretoken.accuracy.reference import Reference
    from paretoken.accuracy.servers import Server
    from paretoken.accuracy.verdicts import Verdict

FILE = click.Path(path_type=Path, dir_okay=False)
Progress = Callable[[str], Callable[[int, int], None]]
"""Makes a bar by the name of a tier: a function of the items done and their total."""


class EndpointOptions(TypedDict):
    """The values of the `endpoint` options."""

    url: str
    model: str | None
    api_key_file: Path | None
    timeout_s: float


endpoint = options.stack(
    click.option("--url", required=True, help="Base URL of the server, such as http://host:8000/v1."),
    click.option("--model", help="Served model; needed only if the server lists several."),
    click.option(
        "--api-key-file",
        type=Path,
        metavar="FILE",
        help="File with the API key, instead of PARETOKEN_API_KEY or OPENAI_API_KEY.",
    ),
    click.option(
        "--timeout",
        "timeout_s",
        type=options.Finite(1),
        default=300.0,
        show_default=True,
        help="Timeout of a request, in seconds.",
    ),
)
asked = options.stack(
    click.option("--prompts", "n", type=click.IntRange(2), default=32, show_default=True, help="Number of prompts."),
    click.option(
        "--tokens", type=click.IntRange(1), default=32, show_default=True, help="Tokens generated for each prompt."
    ),
    click.option("--seed", type=click.IntRange(0), help="Seed of the prompts; a new one each time by default."),
)
judged = options.stack(
    click.option(
        "--out",
        type=FILE,
        default=Path("gate.json"),
        show_default=True,
        help="File of verdicts; those of other tiers on this endpoint are kept.",
    ),
    options.as_json,
)
limits_of = click.option("--reference", "limits", type=FILE, help="Calibrated reference; its limits apply.")
reference_of = click.option("--reference", required=True, help="Reference file, or URL of a trusted server.")
same_model = click.option("--same-model", is_flag=True, help="The model is that of the reference, under another name.")
task_options = options.stack(
    click.option("--tasks", default="arithmetic,copy,needle", show_default=True, help="Offline tasks, or none."),
    click.option(
        "--items", type=click.IntRange(1), default=100, show_default=True, help="Number of items of each task."
    ),
)


def key_of(file: Path | None) -> str | None:
    from paretoken.bench.config import read_key

    return read_key(dict(os.environ), file)


def server_at(where: EndpointOptions) -> Server:
    from paretoken.accuracy.servers import connect

    key = key_of(where["api_key_file"])
    return connect(where["url"], model=where["model"], key=key, timeout_s=where["timeout_s"])


def seed_of(seed: int | None) -> int:
    return seed if seed is not None else int.from_bytes(os.urandom(4), "little")


def rng_of(seed: int | None) -> np.random.Generator:
    import numpy as np

    return np.random.default_rng(seed_of(seed))


def limits_in(file: Path | None) -> Limits:
    from paretoken.accuracy.limits import DEFAULT
    from paretoken.accuracy.reference import read_reference

    return read_reference(file).limits if file else DEFAULT


def names_in(text: str) -> list[str]:
    return [t.strip() for t in text.split(",") if t.strip() and t.strip() != "none"]


def _is_url(text: str) -> bool:
    return "://" in text


def reference_at(
    reference: str,
    where: EndpointOptions,
    n: int,
    tokens: int,
    seed: int | None,
    on_progress: Progress,
    tasks: Sequence[str] = (),
    items: int = 100,
) -> Reference:
    """The reference of a file, or one made of a trusted server on the spot."""
    from paretoken.accuracy.gate import calibrate
    from paretoken.accuracy.reference import Key, read_reference

    if not _is_url(reference):
        return read_reference(Path(reference))
    trusted = server_at({**where, "url": reference, "model": None})
    return calibrate(
        trusted,
        None,
        Key(trusted.model),
        n=n,
        tokens=tokens,
        items=items,
        seed=seed_of(seed),
        tasks=tasks,
        note=on_progress,
    )


def answers_of(
    reference: str | None,
    where: EndpointOptions,
    server: Server,
    names: Sequence[str],
    items: int,
    seed: int,
    same: bool,
    on_progress: Progress,
) -> tuple[Mapping[str, tuple[bool, ...]], Reference | None, int]:
    """The reference's own answers, the reference itself where it is a file, and the seed of the items."""
    from paretoken.accuracy.reference import check_model, read_reference
    from paretoken.accuracy.solving import solve
    from paretoken.errors import EndpointFailed

    if reference is None:
        return {}, None, seed
    if not _is_url(reference):
        trusted = read_reference(Path(reference))
        check_model(trusted, server, same)
        return dict(trusted.tasks or {}), trusted, trusted.task_seed
    right, stopped = solve(
        server_at({**where, "url": reference, "model": None}), names, n=items, seed=seed, told=on_progress("T4")
    )
    if stopped:
        raise EndpointFailed(stopped)
    return right, None, seed


@contextmanager
def progress() -> Iterator[Progress]:
    """A bar for each tier on a terminal; yields the function that makes one by its name."""
    from rich.progress import Progress as Bars

    from paretoken.cli.output import console

    with Bars(console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars:

        def of(name: str) -> Callable[[int, int], None]:
            bar = bars.add_task(name, total=None)
            return lambda done, total: bars.update(bar, completed=done, total=total)

        yield of


def conclude(
    server: Server,
    url: str,
    verdicts: Iterable[Verdict],
    out: Path,
    as_json: bool,
    reference: Reference | None = None,
) -> None:
    """Write and show verdicts. EndpointFailed if the endpoint broke off, after what was computed is kept."""
    from dataclasses import asdict

    from paretoken.accuracy.gate import gate_of, write_gate
    from paretoken.cli.output import console, print_json, print_table
    from paretoken.errors import EndpointFailed

    gate = gate_of(server, url, verdicts, reference)
    write_gate(gate, out)
    if as_json:
        print_json({"verdict": gate.verdict, **asdict(gate)})
    else:
        rows = [(v.title, v.verdict, v.why) for v in gate.tiers]
        print_table(f"Accuracy of {gate.model} at {gate.endpoint}", ("tier", "verdict", "why"), rows)
        console().print(f"Gate: {gate.verdict}. Written to {out}", highlight=False)
    if broke := next((v.stopped for v in gate.tiers if v.stopped), None):
        raise EndpointFailed(f"{broke}; the results so far are in {out}")
