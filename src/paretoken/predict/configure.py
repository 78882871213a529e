"""From a user's description to cases that can be predicted, or one sentence why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.catalog.names import agreed_precision
from paretoken.errors import BadConfig, ParetokenError
from paretoken.plural import counted
from paretoken.predict.capacity import require_fit, require_room
from paretoken.predict.deployment import Case, Deployment, Lengths, check, check_lengths, node_gpus, resolve
from paretoken.predict.kernels import bf16_tflops
from paretoken.predict.request import DeploymentRequest

AUTO_TP_SIZES = (1, 2, 4, 8)
"""TP sizes that `--tp auto` tries."""
MAX_USERS = 1_000_000
"""Upper bound of users, and of replicas."""

Replicas = tuple[Deployment, int]
"""A deployment, and the number of its replicas, which share the users."""


def configured(request: DeploymentRequest, catalog: Catalog | None = None) -> Deployment:
    """The deployment that a user describes; `gpus` is the total.

    Defaults: `tp` is all GPUs of a stage, but at most those of one node; `gpus` is what TP, or EP, and PP need; the
    precision is the model's own. An EP size that does not divide the experts implies redundant ones.
    """
    catalog, tp, gpus = catalog or load_catalog(), request.tp, request.gpus
    if tp is None:
        tp = min(gpus // max(request.pp, 1), node_gpus(request.accelerator, catalog)) if gpus else 1
    deployment = resolve(
        Deployment(
            accelerator=request.accelerator,
            model=request.model,
            precision=agreed_precision(request.model, request.precision)
            or catalog.models[request.model].native_precision,
            engine=request.engine,
            gpus=max(tp, request.ep) * request.pp if gpus is None else gpus,
            tp=tp,
            ep=request.ep,
            dp_attention=request.dp_attention,
            speculative=request.speculative,
            speculative_tokens=request.speculative_tokens,
            acceptance_length=request.acceptance_length,
            draft_model=request.draft_model,
            date=request.date,
            pp=request.pp,
            settings=request.settings,
        ),
        catalog,
    )
    return with_redundant_experts(deployment, catalog)


def with_redundant_experts(d: Deployment, catalog: Catalog) -> Deployment:
    """The deployment with the redundant experts that its EP size needs, if the user states none."""
    moe = catalog.models[d.model].moe
    if not moe or d.ep < 1 or d.settings.redundant_experts or moe.experts % d.ep == 0:
        return d
    return replace(d, settings=replace(d.settings, redundant_experts=-moe.experts % d.ep))


def replicated(deployment: Deployment, catalog: Catalog | None = None) -> Replicas:
    """GPUs beyond TP x PP form attention groups of an MoE model, or further replicas of a dense one."""
    d, catalog = deployment, catalog or load_catalog()
    one = d.tp * d.pp
    if d.dp_attention or one < 1 or d.gpus <= one or d.gpus % one:
        return d, 1
    if catalog.models[d.model].moe:
        return replace(d, dp_attention=True), 1
    return replace(d, gpus=one), d.gpus // one


def case(
    deployment: Deployment,
    lengths: Lengths,
    concurrency: float,
    *,
    replicas: int = 1,
    catalog: Catalog | None = None,
) -> Case:
    """A checked case; UnknownName or BadConfig for wrong names, parallelism, memory, context or users."""
    catalog = catalog or load_catalog()
    check_count("concurrency", concurrency)
    d = checked(deployment, catalog, replicas)
    check_lengths(d, lengths, catalog)
    require_room(d, lengths, catalog)
    return Case(deployment=d, lengths=lengths, concurrency=float(concurrency), replicas=replicas)


def checked(deployment: Deployment, catalog: Catalog, replicas: int = 1) -> Deployment:
    """The resolved deployment; BadConfig if it cannot exist, its peak rate is unknown, or its model does not fit."""
    check_count("replicas", replicas)
    d = resolve(deployment, catalog)
    check(d, catalog)
    bf16_tflops(catalog.accelerators[d.accelerator])
    require_fit(d, catalog)
    return d


def check_count(name: str, value: float) -> None:
    """BadConfig for a number of users or replicas out of range."""
    if not 1 <= value <= MAX_USERS:
        raise BadConfig(f"{name} is {value:g}; it must be at least 1 and at most {MAX_USERS:,}")


def sizes_that_fit(
    deployment: Deployment,
    catalog: Catalog | None = None,
    *,
    lengths: Lengths | None = None,
    gpus: int | None = None,
) -> list[Deployment]:
    """The deployment at each of `AUTO_TP_SIZES` that its model divides by and fits; BadConfig if there is none.

    The number of stages stays. A request of `lengths` must fit in the KV cache; `gpus` is the total.
    """
    catalog = catalog or load_catalog()
    d = resolve(deployment, catalog)
    fitting: list[Deployment] = []
    problem: ParetokenError = BadConfig(
        f"{counted(gpus or 0, 'GPU')} cannot be split into {d.pp} stages; give a multiple of pp"
    )
    for n in (n for n in AUTO_TP_SIZES if not gpus or gpus % (n * d.pp) == 0):
        ep = d.ep if gpus or d.ep == 1 else n
        sized = replace(d, gpus=gpus or n * d.pp, tp=n, ep=ep)
        try:
            one, _ = replicated(sized, catalog)
            check(one, catalog)
            require_fit(one, catalog)
            if lengths:
                check_lengths(one, lengths, catalog)
                require_room(one, lengths, catalog)
            fitting.append(sized)
        except BadConfig as e:
            problem = e
    if not fitting:
        raise problem
    return fitting


def ladder(
    deployments: Sequence[Replicas], lengths: Lengths, users: Sequence[float], catalog: Catalog | None = None
) -> list[Case]:
    """Every deployment at every number of users."""
    return [case(d, lengths, n, replicas=replicas, catalog=catalog) for d, replicas in deployments for n in users]
