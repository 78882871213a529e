"""The app as a program: its port, its token, and its end."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from paretoken.access_rules import is_loopback_host
from paretoken.errors import BadConfig
from paretoken.plain_files import read_bytes
from paretoken.serve.settings import ServeSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp
    from uvicorn import Config

TOKEN_VARIABLE = "PARETOKEN_SERVE_TOKEN"  # noqa: S105 - its name
MOST_CONNECTIONS = 512
SHUTDOWN_S = 2
"""How long open responses may go on after Ctrl-C."""


def serve(settings: ServeSettings, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM. BadConfig where the port is taken, or the libraries are missing."""
    try:
        import uvicorn

        from paretoken.serve.app import create_app
    except ImportError as e:
        raise BadConfig(f"'paretoken serve' needs {e.name}; pip install 'paretoken[serve]'") from e
    listening = listen(settings.host, settings.port)
    config = config_of(create_app(settings))
    who = "this machine only" if is_loopback_host(settings.host) else "clients with the token"
    say(f"{settings.folder} at {place_of(settings.host, listening)} for {who}; Ctrl-C stops it")
    with listening, suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([listening])


def token_of(file: Path | None, environment: Mapping[str, str]) -> str | None:
    """The token of a file, else of PARETOKEN_SERVE_TOKEN; None without either.

    BadConfig for what no header can hold.
    """
    where = f"the token file {file}" if file else TOKEN_VARIABLE
    text = read_bytes(file, "token file").decode("utf-8", "replace") if file else environment.get(TOKEN_VARIABLE, "")
    token = text.strip()
    if not token and file is None:
        return None
    if not token or not (token.isascii() and token.isprintable()) or " " in token:
        raise BadConfig(
            f"{where} must hold one line of ASCII characters without spaces; make one with openssl rand -hex 16"
        )
    return token


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; BadConfig where it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family, backlog=MOST_CONNECTIONS)
    except OSError as e:
        raise BadConfig(
            f"cannot listen at {host} port {port}: {e.strerror or e}; choose others with --host, --port"
        ) from e


def config_of(app: ASGIApp) -> Config:
    """How uvicorn serves an app: quietly, to a bounded number of clients, with a bounded end."""
    from uvicorn import Config

    from paretoken.serve.access.patience import PatientProtocol

    return Config(
        app,
        http=PatientProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )


def place_of(host: str, listening: socket.socket) -> str:
    """The address of a server, with the port that it got."""
    name = f"[{host.strip('[]')}]" if ":" in host else host
    return f"http://{name}:{listening.getsockname()[1]}/"
