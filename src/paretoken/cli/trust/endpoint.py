"""What the accuracy commands share: options, the server, the reference, progress bars, and how verdicts are shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import rich_click as click

from paretoken.cli import options
from paretoken.cli.measure.bench_options import api_key_file, header

if TYPE_CHECKING:
    import numpy as np

    from paretoken.accuracy.gate import GatePlan
    from paretoken.accuracy.limits import DriftLimits
    from paretoken.accuracy.reference import Reference
    from paretoken.accuracy.servers import ScoringServer
    from paretoken.accuracy.verdicts import TierVerdict

FILE = click.Path(path_type=Path, dir_okay=False)
Answers = dict[str, tuple[bool, ...]]
ProgressOf = Callable[[str], Callable[[int, int], None]]


class EndpointOptions(TypedDict):
    """The values of `endpoint_options`."""

    url: str
    model: str | None
    api_key_file: Path | None
    headers: tuple[str, ...]
    timeout_s: float


endpoint_options = options.stack(
    click.option("--url", required=True, help="Server to check, as http://host:port/v1."),
    click.option("--model", help="Served model; needed only if the server has several."),
    api_key_file,
    header,
    click.option(
        "--timeout",
        "timeout_s",
        type=options.Finite(1),
        default=300.0,
        show_default=True,
        help="Timeout of a request, in seconds.",
    ),
)
prompt_options = options.stack(
    click.option("--prompts", "n", type=click.IntRange(2), default=32, show_default=True, help="Number of prompts."),
    click.option(
        "--tokens", type=click.IntRange(1), default=32, show_default=True, help="Tokens to generate for each prompt."
    ),
    click.option("--seed", type=click.IntRange(0), help="Seed of the prompts (default: a new one for each run)."),
)
verdict_options = options.stack(
    click.option(
        "--out",
        type=FILE,
        default=Path("gate.json"),
        show_default=True,
        help="Verdict file; keeps verdicts of other tiers on the same endpoint.",
    ),
    options.as_json,
)
limits_option = click.option("--reference", "limits", type=FILE, help="Take the limits from this calibrated reference.")
reference_option = click.option("--reference", required=True, help="Reference file, or URL of a trusted server.")
same_model_option = click.option(
    "--same-model", is_flag=True, help="Accept a model with another name in the reference."
)
task_options = options.stack(
    click.option(
        "--tasks", default="arithmetic,copy,needle", show_default=True, help="Offline tasks, comma-separated, or none."
    ),
    click.option("--items", type=click.IntRange(1), default=100, show_default=True, help="Number of items per task."),
)


def api_key(url: str, file: Path | None) -> str | None:
    """The API key for the server at a URL, in a file or in the environment; says so where one is not sent."""
    from paretoken.bench.keys import key_for

    key = key_for((url,), os.environ, file)
    if key.note:
        click.echo(f"note: {key.note}", err=True)
    return key.value


def server_at(endpoint: EndpointOptions) -> ScoringServer:
    """The server of the options."""
    from paretoken.accuracy.servers import connect
    from paretoken.bench.keys import header_fields, read_headers

    key = api_key(endpoint["url"], endpoint["api_key_file"])
    return connect(
        endpoint["url"],
        model=endpoint["model"],
        key=key,
        timeout_s=endpoint["timeout_s"],
        headers=header_fields(read_headers(endpoint["headers"], os.environ)),
    )


def trusted_server(endpoint: EndpointOptions, url: str) -> ScoringServer:
    """Another server, with the key and the timeout of the options, and the headers where it has the same origin."""
    from paretoken.foreign_http import same_origin

    headers = endpoint["headers"] if same_origin(url, endpoint["url"]) else ()
    return server_at({**endpoint, "url": url, "model": None, "headers": headers})


def seed_or_new(seed: int | None) -> int:
    return seed if seed is not None else int.from_bytes(os.urandom(4), "little")


def generator(seed: int | None) -> np.random.Generator:
    import numpy as np

    return np.random.default_rng(seed_or_new(seed))


def limits_of(file: Path | None) -> DriftLimits:
    """The limits of a reference, or the defaults."""
    from paretoken.accuracy.limits import DEFAULT
    from paretoken.accuracy.reference import read_reference

    return read_reference(file).limits if file else DEFAULT


def split_names(text: str) -> tuple[str, ...]:
    """Comma-separated names; none of them for "none"."""
    return tuple(name for part in text.split(",") if (name := part.strip()) and name != "none")


def is_url(text: str) -> bool:
    return "://" in text


def reference_at(file_or_url: str, endpoint: EndpointOptions, plan: GatePlan, progress_of: ProgressOf) -> Reference:
    """The reference in a file, or one made of a trusted server now."""
    from paretoken.accuracy.gate import calibrate
    from paretoken.accuracy.reference import ReferenceKey, read_reference

    if not is_url(file_or_url):
        return read_reference(Path(file_or_url))
    trusted = trusted_server(endpoint, file_or_url)
    return calibrate(trusted, None, ReferenceKey(trusted.model), plan, progress_of)


@contextmanager
def progress() -> Iterator[ProgressOf]:
    """A bar for each tier on a terminal; yields the function that makes one by its name."""
    from rich.progress import Progress

    from paretoken.cli.output import console

    with Progress(console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars:

        def progress_of(name: str) -> Callable[[int, int], None]:
            bar = bars.add_task(name, total=None)
            return lambda done, total: bars.update(bar, completed=done, total=total)

        yield progress_of


def conclude(
    server: ScoringServer,
    url: str,
    verdicts: Sequence[TierVerdict],
    *,
    out: Path,
    as_json: bool,
    reference: Reference | None = None,
) -> None:
    """Write and show verdicts; EndpointFailed, once they are written, if the endpoint broke off."""
    from dataclasses import asdict

    from paretoken.accuracy.gate import gate_of
    from paretoken.accuracy.gate_file import write_gate
    from paretoken.cli.output import console, print_json, print_table
    from paretoken.errors import EndpointFailed

    gate = gate_of(server, url, verdicts, reference)
    write_gate(gate, out)
    if as_json:
        document: Mapping[str, object] = {"verdict": gate.verdict, **asdict(gate)}
        print_json(document)
    else:
        rows = [(v.title, v.verdict, v.why) for v in gate.tiers]
        print_table(f"Accuracy of {gate.model} at {gate.endpoint}", ("tier", "verdict", "why"), rows)
        console().print(f"Gate: {gate.verdict}. Written to {out}")
    if broke := next((v.stopped for v in gate.tiers if v.stopped), None):
        raise EndpointFailed(f"{broke}; the results so far are in {out}")
