"""The keys of a config.json: values of the right type and a plausible size, under the names that families give them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from paretoken.errors import BadConfig, quoted
from paretoken.plural import counted

Keys = Mapping[str, object]
MOST = 100_000_000
"""The largest width, count or length that is accepted."""
_OF_SHAPE = re.compile(
    r"(_dim|_dims|_rank|_heads|_layers|_size|_experts|_blocks|_channels|_groups|_freq|_interval|_pattern|_types|_ratios)$"
    r"|^(n|d)_[a-z]+$|^(ssm|mamba|linear|conv|index|sparse|block)_"
)
"""Keys that look like shapes."""
_HARMLESS = re.compile(
    r"(_token_id|_token_ids|_token_index|_scaling|_theta|_factor|_loss_coef|_eps|_epsilon|_range|_dropout|_pdrop|_bias"
    r"|_floor|_max|_min|_limit|_std|_act|_activation)$"
    r"|^(type_vocab|chunk|bos|eos|pad|image|video|vision|audio|n_group$|topk_group|rotary|rope|partial|mtp|num_beam|num_hash"
    r"|num_nextn|num_mtp|initial_|layer_norm|norm_|max_|min_|num_return|no_repeat|num_logits|pretraining_tp|ep_size"
    r"|hc_|original_|num_expert_group|num_labels|mlp_chunk|chunk_size|time_step|encoder_no|top_|length_|use_|quant"
    r"|num_key_value_groups|hidden_size_per_layer_input|vocab_size_per_layer|residual_|mup|sparse_init|sparse_local"
    r"|sparse_disable|sparse_score|index_share|index_skip|index_topk_|indexer_rope|mamba_chunk|mamba_ssm|swa_rope"
    r"|pruned_heads|n_positions|n_ctx|n_inner)"
)
"""Keys that match _OF_SHAPE but do not change the shapes."""
_REDUNDANT = frozenset(
    [
        "full_attention_interval",
        "sliding_window_size",
        "moe_layer_freq",
        "qk_head_dim",
        "head_dim",
        "qk_rope_head_dim",
        "num_experts",
        "num_key_value_heads",
        "index_topk",
        "index_n_heads",
        "intermediate_size",
        "attn_res_block_size",
        "decoder_sparse_step",
        "max_window_layers",
        "sliding_window_pattern",
        "interleave_moe_layer_step",
        "no_rope_layer_interval",
        "no_rope_layers",
        "first_k_dense_replace",
        "num_dense_layers",
        "attention_chunk_size",
        "d_kv",
        "num_attention_groups",
    ]
)
"""Keys that repeat other keys, so that leaving them unread does no harm."""


@dataclass(slots=True)
class Fields:
    """The keys of one config, which errors call `where`; it records the keys that were read and the assumptions."""

    keys: Keys
    where: str
    outer: Keys = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    assumed: list[str] = field(default_factory=list)

    def get(self, *names: str) -> object:
        """The first of these keys that has a value; those of the text part come before those around it."""
        self.read.update(names)
        for keys in (self.keys, self.outer):
            for name in names:
                if keys.get(name) is not None:
                    return keys[name]
        return None

    def count(self, *names: str, least: int = 1) -> int | None:
        """A whole number of at least `least`; None if no key has a value. BadConfig for anything else."""
        name = next((n for keys in (self.keys, self.outer) for n in names if keys.get(n) is not None), names[0])
        value = self.get(*names)
        return None if value is None else self.whole(name, value, least)

    def needed(self, *names: str) -> int:
        """Like `count`; BadConfig where there is none."""
        value = self.count(*names)
        if value is None:
            also = f" (or {', '.join(names[1:4])})" if names[1:] else ""
            raise BadConfig(f"{self.where} has no {names[0]}{also}; give the config.json of a language model")
        return value

    def whole(self, name: str, value: object, least: int = 1) -> int:
        """The value of a key as a whole number from `least` to MOST; BadConfig for anything else."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise BadConfig(f"{self.where}: {name} is {quoted(value)}; it must be a number")
        if not least <= value <= MOST or value != int(value):
            raise BadConfig(
                f"{self.where}: {name} is {quoted(value)}; it must be a whole number of {least} to {MOST:,}"
            )
        return int(value)

    def flag(self, *names: str, default: bool = False) -> bool:
        """Whether a key is true; BadConfig where it is neither true nor false."""
        value = self.get(*names)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise BadConfig(f"{self.where}: {names[0]} is {quoted(value)}; it must be true or false")
        return value

    def word(self, *names: str) -> str:
        """A key that holds one word, in lower case; empty if there is none."""
        value = self.get(*names)
        return value.strip().lower() if isinstance(value, str) else ""

    def items(self, *names: str) -> list[object] | None:
        """A key that holds a list; None where it is none."""
        value = self.get(*names)
        return list(value) if isinstance(value, (list, tuple)) else None

    def per_layer(self, layers: int, *names: str) -> list[object] | None:
        """A list with an item for each layer; further ones are those of draft layers. BadConfig for one too short."""
        values = self.items(*names)
        if values is not None and len(values) < layers:
            items = f"{counted(len(values), 'item')} for {counted(layers, 'layer')}"
            raise BadConfig(f"{self.where}: {names[0]} has {items}; correct either")
        return values[:layers] if values is not None else None

    def table(self, *names: str) -> Keys:
        """A key that holds an object; empty if there is none."""
        value = self.get(*names)
        return value if isinstance(value, dict) else {}

    def object(self, *names: str) -> Keys:
        """Like `table`; BadConfig for a key that holds anything else."""
        value = self.get(*names)
        if value is not None and not isinstance(value, dict):
            raise BadConfig(f"{self.where}: {names[0]} is {quoted(value)}; it must be an object with keys")
        return value or {}

    def inside(self, name: str) -> Fields | None:
        """The fields of the object that a key holds; None if it is empty or there is none."""
        keys = self.table(name)
        return Fields(keys, f"{self.where}: {name}", assumed=self.assumed) if keys else None

    def assume(self, words: str) -> None:
        """Note what was assumed where the config does not say."""
        if words not in self.assumed:
            self.assumed.append(words)

    def unread(self) -> list[str]:
        """Keys that look like shapes and that nothing read."""
        return sorted(
            key[:80]
            for key, value in self.keys.items()
            if key not in self.read | _REDUNDANT
            and _matters(value)
            and _OF_SHAPE.search(key)
            and not _HARMLESS.search(key)
        )


def _matters(value: object) -> bool:
    """Whether a value is a number other than 0, or a list with items."""
    return (isinstance(value, (int, float)) and not isinstance(value, bool) and value != 0) or (
        isinstance(value, list) and bool(value)
    )


def strings(values: Iterable[object]) -> list[str]:
    """The strings among some values."""
    return [v for v in values if isinstance(v, str)]
