"""Run the plans that the documents show, and put what they print below them: `python tools/plan_docs.py`.

A plan is shown in a fenced block that begins with `$ paretoken plan`, in README.md or a page of docs/. Everything from
there to the next line that begins with `$`, or to the end of the block, is its output. Plans run one after another in
the root of the repository, in a terminal of 118 columns, or into the pipe that the command has. Each takes one to two
minutes on two cores.

    --list          print the commands and run nothing
    --only TEXT     run the commands that contain this text (repeatable)
    --in-terminal …  run `paretoken …` in the terminal, and print what it shows
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
COLUMNS = 118
BLOCK = re.compile(r"^```\n(\$ paretoken plan .*?)^```", re.DOTALL | re.MULTILINE)
SHOWN = re.compile(r"^\$ ((?:.*\\\n)*.*\n)((?:(?!\$ ).*\n)*)", re.MULTILINE)
"""A command with its continued lines, and its output."""


STYLES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(text: str) -> Iterator[str]:
    """The plans that a page shows, as they are written."""
    for block in BLOCK.finditer(text):
        yield from (shown[1] for shown in SHOWN.finditer(block[1]))


def refreshed(text: str, output: Callable[[str], str | None]) -> str:
    """A page with the output of each command, which stays as it is where `output` gives None."""

    def one(shown: re.Match[str]) -> str:
        new = output(shown[1])
        return shown[0] if new is None else f"$ {shown[1]}{new}"

    return BLOCK.sub(lambda block: f"```\n{SHOWN.sub(one, block[1])}```", text)


def run(command: str) -> str | None:
    """What a command prints, without spaces at the ends of lines; None where it fails, which is printed."""
    run_in = "-m paretoken" if "|" in command else f"{__file__} --in-terminal"  # a pipe is no terminal
    script = f'paretoken() {{ {shlex.quote(sys.executable)} {run_in} "$@"; }}\n{command}'
    env = {**os.environ, "NO_COLOR": "1"}
    started = time.monotonic()
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    print(f"{time.monotonic() - started:4.0f} s  {' '.join(command.split())}", file=sys.stderr)
    if done.returncode or not done.stdout:
        print(f"  exit {done.returncode}: {done.stderr[-2000:]}", file=sys.stderr)
        return None
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def in_terminal(args: Sequence[str]) -> int:
    """Run the command in a terminal of COLUMNS, copy what it shows to stdout, and give its exit code."""
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen([sys.executable, "-m", "paretoken", *args], stdout=inside, env=env) as process:
        os.close(inside)
        with suppress(OSError):  # EIO once the other side is closed
            while part := os.read(terminal, 65536):
                sys.stdout.write(STYLES.sub("", part.decode(errors="replace")).replace("\r\n", "\n"))
    os.close(terminal)
    return process.returncode


def main(args: Sequence[str] | None = None) -> None:
    words = list(sys.argv[1:] if args is None else args)
    if words[:1] == ["--in-terminal"]:
        sys.exit(in_terminal(words[1:]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT")
    options = parser.parse_args(words)

    shown = [(page, command) for page in pages() for command in commands(page.read_text(encoding="utf-8"))]
    wanted = [x for x in shown if not options.only or any(text in x[1] for text in options.only)]
    if options.list:
        for page, command in wanted:
            print(f"{page.relative_to(ROOT)}: {' '.join(command.split())}")
        return
    outputs = {command: run(command) for command in dict.fromkeys(command for _, command in wanted)}
    for page in pages():
        text = page.read_text(encoding="utf-8")
        if (new := refreshed(text, outputs.get)) != text:
            page.write_text(new, encoding="utf-8")
    if None in outputs.values():
        sys.exit(1)


if __name__ == "__main__":
    main()
