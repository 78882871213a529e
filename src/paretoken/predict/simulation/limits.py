"""What bounds a batch."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from paretoken.errors import BadConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerLimits:
    """An engine's scheduler settings, in the words of vLLM.

    `max_batched_tokens` is the budget of one step: decoding sequences come first, prompts get the rest.
    """

    max_num_seqs: int
    max_batched_tokens: int
    kv_blocks: int
    block_tokens: int = 16
    chunked: bool = True  # a prompt may be cut to what the budget leaves; else it waits for a step that holds it whole
    mixed: bool = True  # prompts and decodes share a step; else prompts go first, alone
    reserve_output: bool = False  # a request waits until its whole answer will fit too: nobody is ever preempted
    watermark: float = 0.0  # share of the blocks that an admission leaves free
    receive_interval: int = 1  # steps after which new requests are looked for again (SGLang)
    batch_wait: int = 0  # steps that a request waits for others to share its prefill (TensorRT-LLM)
    drafted_tokens: int = 0  # verified with each decoding sequence, beside one token of its own; each has a KV slot

    def __post_init__(self) -> None:
        for name in ("max_num_seqs", "max_batched_tokens", "kv_blocks", "block_tokens", "receive_interval"):
            if getattr(self, name) < 1:
                raise BadConfig(f"{name} is {getattr(self, name)}: it must be 1 or more")
        if not 0 <= self.watermark < 1:
            raise BadConfig(f"watermark is {self.watermark:g}: it is a share of the KV blocks, from 0 to below 1")
        for name in ("batch_wait", "drafted_tokens"):
            if getattr(self, name) < 0:
                raise BadConfig(f"{name} is {getattr(self, name)}: it must be 0 or more")

    @property
    def delays_requests(self) -> bool:
        """Whether the scheduler admits requests only at certain steps."""
        return self.receive_interval > 1 or self.batch_wait > 0

    def opens_at(self, steps: int) -> int:
        """The first step that may admit a request which comes to an empty queue after `steps` steps."""
        return -(-steps // self.receive_interval) * self.receive_interval + self.batch_wait

    @property
    def reserve(self) -> int:
        """Blocks that an admission leaves free."""
        return int(self.watermark * self.kv_blocks)

    def blocks(self, tokens: int) -> int:
        """Blocks that hold the tokens of a sequence and those drafted."""
        return -(-(tokens + self.drafted_tokens) // self.block_tokens)

    def chunk(self, left: int, budget: int, *, alone: bool) -> int:
        """The tokens of a prompt that enter a step; 0 where it must not be cut and others came first."""
        if left <= budget:
            return left
        return budget if self.chunked else left * alone

    @property
    def kv_tokens(self) -> int:
        """Tokens that the KV cache holds."""
        return self.kv_blocks * self.block_tokens

    @property
    def most_prompt(self) -> int:
        """Tokens of the longest prompt that the KV cache holds."""
        return self.kv_tokens - self.drafted_tokens

    def whole(self, prompt: int, output: int, tokens_per_step: int = 1) -> int:
        """Most blocks that a request ever holds; the last token made needs none, but a step may overshoot."""
        return self.blocks(prompt + output + tokens_per_step - 2)

    def sequences(self, tokens_per_step: int = 1) -> int:
        """Sequences that may run at once: `max_num_seqs`, or fewer where each step could not feed them all."""
        per_sequence = max(tokens_per_step, self.drafted_tokens + 1)
        return max(min(self.max_num_seqs, self.max_batched_tokens // per_sequence), 1)

    def decode_tokens(self, sequences: int, acceptance: Fraction) -> int:
        """Tokens of the budget for decoding sequences: all verified positions, at least the accepted ones."""
        return max(
            sequences * (self.drafted_tokens + 1), -(-sequences * acceptance.numerator // acceptance.denominator)
        )
