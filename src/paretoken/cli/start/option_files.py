"""Configuration files made of the options that read them: their keys, help, defaults and an example of each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import rich_click as click

from paretoken.cli.option_keys import commands, is_confirmation, options_of
from paretoken.cli.project_keys import may_be_of_project
from paretoken.start.commented import HINT, Setting, SettingsTable, document

EXAMPLES: Mapping[str, object] = {
    "acceptance": 2.5,
    "accelerator": "H200",
    "against": "H200",
    "adapters": "billing:2,support",
    "api-key-file": "key.txt",
    "as-of": date(2026, 5, 1),
    "at": date(2026, 8, 31),
    "bundle": "shipped",
    "burstiness": 0.5,
    "cafile": "ca.pem",
    "calibration": "calibration.parquet",
    "catalog": "my-catalog",
    "catalog-model": "llama-3-70b",
    "compare": ["runs/a", "runs/b"],
    "concurrency": "1:32:x2",
    "currency": "EUR",
    "date": date(2026, 5, 1),
    "dialect": "vllm",
    "disaggregated": "1xDEP8+1xDEP8",
    "draft-model": "llama-3.2-1b",
    "engine": "vllm",
    "extra-body": '{"top_p": 1}',
    "header": "X-Team: inference",
    "images": "2x512x512",
    "interactivity": 40.0,
    "isl": 1024,
    "kv-cache-dtype": "fp8",
    "log": "requests.jsonl",
    "max-gpus": 64,
    "metrics": "http://127.0.0.1:9090",
    "model": "llama-3-70b",
    "mw": 10.0,
    "origin": "measured",
    "osl": 1024,
    "out": "results",
    "peak": "3x@14:00/30m",
    "points": "points.parquet",
    "precision": "fp8",
    "prefix-share": 0.5,
    "price": "MI355X=2.60",
    "prices": "rental-prices",
    "query": "api-version=2024-10-21",
    "rate": "2",
    "ray": "auto",
    "requests-per-session": 4.0,
    "reserved": "1-year=3.10",
    "resume": "runs/a",
    "served-model": "llama",
    "set": "owner.toml",
    "since": "7d",
    "slo": "ttft_p99=2s,tpot_p50=50ms",
    "speculative": "mtp",
    "speculative-tokens": 3,
    "split": 8192,
    "step": "60s",
    "task": 4.0,
    "tco": "2026-07",
    "tier": "neocloud",
    "tokenizer": "tokenizer.json",
    "tp": 8,
    "trace": "trace.jsonl",
    "ttft": "p99=2s",
    "turns": "4",
    "until": "60s",
    "usd-rate": 0.92,
    "weight": 2.0,
    "workload": "chat",
}
"""Values to show for options without a default, by the key of the option."""
STATED: Mapping[str, Mapping[str, object]] = {
    "plan": {
        "model": "llama-3-70b",
        "precision": ["fp8"],
        "slo": "ttft_p95=2s,tpot=50ms",
        "rate": "2000/min",
        "isl": "lognormal:1800:1.1",
        "osl": "lognormal:250:0.8",
        "day-curve": "office",
    },
    "bench": {"concurrency": "1:32:x2"},
}
"""What the file of a verb sets: a plan needs a model, limits and traffic."""
COMMANDS = {"plan": "paretoken plan --config {path}", "bench": "paretoken bench URL --config {path}"}
_INSTEAD = {
    "plan": {"log": "rate, isl and osl", "metrics": "rate, isl and osl"},
    "bench": {"rate": "concurrency", "turns": "trace", "images": "trace", "weight": 'balance = "round_robin"'},
}
SHARED_KEYS = (
    *("accelerator", "model", "precision", "workload", "engine", "slo"),
    *("price", "tco", "tier", "operator", "cost-of-capital", "currency", "usd-rate", "bundle"),
)
"""Options that mean the same in most verbs and any file may state, which a file of defaults shows first."""


def of_options(
    words: Sequence[str], command: click.Command, stated: Mapping[str, object] | None = None
) -> SettingsTable:
    """The table of a verb: a setting for every option that a file may state."""
    stated = stated or {}
    instead = _INSTEAD.get(" ".join(words), {})
    settings = tuple(
        setting_of(key, option, stated.get(key), instead.get(key, ""))
        for key, option in options_of(command).items()
        if not is_confirmation(key)
    )
    header = f"[{'.'.join(words)}]"
    return SettingsTable(header=header, about=summary(command), settings=settings, stated=bool(stated))


def setting_of(
    key: str, option: click.Option, stated: object = None, instead_of: str = "", name: str | None = None
) -> Setting:
    """An option as a setting, under its key or another `name`; its example is what could be typed after it."""
    default, about = _default(option), _about(option)
    value = stated if stated is not None else _value(key, option, default)
    return Setting(
        key=name or key,
        about=about,
        value=value,
        default=None if option.required or (default in ("", []) and "default:" in about) else default,
        stated=stated is not None,
        instead_of=instead_of,
    )


def _about(option: click.Option) -> str:
    """The help of an option, of a list where it is repeatable."""
    text = " ".join((option.help or "").split()).replace("repeatable", "a list")
    text = re.sub(r"\s*\[(default.*?)\]$", r" (\1)", text)
    return f"{text} Required." if option.required else text


def summary(command: click.Command) -> str:
    return " ".join((command.help or "").split("\n\n")[0].split())


def _default(option: click.Option) -> object:
    """The built-in default, "" for none."""
    default = option.to_info_dict()["default"]
    if isinstance(default, (bool, int, float, str)):
        return default
    if isinstance(default, (list, tuple)):
        return [str(v) for v in default]
    return str(default) if isinstance(default, Path) else False if option.is_flag else ""


def _value(key: str, option: click.Option, default: object) -> object:
    if option.is_flag:
        return default
    one = EXAMPLES.get(key, _of_type(option)) if default in ("", []) else default
    return [one] * abs(option.nargs) if (option.multiple or option.nargs != 1) and not isinstance(one, list) else one


def _of_type(option: click.Option) -> object:
    """A value that the type takes, for options whose form is in their help."""
    kind = option.type
    if isinstance(kind, click.Choice):
        return next(iter(kind.choices))
    if isinstance(kind, (click.IntRange, click.FloatRange)):
        least = kind.min or 0
        return type(least)(least + 1) if kind.min_open or not least else least
    if kind in (click.INT, click.FLOAT):
        return 1
    return (option.metavar or option.name or "").lower()


def config_file(root: click.Group) -> str:
    """The options that verbs share, with their meaning, and the keys of every verb."""
    every = list(commands(root))
    options = [(words, key, option) for words, command in every for key, option in options_of(command).items()]
    shared = []
    for key in SHARED_KEYS:
        verbs = list(dict.fromkeys(words[0] for words, own, _ in options if own == key))
        option = next(option for _, own, option in options if own == key)
        value = [EXAMPLES[key]] if key in EXAMPLES and option.multiple else EXAMPLES.get(key, _default(option))
        shared.append(Setting(key=key, about=f"{_about(option)} In: {', '.join(verbs)}", value=value))
    head = (
        "Defaults of options: ./paretoken.toml holds for a folder, ~/.config/paretoken/config.toml for you.\n"
        "What you type comes first, then the environment, then the file of the folder, then your own.\n"
        "A folder may come from others: keys that name a file, a server or a program belong in your own file.\n"
        f"API keys do not belong here; set PARETOKEN_API_KEY.\n{HINT}"
    )
    about = "Every verb that has the option takes it; keep what means the same to you everywhere."
    tables = [SettingsTable(header="[defaults]", about=about, settings=tuple(shared))]
    for words, command in every:
        if text := _keys(command):
            about = f"{summary(command)} {text}"
            tables.append(SettingsTable(header=f"[{'.'.join(words)}]", about=about))
    return document(head, tables)


def _keys(command: click.Command) -> str:
    """The keys of a verb, then those that only your own file may state; "" for a verb without any."""
    keys = {key: may_be_of_project(o) for key, o in options_of(command).items() if not is_confirmation(key)}
    anywhere, own = [key for key in keys if keys[key]], [key for key in keys if not keys[key]]
    texts = (("Keys", anywhere), ("Only in your own file", own))
    return " ".join(f"{title}: {', '.join(names)}." for title, names in texts if names)


def bench_settings(root: click.Group) -> tuple[Setting, ...]:
    """The options of a benchmark by the names of its settings, as a campaign takes them."""
    command = next(c for words, c in commands(root) if words == ("bench",))
    return tuple(
        setting_of(key, option, instead_of=_INSTEAD["bench"].get(key, ""), name=option.name)
        for key, option in options_of(command).items()
    )


def verb_file(verb: str, root: click.Group) -> str:
    """The options of one verb, with those set that it needs."""
    command = next(c for words, c in commands(root) if words == (verb,))
    head = f"Options of paretoken {verb}; what you type comes first.\n{HINT}"
    return document(head, [of_options((verb,), command, STATED[verb])])
