"""A run begun or resumed: everything that can be wrong is found before load is sent."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from paretoken.bench.config import BenchConfig
from paretoken.bench.keys import ApiKey, key_for
from paretoken.bench.labels import check_labels
from paretoken.bench.run_folder import RUN, RunFolder
from paretoken.bench.schedule import LoadSchedule, load_schedule
from paretoken.bench.secrets import MASK, same_but_secrets, shown_command
from paretoken.bench.server_url import same_servers
from paretoken.bench.setup import Setup, prepare
from paretoken.errors import BadConfig
from paretoken.foreign_text import visible

if TYPE_CHECKING:
    from paretoken.catalog.loader import Catalog


@dataclass(frozen=True, slots=True)
class Run:
    """A run ready to measure: its setup, its folder, and which load comes next."""

    setup: Setup
    folder: RunFolder
    schedule: LoadSchedule


def new_folder() -> Path:
    """`runs/2026-11-24-101500`, by the local time."""
    return Path("runs") / datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")


def begin(
    config: BenchConfig,
    out: Path | None,
    *,
    key: ApiKey | None = None,
    force: bool = False,
    export_form: str | None = None,
) -> Run:
    """A new run; a setting that is wrong leaves no folder behind. The key goes to the URLs of `config`.

    `force` takes labels that look like slips of names in the catalog.
    """
    labels, key = check_labels(config, force), key or ApiKey()
    setup = prepare_with(config, key)
    return begin_with(replace(setup, notes=(*labels, *notes_of(key), *setup.notes)), out, export_form=export_form)


def begin_with(setup: Setup, out: Path | None, *, export_form: str | None = None) -> Run:
    """A new run of a setup."""
    check_export(export_form, setup.config)
    schedule = load_schedule(setup)
    folder = RunFolder(out or new_folder())
    folder.create(setup.metadata(shlex.join(["paretoken", *shown_command(sys.argv[1:])])))
    return Run(setup, folder, schedule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restated:
    """What a user states again to continue a run, since no folder holds it or may decide it.

    `urls` name the servers, `key_file` the API key; the others are as on the command line. A folder
    may not decide which certificates are trusted.
    """

    urls: tuple[str, ...] = ()
    key_file: Path | None = None
    headers: tuple[str, ...] = ()
    extra_body: str | None = None
    cafile: str | None = None
    insecure: bool = False


def resume(
    place: Path, restated: Restated | None = None, *, force: bool = False, export_form: str | None = None
) -> Run:
    """A run to continue. BadConfig if the server has changed since it began, unless `force`.

    A run folder may come from anyone, so it cannot choose who gets a key: keys and headers go to its servers only
    where the user names them.
    """
    restated = restated or Restated()
    folder = RunFolder(place)
    metadata = folder.metadata()
    config = _restored(BenchConfig.of_dict(metadata.config, place / RUN), restated, place)
    key = key_for(config.urls, os.environ, restated.key_file)
    if key.value and not restated.urls:
        command = shlex.join(["paretoken", "bench", *config.urls, "--resume", str(place)])
        key = ApiKey(note=f"no API key is sent, because {place} names the server; to send it, run: {visible(command)}")
    setup = prepare_with(config, key)
    if setup.origin != metadata.origin:
        raise BadConfig(
            f"{place} holds {metadata.origin} levels, but the server now is {setup.origin}; begin a new run with --out"
        )
    if metadata.workload and setup.workload != metadata.workload:
        raise BadConfig(
            f"{place} plays {metadata.workload}, but its sessions now are {setup.workload}, as the trace, the catalog "
            "or the server's context has changed; begin a new run with --out"
        )
    changes = setup.changes(metadata)
    if changes and not force:
        raise BadConfig(f"the server has changed since {place} began: {'; '.join(changes)}; add --force to continue")
    check_export(export_form, setup.config)
    setup = replace(setup, notes=(*notes_of(key), *setup.notes))
    return Run(setup, folder, load_schedule(setup))


def _restored(config: BenchConfig, restated: Restated, place: Path) -> BenchConfig:
    """The configuration of a run with its secrets as stated again; BadConfig where one is missing."""
    if restated.urls and not same_servers(restated.urls, config.urls):
        urls = visible(" ".join(config.urls))
        raise BadConfig(f"{place} measured {urls}; name the same servers, or begin a new run")
    config = replace(config, cafile=restated.cafile, insecure=restated.insecure)
    names = [header.partition(":")[0] for header in config.headers]
    again = [header.partition(":")[0] for header in restated.headers]
    if missing := [name for name in names if name.lower() not in map(str.lower, again)]:
        raise BadConfig(
            f"the value of the header {visible(missing[0])} is not kept with {place}; "
            f"add --header '{visible(missing[0])}: $VARIABLE'"
        )
    if (restated.headers or names) and not restated.urls:
        raise BadConfig(f"name the servers that get the headers: paretoken bench URL --resume {place} --header …")
    if restated.extra_body is not None:
        if config.extra_body is None or not same_but_secrets(restated.extra_body, config.extra_body):
            raise BadConfig(f"--extra-body differs from that of {place}; give the same, or begin a new run")
        return replace(config, headers=restated.headers, extra_body=restated.extra_body)
    if config.extra_body and f'"{MASK}"' in config.extra_body:
        raise BadConfig(f"the secrets in --extra-body are not kept with {place}; add the same --extra-body again")
    return replace(config, headers=restated.headers)


def prepare_with(config: BenchConfig, key: ApiKey, catalog: Catalog | None = None) -> Setup:
    """`prepare` with a key; where the server wants one, the error says why a key that is set is not sent."""
    try:
        return prepare(config, api_key=key.value, catalog=catalog)
    except BadConfig as e:
        raise BadConfig(f"{e} ({key.note})") if key.note and "API key" in str(e) else e from None


def notes_of(key: ApiKey) -> tuple[str, ...]:
    """The note on a key, if there is one."""
    return (key.note,) if key.note else ()


def check_export(form: str | None, config: BenchConfig) -> None:
    """BadConfig for a form that cannot hold an open loop."""
    if form == "inferencex" and (config.rate is not None or config.arrivals == "trace"):
        raise BadConfig("--export inferencex needs a closed loop; use --concurrency, or --export vllm")
