"""Arguments of a benchmark client, from the `Namespace(…)` that it prints or the command that started it.

A command that starts the server (`vllm serve`, `sglang.launch_server`), or the `ServerArgs(…)` that SGLang logs, tells
the model and the tensor parallelism.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from paretoken.points.importers.figures import figure

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_NAMESPACE = re.compile(r"\bNamespace\((?=\w+=)")
_SERVER_ARGS = re.compile(r"\bServerArgs\((?=\w+=)")
_CLIENT = re.compile(r"\bbench(?:mark)?[ _]serv(?:e|ing)\b")
_SERVER = re.compile(r"\b(vllm serve|sglang\.launch_server|vllm\.entrypoints\.\S+)\b")
_ARGUMENT = re.compile(r"\b(\w+)=('[^']*'|\"[^\"]*\"|[^,()\s]+)")
_OPTION = re.compile(r"(?<![\w-])--?([A-Za-z][\w-]*)[ =]+(?!-)('[^']*'|\"[^\"]*\"|[^\s\\]+)")
_SERVED = re.compile(r"\bvllm serve\s+([^\s\\-][^\s\\]*)")
_TENSOR = ("tensor_parallel_size", "tp", "tp_size")
_LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class Settings:
    """What the client and the server were started with, as far as the text shows it; `server` is the engine's id."""

    client: Mapping[str, str] = field(default_factory=dict)
    served: Mapping[str, str] = field(default_factory=dict)
    server: str | None = None

    def get(self, name: str) -> str | None:
        """An argument of the client, None where it has none."""
        value = self.client.get(name)
        return None if value in (None, "None", "") else value

    def number(self, name: str) -> float | None:
        return figure(self.get(name))

    def columns(self) -> dict[str, object]:
        """The model, the lengths of random prompts and the tensor parallelism."""
        tensor = next((t for name in _TENSOR if (t := figure(self.served.get(name)))), None)
        return {"model": self.get("model") or self.served.get("model"), "tp": tensor, **self._lengths()}

    def _lengths(self) -> dict[str, object]:
        dataset = self.get("dataset_name")
        random = dataset is None or dataset.startswith("random")
        sides = (("isl", "input"), ("osl", "output"))
        return {
            side: self.number(f"{word}_len") or (self.number(f"random_{word}_len") if random else None)
            for side, word in sides
        }


def settings_of(lines: list[str], earlier: Settings) -> Settings:
    """The settings after these lines; a new start of the client forgets the arguments of the one before."""
    client, served, server = earlier.client, earlier.served, earlier.server
    for command in _commands(lines):
        if opening := _NAMESPACE.search(command):
            client = _arguments(command, opening.end())
        elif opening := _SERVER_ARGS.search(command):
            served = _arguments(command, opening.end())
            served, server = {"model": served.get("model_path", ""), **served}, "sglang"
        elif match := _SERVER.search(command):
            model = _SERVED.search(command)
            served = {"model": _bare(model[1])} if model else {}
            served |= _options(command)
            served["model"] = served.get("model") or served.get("model_path", "")
            server = "sglang" if "sglang" in match[1] else "vllm"
        elif _CLIENT.search(command):
            client = _options(command)
    return Settings(client, served, server)


def _commands(lines: list[str]) -> list[str]:
    """The lines, those that a backslash continues put together."""
    commands: list[str] = []
    continued = False
    for line in lines:
        short = line[:_LONGEST].strip().lstrip(">").strip()
        if continued and len(commands[-1]) < _LONGEST:
            commands[-1] += f" {short}"
        else:
            commands.append(short)
        continued = short.endswith("\\")
    return commands


def _arguments(command: str, start: int) -> dict[str, str]:
    return {name: _bare(value) for name, value in _ARGUMENT.findall(command, start)}


def _options(command: str) -> dict[str, str]:
    return {name.replace("-", "_"): _bare(value) for name, value in _OPTION.findall(command)}


def _bare(value: str) -> str:
    return value.strip("'\"")
