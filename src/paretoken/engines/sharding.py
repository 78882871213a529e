"""Whether an engine can cut a model over GPUs as asked, and the sizes that it can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from paretoken.catalog.entries import Accelerator, Model
from paretoken.errors import BadConfig
from paretoken.plural import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharding:
    """How a server cuts its model: `tp` GPUs share a layer, in `pp` stages, in `dp` replicas of it all.

    With `dp_attention` each GPU has an attention of its own, and the experts are cut by `ep`. `ep_is_all` engines
    spread the experts over all GPUs of a stage or over none. `block` is the size of the blocks of weights that share a
    scale, 0 if there are none.
    """

    tp: int
    pp: int = 1
    dp: int = 1
    ep: int = 1
    dp_attention: bool = False
    ep_is_all: bool = False
    block: int = 0

    @property
    def gpus(self) -> int:
        return self.tp * self.pp * self.dp


def check_node(sharding: Sharding, accelerator: Accelerator, name: str) -> None:
    """BadConfig for more GPUs than those of one node, which is where one command starts a server."""
    node = accelerator.gpus_per_node
    if sharding.gpus > node:
        sizes = {"TP": sharding.tp, "PP": sharding.pp, "DP": sharding.dp}
        product = " x ".join(f"{kind} {n}" for kind, n in sizes.items() if n > 1)
        raise BadConfig(
            f"{product} is {sharding.gpus} GPUs, which span {-(-sharding.gpus // node)} nodes of {node} GPUs of "
            f"{name}, and launch starts a server on one; use at most {node} GPUs, separate pools with --disaggregated, "
            "or on Kubernetes a LeaderWorkerSet (https://lws.sigs.k8s.io)"
        )


def check_sharding(sharding: Sharding, model: Model, most: int) -> None:
    """BadConfig for sizes by which the model does not divide; `most` are the GPUs of a node."""
    s = sharding
    if s.pp > model.layers:
        raise BadConfig(f"PP {s.pp} is more stages than the {model.layers} layers of {model.name}; lower it")
    _check_experts(s, model)
    obstacle, of_experts = next(_obstacles(s.tp, s, model), ("", False))
    if obstacle:
        sizes = [n for n in range(1, most // (s.pp * s.dp) + 1) if not any(_obstacles(n, s, model))]
        hints = [f"use TP {_either(sizes)}"] if sizes else []
        hints += [f"add EP {s.tp * s.dp}"] if of_experts and s.ep == 1 else []
        raise BadConfig(f"TP {s.tp} {obstacle} of {model.name}; {', or '.join(hints) or 'use other weights'}")


def _check_experts(s: Sharding, model: Model) -> None:
    if not model.moe:
        if s.ep > 1:
            raise BadConfig(f"EP is {s.ep}, but {model.name} is dense and has no experts to share; leave it at 1")
        if s.dp_attention:
            raise BadConfig(
                f"attention data parallelism is for models with experts and {model.name} is dense; start replicas"
            )
        return
    if model.moe.experts % s.ep:
        sizes = [n for n in range(1, s.tp * s.dp + 1) if model.moe.experts % n == 0 and s.tp * s.dp % n == 0]
        raise BadConfig(
            f"EP {s.ep} does not divide the {model.moe.experts} experts of {model.name}; use EP {_either(sizes)}"
        )
    group = s.tp * s.dp
    if s.ep_is_all and s.ep not in (1, group):
        raise BadConfig(f"EP {s.ep}: this engine spreads experts over all {group} GPUs of a stage; use EP {group}")
    if group % s.ep:
        sizes = [n for n in range(1, group + 1) if group % n == 0]
        raise BadConfig(f"EP {s.ep} does not divide {counted(group, 'GPU')} of a stage; use EP {_either(sizes)}")


def _obstacles(tp: int, s: Sharding, model: Model) -> Iterator[tuple[str, bool]]:
    """Why the model cannot be cut over `tp` GPUs, and whether its experts are the reason."""
    if not s.dp_attention:
        yield from ((reason, False) for reason in _of_attention(tp, model))
        if model.intermediate_size and (not model.moe or model.moe.dense_layers or model.ffn_layers):
            yield from ((reason, False) for reason in _of_width(tp, s.block, model.intermediate_size, "dense FFNs"))
    if model.moe and not (s.dp_attention and s.ep_is_all):
        ways = tp if s.ep == 1 else max(tp * s.dp // s.ep, 1)
        width = model.moe.expert_intermediate_size
        yield from ((reason, True) for reason in _of_width(ways, s.block, width, "experts"))


def _of_attention(tp: int, model: Model) -> Iterator[str]:
    windowed, recurrent = model.windowed, model.recurrent
    heads = {"attention heads": model.heads, "attention heads with a window": windowed.heads if windowed else 0}
    heads["heads of linear attention"] = recurrent.heads if recurrent else 0
    yield from (f"does not divide the {count} {kind}" for kind, count in heads.items() if count % tp)
    if model.attention == "mla":  # one latent for all heads, which every GPU holds
        return
    for count in (model.kv_heads or 0, windowed.kv_heads if windowed else 0):
        if count and count % tp and tp % count:
            yield f"neither divides nor is a multiple of the {count} KV heads"


def _of_width(ways: int, block: int, width: int, part: str) -> Iterator[str]:
    if width % ways:
        yield f"does not divide the width {width:,} of the {part}"
    elif block and ways > 1 and width // ways % block:
        yield f"leaves {width // ways:,} of the width {width:,}, and FP8 scales are of {block}, in the {part}"


def _either(sizes: list[int]) -> str:
    return " or ".join(filter(None, (", ".join(map(str, sizes[:-1])), str(sizes[-1]))))
