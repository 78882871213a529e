"""What a cell asks of its engine: the recipe, the model in the form that it reads, the context, the users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paretoken.bench.workload.lengths import Shape, of_workload
from paretoken.campaign.config import Campaign, ModelPlace
from paretoken.campaign.matrix import Cell, Serving, resolve
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.catalog.recipe import Recipe
from paretoken.engines.command import Ask, Command, command
from paretoken.engines.recipes import CPU, Override, recipe
from paretoken.errors import BadConfig, UnknownName

RANDOM = "random:"


def recipe_of(campaign: Campaign, engine: str) -> Recipe:
    """The campaign's own recipe of an engine, else the shipped one."""
    return recipe(str(campaign.recipes[engine])) if engine in campaign.recipes else recipe(engine)


def vendor_of(catalog: Catalog, accelerator: str) -> str:
    """The maker of an accelerator; CPU stands for itself."""
    return CPU if accelerator == CPU else catalog.accelerators[accelerator].vendor


def shape_of(catalog: Catalog, workload: str) -> Shape:
    """The lengths that the requests of a workload have."""
    return of_workload(catalog.workload(workload))


def longest_of(catalog: Catalog, workload: str) -> int:
    """Most tokens of one request of a workload, input and output."""
    shape = shape_of(catalog, workload)
    return shape.isl.longest + shape.osl.longest


def served(campaign: Campaign, catalog: Catalog, cells: Sequence[Cell], users: int, port: int) -> Command:
    """The command of a server that all these cells of one serving can be measured on."""
    serving = cells[0].serving
    of = recipe_of(campaign, serving.engine)
    workloads = [catalog.workload(cell.workload) for cell in cells]
    ask = Ask(
        model=serving.model,
        model_path=model_path(campaign, serving, of),
        accelerator=serving.accelerator,
        vendor=vendor_of(catalog, serving.accelerator),
        kind=_kind(catalog, serving.model),
        precision=serving.precision,
        gpus=serving.tp,
        ep=serving.ep,
        dp_attention=serving.dp_attention,
        isl=max(w.isl for w in workloads),
        osl=max(w.osl for w in workloads),
        longest=max(longest_of(catalog, cell.workload) for cell in cells),
        users=users,
        port=port,
    )
    return command(of, ask, laid_over(campaign, catalog, cells))


def laid_over(campaign: Campaign, catalog: Catalog, cells: Sequence[Cell]) -> Override:
    """The user's word on these cells: that on the engine, then each [[override]] that matches any of them."""
    found = campaign.engines.get(cells[0].serving.engine, Override())
    for laid in campaign.override:
        when = resolve(campaign, catalog, laid.when)
        if any(cell.matches(when) for cell in cells):
            found = Override(**laid.model_dump(exclude={"when"})).over(found)
    return found


def model_path(campaign: Campaign, serving: Serving, of: Recipe) -> str:
    """Where the engine finds the weights; BadConfig if the campaign does not say."""
    place = _place_of(campaign, serving.model)
    if place is not None and place.random:
        return random_path(place.random, of)
    path = place.path if place is not None else ""
    if isinstance(path, dict):
        keys = (serving.precision, serving.engine, of.model_form)
        path = next((path[k] for k in keys if k in path), "")
    if not path:
        raise BadConfig(
            f"the campaign does not say where the weights of {serving.model} "
            f"{serving.precision} for {of.name} are; add path = … to [models.{serving.model!r}]"
        )
    return path


def tokenizer_of(campaign: Campaign, model: str) -> str | None:
    """The tokenizer that prompts are made with, where the campaign names one."""
    place = _place_of(campaign, model)
    if place is None:
        return None
    if place.tokenizer or not place.random:
        return place.tokenizer or None
    from paretoken.engines.embedded.tiny_model import cached_model

    return str(cached_model(place.random).tokenizer)


def _place_of(campaign: Campaign, model: str) -> ModelPlace | None:
    """The entry of a model, also where the file names it by another of its names."""
    if model in campaign.models:
        return campaign.models[model]
    catalog = load_catalog(*campaign.catalog)
    return next((m for name, m in campaign.models.items() if catalog.models.index.get(name.casefold()) == model), None)


def random_path(size: str, of: Recipe) -> str:
    """A small model with random weights, made where it is not there yet, in the form that the engine reads."""
    from paretoken.engines.embedded.random_llama import SIZES
    from paretoken.engines.embedded.tiny_model import cached_hf_folder, cached_model

    if size not in SIZES:
        raise UnknownName("size of a random model", size, list(SIZES))
    return str(cached_model(size).gguf if of.model_form == "gguf" else cached_hf_folder(size))


def launch_command(
    engine: str,
    model: str,
    *,
    path: str | None = None,
    accelerator: str = CPU,
    precision: str = "",
    gpus: int = 1,
    ep: int = 1,
    dp_attention: bool = False,
    workload: str | None = None,
    users: int = 32,
    port: int = 8000,
    sets: Sequence[str] = (),
    envs: Sequence[str] = (),
    extras: Sequence[str] = (),
    image: str = "",
    container: bool = False,
    volumes: Sequence[str] = (),
) -> Command:
    """The command of `paretoken launch`; the model need not be in the catalog."""
    catalog = load_catalog()
    of = recipe(engine if engine.endswith(".toml") else catalog.engines.id_of(engine))
    accelerator = CPU if accelerator.casefold() == "cpu" else catalog.accelerators.id_of(accelerator)
    lengths: Mapping[str, Any] = {}
    if workload:
        chosen = catalog.workload(workload)
        lengths = {"isl": chosen.isl, "osl": chosen.osl, "longest": longest_of(catalog, workload)}
    path = path or model
    if path.startswith(RANDOM):
        path = random_path(path.removeprefix(RANDOM), of)
    ask = Ask(
        model=model,
        model_path=str(Path(path).resolve()) if Path(path).exists() else path,
        accelerator=accelerator,
        vendor=vendor_of(catalog, accelerator),
        kind=_kind(catalog, model),
        precision=precision,
        gpus=gpus,
        ep=ep,
        dp_attention=dp_attention,
        users=users,
        port=port,
        **lengths,
    )
    laid = Override(
        set={k: _typed(v) for k, v in _pairs("--set", sets)},
        env=dict(_pairs("--env", envs)),
        extra=list(extras),
        image=image,
        container=container,
        volumes=list(volumes),
    )
    return command(of, ask, laid)


def _kind(catalog: Catalog, model: str) -> str:
    return catalog.models[model].kind if model in catalog.models else "dense"


def _pairs(option: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    for text in texts:
        if "=" not in text:
            raise BadConfig(f"{option} {text!r} must be written NAME=VALUE")
    return [tuple(text.split("=", 1)) for text in texts]  # type: ignore[misc]


def _typed(text: str) -> bool | int | float | str:
    """A flag's word as TOML would read it; what it would not is text."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
