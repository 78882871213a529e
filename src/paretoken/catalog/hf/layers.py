"""How each layer mixes tokens and which layers have experts, by the keys of every family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from paretoken.catalog.hf.fields import Fields, strings
from paretoken.catalog.hf.searched import SearchedLayer, searched_blocks
from paretoken.errors import BadConfig, quoted
from paretoken.plural import counted

Mixer = Literal["full", "windowed", "recurrent", "none"]
Ffn = Literal["dense", "moe", "none"]
MOST_LAYERS = 10_000
MIXERS: dict[str, Mixer] = {
    **dict.fromkeys(("full_attention", "attention", "full", "global", "global_attention", "hybrid"), "full"),
    **dict.fromkeys(("deepseek_sparse_attention", "sparse_attention"), "full"),
    **dict.fromkeys(("sliding_attention", "chunked_attention", "sliding", "local", "local_attention"), "windowed"),
    **dict.fromkeys(("linear_attention", "mamba", "mamba2", "linear", "recurrent", "conv", "kda"), "recurrent"),
}
HIDDEN = ("hidden_size", "n_embd", "d_model", "dim", "model_dim")
BLOCKS = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}
"""Letters of Nemotron-H's pattern of blocks, each of which is one part of a layer."""
EXPERTS = ("n_routed_experts", "num_experts", "num_local_experts", "moe_num_experts", "n_experts", "num_moe_experts")
FIRST_DENSE = ("first_k_dense_replace", "moe_layer_start_index", "num_dense_layers", "n_dense_layers")
"""The number of layers at the beginning that have no experts."""
ALTERNATING = ("gemma2", "gpt_oss", "gemma2_text")
"""Families in which every second layer has a window, beginning with the first, where no list states it."""
UNIFORM = ("mistral", "mixtral", "starcoder2", "phi3", "phimoe", "phi4")
"""Families in which every layer has the window, if there is one."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its mixer, its FFN, and the numbers of these in the names of the checkpoint."""

    mixer: Mixer
    ffn: Ffn
    mixer_index: int
    ffn_index: int


@dataclass(frozen=True, slots=True)
class Layout:
    """All layers, the tokens of the window (0 without one), and whether windows are fixed chunks."""

    layers: tuple[Layer, ...]
    window: int
    chunked: bool

    def count(self, mixer: Mixer) -> int:
        return sum(layer.mixer == mixer for layer in self.layers)

    def ffns(self, ffn: Ffn) -> int:
        return sum(layer.ffn == ffn for layer in self.layers)


def read_layout(f: Fields) -> Layout:
    """The layers of a config; BadConfig where its keys contradict each other."""
    if blocks := _blocks(f):
        return Layout(tuple(_merged(blocks)), 0, chunked=False)
    n = f.needed("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_decoder_layers")
    if n > MOST_LAYERS:
        raise BadConfig(f"{f.where}: num_hidden_layers is {n:,}; at most {MOST_LAYERS:,} are read")
    if chosen := searched_blocks(f, f.needed(*HIDDEN)):
        return _searched(f, chosen, n)
    window, chunked = _window(f)
    mixers = _mixers(f, n, window)
    if "windowed" not in mixers:
        window, chunked = 0, False
    elif not window:
        raise BadConfig(f"{f.where}: some layers have a window, but sliding_window does not give its size")
    elif "full" not in mixers:
        f.assume(f"the window of {window} tokens that all layers have is not used: all attend to the whole context")
        mixers, window, chunked = ["full" if m == "windowed" else m for m in mixers], 0, False
    return Layout(
        tuple(Layer(m, e, i, i) for i, (m, e) in enumerate(zip(mixers, _ffns(f, n), strict=True))), window, chunked
    )


def _searched(f: Fields, blocks: list[SearchedLayer], n: int) -> Layout:
    """Layers that have attention, an FFN, both or none."""
    if len(blocks) != n:
        raise BadConfig(
            f"{f.where}: block_configs has {counted(len(blocks), 'item')} for {counted(n, 'layer')}; correct either"
        )
    chosen = [Layer("full" if b.group else "none", "dense" if b.width else "none", i, i) for i, b in enumerate(blocks)]
    return Layout(tuple(chosen), 0, chunked=False)


def experts_of(f: Fields) -> int:
    """Routed experts of a layer; 0 for a dense model."""
    if f.keys.get("enable_moe_block") is False:
        f.get("enable_moe_block")
        return 0
    if experts := f.count(*EXPERTS, least=0):
        return experts
    nested = f.table("ffn_config").get("moe_num_experts")
    return f.whole("ffn_config.moe_num_experts", nested) if nested is not None else 0


def _blocks(f: Fields) -> list[str]:
    """Names of single-part blocks (mamba, attention, mlp, moe); empty where a layer is a mixer with its FFN."""
    pattern = f.keys.get("hybrid_override_pattern")
    if isinstance(pattern, str):
        f.read |= {"hybrid_override_pattern", "num_hidden_layers", "layers_block_type"}
        if strange := set(pattern) - set(BLOCKS):
            raise BadConfig(
                f"{f.where}: hybrid_override_pattern has {quoted(min(strange))}; only M, E, * and - are known"
            )
        names = [BLOCKS[letter] for letter in pattern]
    else:
        names = strings(f.items("layers_block_type") or [])
        if not {"moe", "mlp"} & set(names):
            return []
        f.read.add("num_hidden_layers")
        if strange := set(names) - set(BLOCKS.values()):
            raise BadConfig(
                f"{f.where}: layers_block_type has {quoted(min(strange))}; known: {', '.join(BLOCKS.values())}"
            )
    if not 0 < len(names) <= MOST_LAYERS or not {"attention", "mamba"} & set(names):
        raise BadConfig(f"{f.where}: the pattern of {counted(len(names), 'block')} has no layer that mixes tokens")
    stated = f.count("num_hidden_layers")
    if stated is not None and stated != len(names):
        raise BadConfig(f"{f.where}: num_hidden_layers is {stated}, but the pattern has {counted(len(names), 'block')}")
    return names


def _merged(blocks: list[str]) -> list[Layer]:
    """Blocks as layers: each mixer with the FFN or the experts that follow it. An FFN without a mixer is one, too."""
    layers: list[Layer] = []
    for i, block in enumerate(blocks):
        if block in ("mamba", "attention"):
            layers.append(Layer("recurrent" if block == "mamba" else "full", "none", i, i))
            continue
        ffn: Ffn = "moe" if block == "moe" else "dense"
        if layers and layers[-1].ffn == "none":
            layers[-1] = Layer(layers[-1].mixer, ffn, layers[-1].mixer_index, i)
        else:
            layers.append(Layer("none", ffn, i, i))
    return layers


def _window(f: Fields) -> tuple[int, bool]:
    """Tokens of the window, and whether windows are fixed chunks; 0 where there is none or it is turned off."""
    size = f.count("sliding_window", "sliding_window_size", "window_size", least=0) or 0
    chunk = f.count("attention_chunk_size", least=0) or 0
    if f.keys.get("use_sliding_window") is False or f.keys.get("compress_ratios") is not None:
        return 0, False
    if f.word("model_type").startswith("llama4"):
        return chunk, chunk > 0
    return size, False


def _mixers(f: Fields, n: int, window: int) -> list[Mixer]:
    """How each layer mixes tokens."""
    if (named := f.per_layer(n, "layer_types", "layers_block_type", "block_types", "_block_types")) is not None:
        return [_named(f, str(name).lower()) for name in named]
    if (windowed := f.per_layer(n, "hybrid_layer_pattern")) is not None:
        return ["windowed" if x else "full" for x in windowed]
    if (attends := f.per_layer(n, "attn_type_list")) is not None:
        return ["full" if x else "recurrent" for x in attends]
    if delta := f.table("linear_attn_config"):
        listed = delta.get("full_attn_layers")
        full = set(listed) if isinstance(listed, list) and all(isinstance(x, int) for x in listed) else set()
        return ["full" if i + 1 in full else "recurrent" for i in range(n)]
    period = f.count("attn_layer_period")
    if period:
        offset = f.count("attn_layer_offset", least=0) or 0
        return ["full" if i % period == offset else "recurrent" for i in range(n)]
    if f.keys.get("linear_num_value_heads") is not None:
        every = f.count("full_attention_interval") or 4
        return ["recurrent" if (i + 1) % every else "full" for i in range(n)]
    return _windows(f, n, window)


def _named(f: Fields, name: str) -> Mixer:
    if name not in MIXERS:
        f.assume(f"layers of the type {quoted(name)} attend to the whole context")
    return MIXERS.get(name, "full")


def _windows(f: Fields, n: int, window: int) -> list[Mixer]:
    """Which layers have the window in families that do not list the kinds of layers."""
    kind = f.word("model_type")
    if not window:
        return ["full"] * n
    if kind.startswith("llama4"):
        rotated = f.per_layer(n, "no_rope_layers")
        every = f.count("no_rope_layer_interval") or 4
        windowed = rotated or [(i + 1) % every for i in range(n)]
        return ["windowed" if x else "full" for x in windowed]
    if kind.startswith("gemma3") or f.keys.get("sliding_window_pattern") is not None:
        every = f.count("sliding_window_pattern", "_sliding_window_pattern") or 6
        return ["windowed" if (i + 1) % every else "full" for i in range(n)]
    if kind in ALTERNATING:
        return ["full" if i % 2 else "windowed" for i in range(n)]
    if f.keys.get("use_sliding_window") is True:
        first = f.count("max_window_layers", least=0) or 0
        return ["windowed" if i >= first else "full" for i in range(n)]
    if kind in UNIFORM:
        return ["windowed"] * n
    f.assume(f"sliding_window {window} is not used, since no key says which layers have it")
    return ["full"] * n


def _ffns(f: Fields, n: int) -> list[Ffn]:
    """Which layers have experts; dense FFNs in the others."""
    if not experts_of(f):
        return ["dense"] * n
    if (named := f.per_layer(n, "mlp_layer_types")) is not None:
        return ["dense" if str(x) == "dense" else "moe" for x in named]
    if (listed := f.items("moe_layers")) is not None:
        return ["moe" if i in listed else "dense" for i in range(n)]
    if enumerated := f.word("moe_layers_enum"):
        chosen = {part.strip() for part in enumerated.split(",")}
        return ["moe" if str(i) in chosen else "dense" for i in range(n)]
    if (frequent := f.per_layer(n, "moe_layer_freq")) is not None:
        return ["moe" if x else "dense" for x in frequent]
    return _regular_ffns(f, n)


def _regular_ffns(f: Fields, n: int) -> list[Ffn]:
    """Experts in every n-th layer from a first to a last one, except those listed as dense."""
    first = f.count(*FIRST_DENSE, least=0) or 0
    if first > n:
        name = next(key for key in FIRST_DENSE if f.keys.get(key) is not None)
        raise BadConfig(f"{f.where}: {name} is {first}, but the model has {counted(n, 'layer')}; correct either")
    last = f.count("moe_layer_end_index", least=-1)
    last = n - 1 if last is None or last < 0 else last
    after = f.count("interleave_moe_layer_step", "decoder_sparse_step", "moe_layer_interval", least=0)
    period, every = f.count("expert_layer_period"), f.count("moe_layer_freq", least=0) or 1
    offset = f.count("expert_layer_offset", least=0) or 0
    dense = {x for x in f.items("mlp_only_layers") or [] if isinstance(x, int)}

    def has_experts(i: int) -> bool:
        if i < first or i > last or i in dense:
            return False
        if period:
            return i % period == offset
        return (i + 1) % after == 0 if after else i % every == 0

    return ["moe" if has_experts(i) else "dense" for i in range(n)]
