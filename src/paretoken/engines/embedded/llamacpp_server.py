"""llama.cpp's own HTTP server out of the xllamacpp wheel: a program of its own, which runs until it is killed.

    python -P llamacpp_server.py '{"model": …, "announce": …}'

Once it listens, it writes the address into the file `announce`, if one is given: the port is then chosen by the
system as the server binds it, so no other program can take it in between.
"""

import json
import signal
import sys
from pathlib import Path
from typing import Any, NotRequired, TypedDict


class ServerOptions(TypedDict):
    """What the program is given as JSON."""

    model: str
    name: str
    port: int
    slots: int
    context: int
    threads: int
    prompt_cache: NotRequired[bool]
    announce: NotRequired[str]


def main(options: ServerOptions) -> None:
    """Serve until a signal ends the process."""
    import xllamacpp

    try:
        server = xllamacpp.Server(parameters(xllamacpp.CommonParams(), options))
    except RuntimeError as e:  # the reason is in the lines that llama.cpp printed before
        sys.exit(f"llama.cpp did not start: {e}")
    if "announce" in options:
        announce = Path(options["announce"])
        begun = announce.with_suffix(".part")
        begun.write_text(server.listening_address, encoding="utf-8")
        begun.rename(announce)
    while True:
        signal.pause()


def parameters(p: Any, options: ServerOptions) -> Any:
    """llama.cpp's parameters for a benchmark: without `prompt_cache`, no request reuses the cache of another."""
    p.model.path = options["model"]
    p.model_alias = {options["name"]}
    p.hostnames, p.port = ["127.0.0.1"], options["port"]
    p.n_parallel, p.n_ctx = options["slots"], options["slots"] * options["context"]
    # More connections than slots have to reach the server's own queue; each takes a thread there.
    p.n_threads_http = 2 * options["slots"] + 8
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = options["threads"]
    p.cont_batching = True
    p.cache_prompt, p.cache_idle_slots = options.get("prompt_cache", False), False
    p.cache_ram_mib = 0
    # The share of a prompt that a slot must hold already to be chosen for it; llama.cpp's own default.
    p.slot_prompt_similarity = 0.1 if p.cache_prompt else 0.0
    p.n_ctx_checkpoints = 0
    p.endpoint_metrics = p.endpoint_props = p.endpoint_slots = True
    p.ui = p.fit_params = False
    p.offline = True
    p.verbosity = 2  # warnings; one line for each request would cost the engine time
    return p


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
