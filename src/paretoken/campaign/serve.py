"""What a cell needs of its engine: the recipe, the weights in the form it reads, the context, the concurrency."""

from __future__ import annotations

from collections.abc import Sequence

from paretoken.bench.level_loads import DEFAULT_LADDER
from paretoken.bench.workload.ladder import UserRamp, parse_users
from paretoken.campaign.config import Campaign, ModelWeights
from paretoken.campaign.matrix import MatrixCell, ServingConfig, resolve
from paretoken.catalog.entries import HubRepository
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.catalog.names import precision_id
from paretoken.catalog.recipe import Recipe
from paretoken.engines.command import Command, ServerSpec, command
from paretoken.engines.recipes import Override, recipe
from paretoken.engines.request import kind_of, longest_of, max_context_of, random_path, vendor_of
from paretoken.engines.sizes import check_sizes
from paretoken.engines.weights import is_hub_name, listed_repository
from paretoken.errors import BadConfig


def recipe_of(campaign: Campaign, engine: str) -> Recipe:
    """The campaign's own recipe of an engine, else the shipped one."""
    return recipe(str(campaign.recipes[engine])) if engine in campaign.recipes else recipe(engine)


def concurrencies(campaign: Campaign) -> list[int]:
    """The concurrency of each level; a ramp counts with its end."""
    levels = parse_users(campaign.matrix.concurrency or DEFAULT_LADDER)
    return [level.end if isinstance(level, UserRamp) else level for level in levels]


def served(
    campaign: Campaign,
    catalog: Catalog,
    cells: Sequence[MatrixCell],
    users: int,
    port: int,
    *,
    host: str = "127.0.0.1",
) -> Command:
    """The command of a server that all these cells of one serving can be measured on."""
    serving = cells[0].serving
    of = recipe_of(campaign, serving.engine)
    workloads = [catalog.workload(cell.workload) for cell in cells]
    path = model_path(campaign, serving, of)
    spec = ServerSpec(
        model=serving.model,
        model_path=path,
        hub=is_hub_name(path),
        accelerator=serving.accelerator,
        vendor=vendor_of(catalog, serving.accelerator),
        kind=kind_of(catalog, serving.model),
        precision=serving.precision,
        gpus=serving.tp,
        ep=serving.ep,
        dp_attention=serving.dp_attention,
        isl=max(w.isl for w in workloads),
        osl=max(w.osl for w in workloads),
        longest=max(longest_of(catalog, cell.workload) for cell in cells),
        max_context=max_context_of(catalog, serving.model),
        users=users,
        host=host,
        port=port,
    )
    override = overrides_of(campaign, catalog, cells)
    check_sizes(of, override.set, serving.dp_attention)
    return command(of, spec, override)


def overrides_of(campaign: Campaign, catalog: Catalog, cells: Sequence[MatrixCell]) -> Override:
    """What the campaign overrides for these cells: by engine, then by each [[override]] that matches any of them."""
    merged = campaign.engines.get(cells[0].serving.engine, Override())
    for entry in campaign.override:
        values = resolve(campaign, catalog, entry.when)
        if any(cell.matches(values) for cell in cells):
            merged = Override(**entry.model_dump(exclude={"when"})).over(merged)
    return merged


def model_path(campaign: Campaign, serving: ServingConfig, of: Recipe) -> str:
    """Where the engine finds the weights; BadConfig if the campaign does not say."""
    weights = _weights_of(campaign, serving.model)
    if weights is not None and weights.random:
        return random_path(weights.random, of.model_form)
    path = weights.path if weights is not None else ""
    if isinstance(path, dict):
        keys = (serving.precision, serving.engine, of.model_form)
        paths = {precision_id(k): p for k, p in path.items()}
        path = next((paths[k] for k in keys if k in paths), "")
    if not path:
        raise BadConfig(
            f"the campaign has no path to the weights of {serving.model} {serving.precision} for {of.name}; "
            f"add path = … to [models.{serving.model!r}]"
        )
    return path


def repository_of(campaign: Campaign, catalog: Catalog, serving: ServingConfig, of: Recipe) -> HubRepository | None:
    """What the catalog knows of the weights that the campaign names; None for others. BadConfig if it names none."""
    random = has_random_weights(campaign, serving.model)
    return None if random else listed_repository(catalog, serving.model, model_path(campaign, serving, of))


def tokenizer_of(campaign: Campaign, model: str) -> str | None:
    """The tokenizer for the prompts, where the campaign names one."""
    weights = _weights_of(campaign, model)
    if weights is None:
        return None
    if weights.tokenizer or not weights.random:
        return weights.tokenizer or None
    from paretoken.engines.embedded.tiny_model import cached_model

    return str(cached_model(weights.random).tokenizer)


def has_random_weights(campaign: Campaign, model: str) -> bool:
    """Whether the campaign has the weights of a model made on this machine."""
    weights = _weights_of(campaign, model)
    return bool(weights and weights.random)


def _weights_of(campaign: Campaign, model: str) -> ModelWeights | None:
    """The [models] entry of a model, also under another of its names."""
    if model in campaign.models:
        return campaign.models[model]
    catalog = load_catalog(*campaign.catalog)
    names = (name for name in campaign.models if name in catalog.models)
    return next((campaign.models[name] for name in names if catalog.models.id_of(name) == model), None)
