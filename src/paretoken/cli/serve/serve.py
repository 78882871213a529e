"""`paretoken serve`: the local web app and the HTTP API."""

from __future__ import annotations

import os
from pathlib import Path

import rich_click as click

from paretoken.cli.output import echo
from paretoken.cli.serve.options import listening


@click.command("serve")
@click.argument("folder", required=False, default=".", type=Path, metavar="[FOLDER]")
@listening
def command(
    folder: Path, host: str, port: int, token_file: Path | None, allowed_origins: tuple[str, ...], limit_s: float
) -> None:
    """Serve the web app and the HTTP API over a folder of runs.

    Questions read the files of FOLDER alone, the current folder by default. The token may also be in
    PARETOKEN_SERVE_TOKEN.

    \b
    Examples:
      paretoken serve runs
      paretoken serve runs --host 0.0.0.0 --token-file token.txt
      curl http://127.0.0.1:8210/api/v1/fit --json '{"model": "llama-3-70b"}'
    """
    from paretoken.serve.running import serve, token_of
    from paretoken.serve.settings import ServeSettings

    token = token_of(token_file, os.environ)
    serve(
        ServeSettings(folder=folder, host=host, port=port, token=token, origins=allowed_origins, limit_s=limit_s), echo
    )
