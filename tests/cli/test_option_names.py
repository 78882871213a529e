"""One meaning, one name: every verb calls the same option the same."""

from __future__ import annotations

from collections import defaultdict

import rich_click as click

from paretoken.cli.main import RENAMED, SUMMARIES, paretoken
from paretoken.cli.spellings import CANONICAL, NAMES

MEANINGS = {
    "Accelerator": "--accelerator",
    "Engine": "--engine",
    "Precision of the weights": "--precision",
    "GPUs that serve": "--gpus",
    "Concurrent requests": "--concurrency",
    "Arrival rate": "--rate",
    "Lengths by name": "--workload",
    "Input length": "--isl",
    "Output length": "--osl",
    "Latency limits": "--slo",
    "Own price of an accelerator": "--price",
    "Format of the KV cache": "--kv-cache-dtype",
    "Tokens that a step of speculative decoding yields": "--acceptance",
    "Where to write": "--out",
    "Own points": "--points",
    "Own catalog": "--catalog",
}
PARAMETERS = {
    "Accelerator": "accelerator accelerators",
    "Engine": "engine engines",
    "Precision of the weights": "precision precisions",
    "GPUs that serve": "gpus n_gpus",
    "Concurrent requests": "concurrency users",
    "Arrival rate": "rate",
    "Lengths by name": "workload",
    "Input length": "isl",
    "Output length": "osl",
    "Latency limits": "slo",
    "Own price of an accelerator": "price_usd_per_gpu_h",
    "Format of the KV cache": "kv_dtype kv_cache_dtype",
    "Tokens that a step of speculative decoding yields": "acceptance_length",
    "Where to write": "out",
    "Own points": "points files",
    "Own catalog": "catalog_folders",
}
"""The parameters in which commands keep each meaning."""
OTHER_MEANINGS = {
    ("launch", "gpus"): "--tp: the TP size is the number of GPUs of one server",
    ("predict", "source"): "--in: a table of configurations, not the name of a source",
    ("selfhost", "tiers"): "--tiers: a flag that lists the tiers of an API",
    ("validate", "--models"): "targets or all, not a model",
    ("accuracy calibrate", "--quantization"): "the flag of the server, part of the reference's key",
}
"""Parameters and options of one word with another meaning, and why."""
TAKES_LENGTHS = ("bench", "compare", "frontier", "cost", "breakeven", "tco", "advise", "selfhost", "plan")
TAKES_LENGTHS += ("predict", "explain", "emulate", "fit", "calibrate")
TAKES_SLO = ("bench", "quick", "compare", "advise", "tco", "selfhost", "predict", "plan")
TAKES_PRICE = ("study", "compare", "predict", "plan", "cost", "breakeven", "tco", "advise", "selfhost", "outlook")


def commands(name: str, command: click.Command) -> dict[str, click.Command]:
    inner = command.commands.items() if isinstance(command, click.Group) else ()
    return {name: command} | {k: v for part, sub in inner for k, v in commands(f"{name} {part}", sub).items()}


def everything() -> dict[str, click.Command]:
    context = click.Context(paretoken)
    verbs = ((verb, paretoken.get_command(context, verb)) for verb in (*SUMMARIES, *RENAMED))
    return {name: one for verb, command in verbs if command for name, one in commands(verb, command).items()}


def options(command: click.Command) -> list[click.Option]:
    return [param for param in command.params if isinstance(param, click.Option)]


def test_a_meaning_has_one_name_in_every_verb():
    meaning_of = {name: meaning for meaning, names in PARAMETERS.items() for name in names.split()}
    wrong = [
        (verb, option.opts[0], meaning_of[option.name])
        for verb, command in everything().items()
        for option in options(command)
        if option.name in meaning_of and (verb, option.name) not in OTHER_MEANINGS
        if option.opts[0] != MEANINGS[meaning_of[option.name]]
    ]
    assert not wrong


def test_a_parameter_has_one_option_in_every_verb():
    names: dict[str | None, set[str]] = defaultdict(set)
    for verb, command in everything().items():
        for option in options(command):
            if (verb, option.name) not in OTHER_MEANINGS:
                names[option.name].add(option.opts[0])
    assert {name: several for name, several in names.items() if len(several) > 1} == {}


def test_no_verb_has_an_option_by_a_name_that_stands_for_another():
    own = {
        (verb, name)
        for verb, command in everything().items()
        for option in options(command)
        for name in (*option.opts, *option.secondary_opts)
    }
    assert {(verb, name) for verb, name in own if name in CANONICAL} <= OTHER_MEANINGS.keys()


def test_every_name_is_an_option_of_some_verb_and_stands_for_one():
    own = {name for command in everything().values() for option in options(command) for name in option.opts}
    assert set(NAMES) <= own
    others = [other for names in NAMES.values() for other in names.split()]
    assert len(others) == len(set(others))
    assert not set(others) & set(NAMES)


def test_shared_options_are_in_every_verb_that_needs_them():
    for verbs, names in (
        (TAKES_LENGTHS, ("--workload", "--isl", "--osl")),
        (TAKES_SLO, ("--slo",)),
        (TAKES_PRICE, ("--price",)),
    ):
        for verb in verbs:
            own = {name for option in options(everything()[verb]) for name in option.opts}
            assert set(names) <= own, verb


def test_no_option_is_known_by_two_names_in_the_help():
    """A second name is understood, not listed; engines' two names of one setting and verbs of old commands excepted."""
    kept = {"--gpu-memory-utilization", "--log", "--operator"}
    double = {
        (verb, *option.opts)
        for verb, command in everything().items()
        for option in options(command)
        if len([name for name in option.opts if name.startswith("--")]) > 1 and option.opts[0] not in kept
    }
    assert not double
