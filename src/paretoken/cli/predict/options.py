"""The options that the verbs of prediction share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click
from click.globals import get_current_context
from click.types import ParamType

from paretoken.cli.context import given, stated
from paretoken.cli.names import ACCELERATOR, ENGINE, MODEL, PRECISION, TOKENS
from paretoken.cli.options import Decorator, Finite, catalog_folders, stack, workload
from paretoken.errors import BadConfig, quoted
from paretoken.predict.request import FIELDS, LENGTH_RANGE_RATIO, SETTINGS, nested
from paretoken.predict.settings import (
    OTHER_NAMES,
    EngineSettings,
    SettingField,
    kv_tokens_in,
    setting_fields,
)
from paretoken.predict.speculation import method_and_tokens


class KvTokens(ParamType[int]):
    """Tokens of a KV cache: a number, or the line of a server's log that states it."""

    name = "integer or log line"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return value if isinstance(value, int) else kv_tokens_in(value)


class FileToWrite(ParamType[Path]):
    """A file to write, in the format that the ending of its name states."""

    name = "path"

    def __init__(self, *endings: str) -> None:
        self.endings = endings

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        if path.suffix.lower() not in self.endings:
            option = f"{param.opts[0]} is " if param else ""
            raise BadConfig(f"{option}{quoted(str(path))}; end the file name in {' or '.join(self.endings)}")
        return path


_TYPES: dict[type, Any] = {int: click.INT, float: Finite(), str: click.STRING}


def _setting(setting: SettingField) -> Decorator:
    """The option of one engine setting."""
    names = [f"--{name.replace('_', '-')}" for name in OTHER_NAMES.get(setting.name, (setting.name,))]
    text = f"{setting.text}."
    if setting.kind is bool:
        return click.option(*names, setting.name, is_flag=True, help=text)
    kind = KvTokens() if setting.name == "kv_tokens" else _TYPES[setting.kind]
    shown = setting.default is not None
    return click.option(*names, setting.name, type=kind, default=setting.default, show_default=shown, help=text)


settings = stack(*map(_setting, setting_fields()))
"""One option for each setting of `EngineSettings`."""
memory_settings = stack(*(_setting(s) for s in setting_fields() if s.name not in ("kv_tokens", "prefix_hits")))
"""The settings that determine the size of the KV cache."""
deployment = stack(
    click.option(
        "--serve-command",
        metavar="TEXT",
        help="Read the deployment from the command that starts the server: its text, or @FILE. "
        "Options add what it does not state.",
    ),
    click.option("--ignore-unknown-flags", is_flag=True, help="Ignore unknown flags of --serve-command."),
    click.option("--accelerator", type=ACCELERATOR, help="Accelerator, by any name in the catalog."),
    click.option(
        "--model",
        type=MODEL,
        help="Model, by any name in the catalog, or org/name on the Hugging Face hub, a folder, or a config.json.",
    ),
    click.option(
        "--precision",
        type=PRECISION,
        metavar="TEXT",
        help="Precision of the weights in any spelling: bf16, fp8, nvfp4, w4a16, … (default: the model's own).",
    ),
    click.option("--engine", type=ENGINE, help="Engine: vllm, sglang, trtllm, …"),
    click.option(
        "--tp",
        default="auto",
        show_default=True,
        help="Tensor-parallel size; auto takes all that fit, or in `emulate` the smallest.",
    ),
    click.option(
        "--pp", type=click.IntRange(1), default=1, show_default=True, help="Pipeline stages of --tp GPUs each."
    ),
    click.option(
        "--gpus",
        type=click.IntRange(1),
        help="Total GPUs, if more than tp x pp (replicas, attention-DP groups).",
    ),
    click.option("--ep", type=click.IntRange(1), default=1, show_default=True, help="Expert-parallel size."),
    click.option("--dp-attention", is_flag=True, help="Use attention data parallelism."),
    click.option(
        "--speculative",
        metavar="METHOD[:TOKENS]",
        default="none",
        show_default=True,
        help="Speculative decoding and drafted tokens per step: mtp:3, eagle3, ngram, draft_model, medusa, dspark.",
    ),
    click.option("--speculative-tokens", type=int, help="Drafted tokens per step, if not in --speculative."),
    click.option(
        "--acceptance",
        "acceptance_length",
        type=Finite(),
        help="Mean tokens that a step yields, from 1 to 1 + drafted (default: the calibrated length).",
    ),
    click.option(
        "--draft-model",
        metavar="NAME",
        default="",
        help="Draft model of --speculative draft_model: a name in the catalog, or its size, as in 1.5b.",
    ),
    click.option("--date", help="Date of the engine, YYYY-MM-DD (default: that of the published points)."),
    settings,
    catalog_folders,
)
"""Every option of a deployment."""
DEPLOYMENT_ONLY = (
    *(
        "--tp",
        "--pp",
        "--gpus",
        "--ep",
        "--dp-attention",
        "--speculative",
        "--date",
        "--kv-cache-dtype",
        "--calibration",
    ),
    "--draft-model",
    *("--gpu-memory-utilization", "--weights-gb", "--enforce-eager", "--redundant-experts", "--cp"),
    "--two-batch-overlap",
    *("--workload", "--isl", "--osl", "--length-range-ratio"),
)
"""Options that have no meaning without a predicted deployment."""
length_range_ratio = click.option(
    "--length-range-ratio",
    type=Finite(),
    default=LENGTH_RANGE_RATIO,
    show_default=True,
    help="Draw lengths uniformly from [ratio, 1] of nominal; 1 for equal lengths.",
)


def nominal_lengths(default: int | None = None) -> Decorator:
    """The options --workload, --isl and --osl; `lengths_of` reads them."""
    shown = default is not None
    return stack(
        workload,
        click.option(
            "--isl", type=TOKENS, default=default, show_default=shown, help="Input length in tokens: 1024, 1k, …"
        ),
        click.option("--osl", type=TOKENS, default=default, show_default=shown, help="Output length in tokens."),
    )


lengths = stack(nominal_lengths(), length_range_ratio)


def cache_tiers(condition: str, each: str = "") -> Decorator:
    """The options of the tiers below the KV cache of the GPUs; their help begins with `condition`."""
    return stack(
        *(
            click.option(
                f"--{name}-cache",
                f"{name}_cache_gb",
                type=Finite(0),
                default=0.0,
                metavar="GB",
                help=f"{condition}: {where} for the KV cache{each}.",
            )
            for name, where in (("host", "host memory"), ("ssd", "SSD"))
        )
    )


calibration = click.option(
    "--calibration", type=click.Path(path_type=Path), help="Calibration file (default: the shipped one)."
)


def request_fields(options: dict[str, Any]) -> dict[str, Any]:
    """The options of `deployment` as the fields of a `DeploymentRequest`; BadConfig names the first missing one.

    Prints notes on the parts of a serve command that are not predicted.
    """
    values = {name: options[name] for name in FIELDS} | {"tp": _tensor_parallel_size(options["tp"])}
    values |= _method_and_tokens(values)
    if options["serve_command"] is not None:
        values = _served(values, options)
    elif options["ignore_unknown_flags"]:
        raise BadConfig("--ignore-unknown-flags needs --serve-command")
    for name in ("accelerator", "model", "engine"):
        _required(name, values[name])
    return nested(values)


def _method_and_tokens(values: dict[str, Any]) -> dict[str, Any]:
    """The method and the drafted tokens, which it may state; BadConfig for two numbers, or an empty method."""
    if not values["speculative"].strip():
        raise BadConfig("--speculative is empty; write a method such as mtp:3, or none")
    method, tokens = method_and_tokens(values["speculative"])
    stated = values["speculative_tokens"]
    if None not in (tokens, stated) and tokens != stated:
        raise BadConfig(
            f"--speculative is {values['speculative']}, but --speculative-tokens is {stated}; state one of them"
        )
    return {"speculative": method, "speculative_tokens": stated if tokens is None else tokens}


def _served(values: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The values with those of the serve command."""
    from paretoken.catalog.loader import load_catalog
    from paretoken.cli.predict.notes import print_notes
    from paretoken.cli.predict.serve_command import with_serve_command
    from paretoken.predict.serve_command.read import read_serve_command

    catalog = load_catalog(*options["catalog_folders"])
    served = read_serve_command(options["serve_command"], catalog, ignore_unknown_flags=options["ignore_unknown_flags"])
    print_notes(served.notices)
    overrides = frozenset(
        name
        for name in FIELDS
        if (stated(name) or (name == "speculative_tokens" and stated("speculative"))) and values[name] is not None
    )
    return with_serve_command(values, overrides, served, catalog)


def question_fields(options: dict[str, Any]) -> dict[str, Any]:
    """The options of `deployment`, `lengths` and `calibration` as the fields of a `DeploymentQuestion`."""
    fields = request_fields(options)
    isl, osl = lengths_of(options)
    return fields | {
        "isl": isl,
        "osl": osl,
        "length_range_ratio": options["length_range_ratio"],
        "calibration": options["calibration"],
        "catalog": options["catalog_folders"],
    }


def lengths_of(options: dict[str, Any]) -> tuple[int, int]:
    """(ISL, OSL) in tokens of `nominal_lengths`; BadConfig if they are missing, or stated twice."""
    if options["workload"] is None:
        if options["isl"] is None or options["osl"] is None:
            missing = "--isl is" if options["osl"] else "--osl is" if options["isl"] else "--isl and --osl are"
            raise BadConfig(f"{missing} missing; add --isl and --osl, or --workload such as chat, 8k1k or 3k/700")
        return options["isl"], options["osl"]
    if given("isl") or given("osl"):
        raise BadConfig("use --workload, or --isl and --osl, not both")
    from paretoken.catalog.loader import load_catalog

    chosen = load_catalog(*options["catalog_folders"]).workload(options["workload"])
    return chosen.isl, chosen.osl


def settings_of_options(options: dict[str, Any]) -> EngineSettings:
    """The settings of an engine, without a deployment."""
    return EngineSettings(**{name: options[name] for name in SETTINGS if name in options})


def on_the_command_line() -> set[str]:
    """The options of the running command that are on its command line, by their first spelling."""
    return {option.opts[0] for option in get_current_context().command.params if option.name and given(option.name)}


def stated_options() -> set[str]:
    """The options that are typed, or set by the environment or a configuration file, by their first spelling."""
    return {option.opts[0] for option in get_current_context().command.params if option.name and stated(option.name)}


def _required(name: str, value: Any) -> Any:
    if value is None:
        raise BadConfig(f"--{name} is missing; add it")
    return value


def _tensor_parallel_size(text: str) -> int | None:
    """The size that --tp states; None for auto."""
    if text == "auto":
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 7):
        raise BadConfig(f"--tp is {text!r}; use a whole number or auto")
    return int(text)
