"""What bounds a batch."""

from __future__ import annotations

from dataclasses import dataclass

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

    def __post_init__(self) -> None:
        for name in ("max_num_seqs", "max_batched_tokens", "kv_blocks", "block_tokens", "receive_interval"):
            if getattr(self, name) < 1:
                raise BadConfig(f"{name} is {getattr(self, name)}: it must be 1 or more")
        if not 0 <= self.watermark < 1:
            raise BadConfig(f"watermark is {self.watermark:g}: it is a share of the KV blocks, from 0 to below 1")

        if self.batch_wait < 0:
            raise BadConfig(f"batch_wait is {self.batch_wait}: it must be 0 or more")

    @property
    def holds(self) -> bool:
        """Whether requests wait for a step that the scheduler chooses."""
        return self.receive_interval > 1 or self.batch_wait > 0

    def held_until(self, steps: int) -> int:
        """The step before which a request does not start that comes to an empty queue after `steps` steps."""
        return -(-steps // self.receive_interval) * self.receive_interval + self.batch_wait

    @property
    def reserve(self) -> int:
        """Blocks that an admission leaves free."""
        return int(self.watermark * self.kv_blocks)

    def blocks(self, tokens: int) -> int:
        """Blocks that hold the tokens."""
        return -(-tokens // self.block_tokens)

    def whole(self, prompt: int, output: int, tokens_per_step: int = 1) -> int:
        """Most blocks that a request ever holds; the last token made needs none, but a step may overshoot."""
        return self.blocks(prompt + output + tokens_per_step - 2)

    def sequences(self, tokens_per_step: int = 1) -> int:
        """Sequences that may run at once: `max_num_seqs`, or fewer where each step could not feed them all."""
        return max(min(self.max_num_seqs, self.max_batched_tokens // tokens_per_step), 1)
