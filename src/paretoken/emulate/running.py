"""The server as a program: what it needs from the process around it."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

from paretoken.emulate.prompt import EncodedTokens, QuarterTokens, TextTokens
from paretoken.emulate.server import EmulatedServer
from paretoken.emulate.settings import EmulatorSettings
from paretoken.emulated import marked
from paretoken.errors import BadConfig, BadFile

MOST_FILES = 65_536


def serve(
    settings: EmulatorSettings, host: str, port: int, say: Callable[[str], None], *, realtime: bool = False
) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises BadConfig where the port is taken, or `realtime` is not allowed."""
    _allow_files()
    if realtime:
        _come_first()
    server = EmulatedServer(settings, host, port)

    def end(number: int, frame: FrameType | None) -> None:
        server.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)  # a collection in the middle of a step would be seen in the ITL
    root = server.base_url.removesuffix("/v1")
    say(f"{marked(settings.model)} at {server.base_url}, counters at {root}/metrics; Ctrl-C stops it")
    server.run()


def text_tokens(tokenizer: Path | None) -> TextTokens:
    """The tokens of texts: by the tokenizer in a file, or an estimate. Raises BadConfig, BadFile."""
    if tokenizer is None:
        return QuarterTokens()
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise BadConfig("--tokenizer needs the package tokenizers: pip install 'paretoken[tokenizer]'") from None
    file = tokenizer / "tokenizer.json" if tokenizer.is_dir() else tokenizer
    try:
        loaded = Tokenizer.from_file(str(file))
    except Exception as error:
        raise BadFile(f"{file}: no tokenizer: {error}") from None
    return EncodedTokens(lambda text: list(loaded.encode(text).ids))


def _come_first() -> None:
    """Ask for real-time scheduling: no other program then takes the core while a token is due."""
    if not hasattr(os, "sched_setscheduler"):
        raise BadConfig("--realtime needs Linux: this system has no real-time scheduling")
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        raise BadConfig("--realtime is not permitted: run as root, or have `ulimit -r` allow 1") from None


def _allow_files() -> None:
    """Let the process hold thousands of connections, as far as the system lets it."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
        if soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
