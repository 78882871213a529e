"""Options of verbs that listen."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from paretoken.cli.options import stack

listening = stack(
    click.option(
        "--host", default="127.0.0.1", show_default=True, help="Address to listen on; any other needs a token."
    ),
    click.option("--port", default=8210, show_default=True, type=click.IntRange(0, 65_535), help="Port to listen on."),
    click.option("--token-file", type=Path, metavar="FILE", help="File with the token that every request needs."),
    click.option(
        "--allow-origin",
        "allowed_origins",
        multiple=True,
        metavar="URL",
        help="Also answer at this address, such as that of a reverse proxy (repeatable).",
    ),
    click.option(
        "--limit-s",
        default=300.0,
        show_default=True,
        type=click.FloatRange(1, 86_400),
        help="Seconds that an answer may take.",
    ),
)
