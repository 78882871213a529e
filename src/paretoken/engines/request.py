"""From the names of an engine and a model to the command that serves it: what `paretoken launch` starts or prints."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from paretoken.catalog.engine_files import newest_max_num_seqs
from paretoken.catalog.entries import Model
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.catalog.names import agreed_precision
from paretoken.catalog.recipe import Recipe, Value
from paretoken.engines.command import Command, ServerSpec, check_vendor, command
from paretoken.engines.container import TOKEN
from paretoken.engines.notes import LOOPBACK, notes
from paretoken.engines.recipes import CPU, Override, recipe
from paretoken.engines.sharding import check_node, check_sharding
from paretoken.engines.sizes import check_sizes, sharding
from paretoken.engines.weights import Weights, is_id, weights_of
from paretoken.errors import BadConfig, ParetokenError, UnknownName

RANDOM = "random:"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRequest:
    """What to serve and how. `engine` is a name or a recipe file; `model` need not be in the catalog.

    `path` is a folder, a file or a hub name, or `random:SIZE` for random weights; None is the model's repository on the
    hub. `users` is the most concurrent requests to come, None if it is not known. `sets` and `envs` are texts
    NAME=VALUE.
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
    users: int | None = None
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
    catalog, engine = load_catalog(), request.engine
    of = recipe(engine if engine.endswith(".toml") else catalog.engines.id_of(engine))
    on_cpu = request.accelerator.casefold() == "cpu"
    accelerator = CPU if on_cpu else catalog.accelerators.id_of(request.accelerator)
    vendor = vendor_of(catalog, accelerator)
    check_vendor(of, accelerator, vendor)
    override = _override(request)
    of.check_parameters(override.set)
    _check_taken(of, request, override)
    check_sizes(of, override.set, request.dp_attention)
    weights = _weights(request, of, "" if on_cpu else vendor, catalog)
    shapes = _shapes(catalog, request.model, weights)
    if not on_cpu:
        cut = sharding(of, override.set, request.gpus, request.ep, request.dp_attention, weights.entry)
        check_node(cut, catalog.accelerators[accelerator], accelerator)
        if shapes:
            check_sharding(cut, shapes, catalog.accelerators[accelerator].gpus_per_node)
    workload = catalog.workload(request.workload) if request.workload else None
    spec = ServerSpec(
        model=request.model,
        model_path=weights.path,
        hub=weights.hub,
        accelerator=accelerator,
        vendor=vendor,
        kind=kind_of(catalog, request.model),
        precision=agreed_precision(request.model, request.precision)
        or (weights.entry.precision if weights.entry else ""),
        gpus=request.gpus,
        ep=request.ep,
        dp_attention=request.dp_attention,
        isl=workload.isl if workload else 0,
        osl=workload.osl if workload else 0,
        longest=workload.isl + workload.osl if workload else 0,
        max_context=_context(catalog, request.model, weights, shapes),
        users=request.users or 0,
        own_users=0 if on_cpu else _own_users(catalog, of.engine, accelerator),
        host=request.host,
        port=request.port,
    )
    _check_load(spec, override)
    if weights.entry and weights.entry.gated:
        override = Override(env={TOKEN: ""}).over(override)
    made = command(of, spec, override)
    return replace(made, notes=tuple(notes(of, spec, made, weights, shapes is not None)))


def _own_users(catalog: Catalog, engine: str, accelerator: str) -> int:
    return newest_max_num_seqs(engine, accelerator, catalog.accelerators[accelerator].hbm_gib)


def _weights(request: LaunchRequest, of: Recipe, vendor: str, catalog: Catalog) -> Weights:
    """The weights of a request; BadConfig where none are known in the form that the engine reads."""
    path = request.path or ""
    if path.startswith(RANDOM):
        return Weights(path=random_path(path.removeprefix(RANDOM), of.model_form), hub=False)
    if of.model_form == "gguf" and not path and not Path(request.model).exists():
        raise BadConfig(f"{of.name} reads a GGUF file; add --path FILE.gguf, or --path random:tiny for random weights")
    weights = weights_of(catalog, request.model, path, request.precision, vendor)
    if of.model_form == "gguf" and weights.hub:
        raise BadConfig(f"{of.name} reads a GGUF file, and {weights.path} is a hub name; add --path FILE.gguf")
    _check_precision(request, weights)
    return weights


def _check_precision(request: LaunchRequest, weights: Weights) -> None:
    """BadConfig for weights known to have another precision than the stated one, unless the engine quantises them."""
    entry, stated = weights.entry, agreed_precision(request.model, request.precision)
    if entry and stated and entry.precision != stated and not any(s.startswith("quantization=") for s in request.sets):
        raise BadConfig(
            f"the weights {entry.name} are {entry.precision}, not {stated}; give --precision {entry.precision} to "
            f"serve them, or the --path of {stated} weights"
        )


def _shapes(catalog: Catalog, model: str, weights: Weights) -> Model | None:
    """The shapes of the model: of the catalog, or of the config.json in a folder of weights; None if unknown."""
    if model in catalog.models:
        return catalog.models[model]
    if not weights.hub and (Path(weights.path) / "config.json").is_file():
        from paretoken.catalog.hf.lookup import catalog_with_model

        with suppress(ParetokenError):  # a model that only its engine knows
            wider, key = catalog_with_model(catalog, weights.path)
            return wider.models[key]
    return catalog.models[weights.path] if weights.hub and weights.path in catalog.models else None


def _context(catalog: Catalog, model: str, weights: Weights, shapes: Model | None) -> int:
    """Most tokens of a request; 0 if it is not known, as by an alias, which may have another context than its entry."""
    name = model if model in catalog.models else weights.path if weights.hub else ""
    alias = name in catalog.models and not is_id(catalog, name)
    return 0 if shapes is None or (alias and not weights.entry) else shapes.max_context or 0


def _check_taken(of: Recipe, request: LaunchRequest, override: Override) -> None:
    """BadConfig for an option that the engine does not take, and for one that is set in another way."""
    stated = {"tp": request.gpus > 1, "ep": request.ep > 1, "dp_attention": request.dp_attention}
    stated["host"] = request.host not in LOOPBACK
    for name in (name for name, value in stated.items() if value and name not in of.parameters()):
        raise BadConfig(f"the recipe of {of.name} has no --{name.replace('_', '-')}; leave it out")
    for name in (name for name in ("tp", "ep", "dp_attention") if name in override.set):
        raise BadConfig(
            f"{name} decides how the model is cut; give --{name.replace('_', '-')} in place of --set {name}"
        )


def _check_load(spec: ServerSpec, override: Override) -> None:
    """BadConfig for a limit below the load that the request itself states."""
    if spec.max_context and spec.longest > spec.max_context:
        raise BadConfig(
            f"a request of {spec.isl:,} input and {spec.osl:,} output tokens is longer than the context of "
            f"{spec.model}, {spec.max_context:,} tokens; use a shorter workload"
        )
    for name, least, option in (
        ("max_num_seqs", spec.users, "--concurrency"),
        ("max_model_len", spec.longest, "--workload"),
    ):
        value = override.set.get(name)
        if isinstance(value, int) and value < least:
            raise BadConfig(f"{name} = {value:,} is below the {least:,} that {option} states; raise it or leave it out")


def vendor_of(catalog: Catalog, accelerator: str) -> str:
    """The maker of an accelerator; CPU for a CPU."""
    return CPU if accelerator == CPU else catalog.accelerators[accelerator].vendor


def kind_of(catalog: Catalog, model: str) -> str:
    """The kind of a catalog model, dense or moe; dense for any other."""
    return catalog.models[model].kind if model in catalog.models else "dense"


def max_context_of(catalog: Catalog, model: str) -> int:
    """Most tokens of a request of a catalog model; 0 if it is not known."""
    return (catalog.models[model].max_context or 0) if model in catalog.models else 0


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
