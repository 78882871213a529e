"""A disaggregated deployment, and its layout in short: 4xDEP4+1xDEP32.

Each side is WORKERSxKINDGPUS: TP shares attention and experts over the GPUs of a worker, TEP shares attention and
gives each GPU whole experts, DP gives each GPU its own requests and shares the experts, DEP gives each GPU its own
requests and whole experts. `@NAME` behind a side is its accelerator: 2xTP8@H200+1xDEP32@GB200.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from paretoken.catalog.disaggregation import worker_nodes
from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.errors import BadConfig, quoted
from paretoken.plural import counted
from paretoken.predict.capacity import require_fit, require_room
from paretoken.predict.configure import check_count, with_redundant_experts
from paretoken.predict.deployment import Deployment, Lengths, check, check_lengths, resolve
from paretoken.predict.kernels import bf16_tflops
from paretoken.predict.pools.kv_layout import require_shared_kv

MOST_WORKERS = 10_000
PREFILL_BATCHED_TOKENS = 16_384
"""Tokens in a step of a rank that most recipes of `data/published_pools.csv` give prefill workers."""
MOST_WORKER_GPUS = 512
_SIDE = re.compile(r"(?:(\d{1,9})\s*x\s*)?(TP|TEP|DP|DEP)(\d{1,9})(?:@(.+))?", re.IGNORECASE)
_HINT = "write WORKERSxKINDGPUS for each pool, as in 4xDEP4+1xDEP32; kinds are TP, TEP, DP, DEP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """A disaggregated deployment. `engine` is its catalog id; the workers' own is the engine that each of them runs.

    `prefill` and `decode` are one worker of each pool. Workers of a pool are alike.
    """

    engine: str
    prefill: Deployment
    decode: Deployment
    prefill_workers: int = 1
    decode_workers: int = 1

    @property
    def prefill_gpus(self) -> int:
        """GPUs of the prefill pool."""
        return self.prefill.gpus * self.prefill_workers

    @property
    def decode_gpus(self) -> int:
        """GPUs of the decode pool."""
        return self.decode.gpus * self.decode_workers

    @property
    def gpus(self) -> int:
        """GPUs of both pools."""
        return self.prefill_gpus + self.decode_gpus

    @property
    def model(self) -> str:
        """Catalog id of the model that both pools serve."""
        return self.decode.model

    @property
    def accelerator(self) -> str:
        """The accelerator, or both as A+B."""
        names = dict.fromkeys((self.prefill.accelerator, self.decode.accelerator))
        return "+".join(names)

    @property
    def layout(self) -> str:
        """The layout in short: 4xDEP4+1xDEP32."""
        sides = ((self.prefill_workers, self.prefill), (self.decode_workers, self.decode))
        mixed = self.prefill.accelerator != self.decode.accelerator
        return "+".join(f"{n}x{worker_kind(d)}" + (f"@{d.accelerator}" if mixed else "") for n, d in sides)


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledCase:
    """A disaggregated deployment under a closed loop of `concurrency` users. `period` is as in `deployment.Case`."""

    pools: Pools
    lengths: Lengths
    concurrency: float
    period: bool = False


def worker_kind(d: Deployment) -> str:
    """How one worker shares the model, in short: TP8, TEP8, DP4, DEP32."""
    kind = ("DEP" if d.ep > 1 else "DP") if d.dp_attention else ("TEP" if d.ep > 1 else "TP")
    return f"{kind}{d.gpus}"


def parse_layout(text: str, prefill: Deployment, decode: Deployment, engine: str) -> Pools:
    """The pools of a layout in short; what it does not state comes from two workers. BadConfig for another text."""
    (workers_p, one_p), (workers_d, one_d) = (
        _worker(side, one) for side, one in zip(_sides(text), (prefill, decode), strict=True)
    )
    return Pools(engine=engine, prefill=one_p, decode=one_d, prefill_workers=workers_p, decode_workers=workers_d)


def layout_accelerators(text: str, accelerator: str) -> tuple[str, str]:
    """The accelerators of both pools of a layout in short, that of the deployment where it names none."""
    prefill, decode = (side[4] or accelerator for side in _sides(text))
    return prefill, decode


def _sides(text: str) -> list[re.Match[str]]:
    parsed = [_SIDE.fullmatch(side) for side in text.replace(" ", "").split("+")]
    sides = [side for side in parsed if side]
    if len(parsed) != 2 or len(sides) != 2:
        raise BadConfig(f"unknown disaggregated layout {quoted(text)}; {_HINT}")
    return sides


def _worker(side: re.Match[str], one: Deployment) -> tuple[int, Deployment]:
    return int(side[1] or 1), worker(side[2], int(side[3]), replace(one, accelerator=side[4] or one.accelerator))


def worker(kind: str, gpus: int, one: Deployment) -> Deployment:
    """A worker of a kind (TP, TEP, DP, DEP) and GPUs; all else is that of `one`."""
    kind = kind.upper()
    ep = gpus if kind in ("TEP", "DEP") else 1
    return replace(one, gpus=gpus, tp=gpus, ep=ep, dp_attention=kind in ("DP", "DEP"))


def prefilling(one: Deployment) -> Deployment:
    """A worker as one of the prefill pool: with the tokens in a step of most public recipes, unless they are stated."""
    tokens = one.settings.max_batched_tokens or PREFILL_BATCHED_TOKENS
    return replace(one, settings=replace(one.settings, max_batched_tokens=tokens))


def decoding(one: Deployment) -> Deployment:
    """A worker as one of the decode pool: with the engine's own limit of tokens in a step, as a stated limit is for
    prompts."""
    return replace(one, settings=replace(one.settings, max_batched_tokens=None))


def checked_pools(pools: Pools, catalog: Catalog | None = None) -> Pools:
    """The pools with catalog ids for names; UnknownName or BadConfig if they cannot exist or do not fit."""
    catalog = catalog or load_catalog()
    prefill, decode = (with_redundant_experts(resolve(d, catalog), catalog) for d in (pools.prefill, pools.decode))
    pools = replace(pools, engine=catalog.engines.id_of(pools.engine), prefill=prefill, decode=decode)
    for name, workers in (("prefill_workers", pools.prefill_workers), ("decode_workers", pools.decode_workers)):
        if not 1 <= workers <= MOST_WORKERS:
            raise BadConfig(f"{name} is {workers:,}; it must be at least 1 and at most {MOST_WORKERS:,}")
    if prefill.model != decode.model:
        raise BadConfig(f"the pools serve {prefill.model} and {decode.model}; both must serve one model")
    for pool, d in (("prefill", prefill), ("decode", decode)):
        if not 1 <= d.gpus <= MOST_WORKER_GPUS:
            raise BadConfig(
                f"a {pool} worker has {counted(d.gpus, 'GPU')}; give it at least 1 and at most {MOST_WORKER_GPUS}"
            )
        if d.dp_attention and not catalog.models[d.model].moe:
            raise BadConfig(
                f"a {pool} worker is {worker_kind(d)}, but attention data parallelism is for models with experts and "
                f"{d.model} is dense; use TP"
            )
        check(d, catalog)
        worker_nodes(pool, d.gpus, d.accelerator, catalog.accelerators[d.accelerator])
        bf16_tflops(catalog.accelerators[d.accelerator])
        require_fit(d, catalog)
    require_shared_kv(pools.engine, prefill, decode, catalog)
    return pools


def require_decode(lengths: Lengths) -> None:
    """BadConfig for a single output token, which the prefill pool alone makes."""
    if lengths.osl == 1:
        raise BadConfig("osl is 1, which leaves nothing to the decode pool; give osl 2 or more")


def pooled_case(pools: Pools, lengths: Lengths, concurrency: float, *, catalog: Catalog | None = None) -> PooledCase:
    """A checked case; UnknownName or BadConfig for wrong names, parallelism, memory, context or users."""
    catalog = catalog or load_catalog()
    check_count("concurrency", concurrency)
    require_decode(lengths)
    pools = checked_pools(pools, catalog)
    for d in (pools.prefill, pools.decode):
        check_lengths(d, lengths, catalog)
    require_room(pools.prefill, replace(lengths, osl=1), catalog)
    require_room(pools.decode, lengths, catalog)
    return PooledCase(pools=pools, lengths=lengths, concurrency=float(concurrency))
