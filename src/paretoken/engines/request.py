"""From the names of an engine and a model to the command that serves it: what `paretoken launch` starts or prints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.catalog.names import agreed_precision
from paretoken.catalog.recipe import Value
from paretoken.engines.command import Command, ServerSpec, command
from paretoken.engines.recipes import CPU, Override, recipe
from paretoken.errors import BadConfig, UnknownName

RANDOM = "random:"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRequest:
    """What to serve and how. `engine` is a name or a recipe file; `model` need not be in the catalog.

    `path` is a folder, a file or a hub name, or `random:SIZE` for random weights; None is the model's name. `sets` and
    `envs` are texts NAME=VALUE.
    """

    engine: str
    model: str
    path: str | None = None
    accelerator: str = CPU
    precision: str = ""
    gpus: int = 1
    ep: int = 1
    dp_attention: bool = False
    workload: str | None = None
    users: int = 32
    host: str = "127.0.0.1"
    port: int = 8000
    sets: tuple[str, ...] = ()
    envs: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    image: str = ""
    container: bool = False
    volumes: tuple[str, ...] = ()


def launch_command(request: LaunchRequest) -> Command:
    """The command that serves a request. UnknownName for a name, BadConfig for a value, that is wrong."""
    catalog, engine, path = load_catalog(), request.engine, request.path or request.model
    of = recipe(engine if engine.endswith(".toml") else catalog.engines.id_of(engine))
    on_cpu = request.accelerator.casefold() == "cpu"
    accelerator = CPU if on_cpu else catalog.accelerators.id_of(request.accelerator)
    if path.startswith(RANDOM):
        path = random_path(path.removeprefix(RANDOM), of.model_form)
    workload = catalog.workload(request.workload) if request.workload else None
    spec = ServerSpec(
        model=request.model,
        model_path=str(Path(path).resolve()) if Path(path).exists() else path,
        accelerator=accelerator,
        vendor=vendor_of(catalog, accelerator),
        kind=kind_of(catalog, request.model),
        precision=agreed_precision(request.model, request.precision) or "",
        gpus=request.gpus,
        ep=request.ep,
        dp_attention=request.dp_attention,
        isl=workload.isl if workload else 0,
        osl=workload.osl if workload else 0,
        longest=longest_of(catalog, request.workload) if request.workload else 0,
        users=request.users,
        host=request.host,
        port=request.port,
    )
    return command(of, spec, _override(request))


def vendor_of(catalog: Catalog, accelerator: str) -> str:
    """The maker of an accelerator; CPU for a CPU."""
    return CPU if accelerator == CPU else catalog.accelerators[accelerator].vendor


def kind_of(catalog: Catalog, model: str) -> str:
    """The kind of a catalog model, dense or moe; dense for any other."""
    return catalog.models[model].kind if model in catalog.models else "dense"


def longest_of(catalog: Catalog, workload: str) -> int:
    """Most tokens of one request of a workload, input and output."""
    lengths = catalog.workload(workload)
    return lengths.isl + lengths.osl


def random_path(size: str, model_form: str) -> str:
    """A small model with random weights, made on first use: a file for the form gguf, else a Hugging Face folder."""
    from paretoken.engines.embedded.random_llama import SIZES
    from paretoken.engines.embedded.tiny_model import cached_hf_folder, cached_model

    if size not in SIZES:
        raise UnknownName("size of a random model", size, list(SIZES))
    return str(cached_model(size).gguf if model_form == "gguf" else cached_hf_folder(size))


def set_values(texts: tuple[str, ...]) -> dict[str, Value]:
    """Parameters of a recipe from texts NAME=VALUE; BadConfig for another text."""
    return {name: _typed(value) for name, value in _pairs("--set", texts)}


def _override(request: LaunchRequest) -> Override:
    return Override(
        set=set_values(request.sets),
        env=dict(_pairs("--env", request.envs)),
        extra=list(request.extras),
        image=request.image,
        container=request.container,
        volumes=list(request.volumes),
    )


def _pairs(option: str, texts: tuple[str, ...]) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise BadConfig(f"{option} {text!r} is not NAME=VALUE")
        pairs.append((name, value))
    return pairs


def _typed(text: str) -> bool | int | float | str:
    """A value as TOML would read it; everything else is text."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
