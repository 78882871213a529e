"""`paretoken mcp`: every question as a tool of an agent."""

from __future__ import annotations

import os
from pathlib import Path

import rich_click as click

from paretoken.cli.output import echo
from paretoken.cli.serve.options import listening
from paretoken.errors import BadConfig


@click.command("mcp")
@click.argument("folder", required=False, default=".", type=Path, metavar="[FOLDER]")
@click.option("--http", is_flag=True, help="Serve streamable HTTP at /mcp instead of standard input and output.")
@listening
def command(
    folder: Path,
    http: bool,
    host: str,
    port: int,
    token_file: Path | None,
    allowed_origins: tuple[str, ...],
    limit_s: float,
) -> None:
    """Serve every question as a tool, by the Model Context Protocol.

    The client starts this command and talks to it. Questions read the files of FOLDER alone, the current folder by
    default.

    \b
    Examples:
      paretoken mcp runs
      paretoken mcp runs --http
      claude mcp add paretoken -- paretoken mcp runs
    """
    from paretoken.serve.running import token_of
    from paretoken.serve.settings import ServeSettings

    try:
        from paretoken.serve.agents.mcp import over_http, over_stdio
    except ImportError as e:
        raise BadConfig(f"'paretoken mcp' needs {e.name}; pip install 'paretoken[mcp]'") from e
    token = token_of(token_file, os.environ) if http else None
    settings = ServeSettings(folder=folder, host=host, port=port, token=token, origins=allowed_origins, limit_s=limit_s)
    if http:
        over_http(settings, echo)
    else:
        over_stdio(settings)
