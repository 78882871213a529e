"""The sequences that decode, moved together by any number of steps at once, in exact integers.

A decoding sequence gains `gain`/`unit` tokens a step (1, or the acceptance length of speculative decoding, as a
fraction). `steps` counts the steps in which the batch decoded, so a sequence is a constant `offset` with

    units in its KV cache after step n  =  offset + gain · n

and ends at a step number that is known when it joins. It enters a new block where that count passes a multiple
of the block size: at one of `cycle` = block · unit phases, so sequences counted by phase give the blocks of k
steps as the sum of a slice.
"""

from __future__ import annotations

from fractions import Fraction
from heapq import heappop, heappush

from paretoken.predict.simulation.requests import NONE


class DecodeBatch:
    """Decoding sequences; counts of tokens are in units of 1/`unit`.

    `ends[i]` is the step number after which request i is done, NONE where it does not decode here.
    """

    def __init__(self, ends: list[int], block_tokens: int, acceptance: Fraction, drafted_tokens: int = 0) -> None:
        self.ends, self.requests = ends, len(ends)
        self.gain, self.unit = acceptance.numerator, acceptance.denominator
        self.cycle = block_tokens * self.unit
        self.ahead = (drafted_tokens - 1) * self.unit  # of the units in a cache, the last that its blocks hold
        self.steps = 0
        self.context = 0  # units in all caches after the next step
        self.offset: dict[int, int] = {}  # by request, the latest admitted last
        self.phase = [0] * self.cycle  # how many sequences there are of each phase
        self.heap: list[int] = []  # ends[i] * requests + i, also of sequences preempted since

    def __len__(self) -> int:
        return len(self.offset)

    def blocks(self, units: int) -> int:
        """KV blocks that hold the units of one sequence and its drafted tokens."""
        return (units + self.ahead) // self.cycle + 1

    def crossings(self, step: int, k: int) -> int:
        """Blocks that the sequences enter in steps `step` … `step` + k − 1."""
        whole, part = divmod(k * self.gain, self.cycle)
        high = (1 - step) * self.gain % self.cycle
        low = high - part
        phase = self.phase
        entered = sum(phase[low:high]) if low >= 0 else sum(phase[:high]) + sum(phase[low:])
        return whole * len(self.offset) + entered

    def steps_that_fit(self, free: int, k: int, grown: int) -> int:
        """The most steps, 1…k, that `free` blocks allow; the first `grown` of them have theirs already."""
        low, high = 1, k
        while low < high:
            middle = (low + high + 1) // 2
            if self.crossings(self.steps + grown, middle - grown) <= free:
                low = middle
            else:
                high = middle - 1
        return low

    def join(self, request: int, units: int, left: int) -> None:
        """Let a sequence decode from the next step on: `units` are in its cache, `left` remain to be made."""
        offset = units - (self.steps - 1) * self.gain
        self.offset[request] = offset
        self.phase[(offset + self.ahead) % self.cycle] += 1
        self.context += units + self.gain
        self.ends[request] = end = self.steps - (-left // self.gain)
        heappush(self.heap, end * self.requests + request)

    def leave(self, request: int) -> int:
        """Take a sequence out; the units in its cache."""
        offset = self.offset.pop(request)
        units = offset + (self.steps - 1) * self.gain
        self.context -= units + self.gain
        self.phase[(offset + self.ahead) % self.cycle] -= 1
        self.ends[request] = NONE
        return units

    def crosses(self, units: int) -> bool:
        """Whether a sequence with these units enters a block in its next step."""
        return (units + self.gain + self.ahead) % self.cycle < self.gain

    def move(self, k: int) -> None:
        """Decode k steps."""
        self.steps += k
        self.context += k * len(self.offset) * self.gain

    def next_end(self) -> int:
        """The step number after which the first sequence is done."""
        heap, ends, n = self.heap, self.ends, self.requests
        while ends[heap[0] % n] != heap[0] // n:
            heappop(heap)
        return heap[0] // n

    def done(self) -> list[int]:
        """The sequences whose last step this was."""
        heap, ends, n, steps = self.heap, self.ends, self.requests, self.steps
        ended = []
        while heap and heap[0] < (steps + 1) * n:
            request = heappop(heap) % n
            if ends[request] == steps:
                ends[request] = NONE
                ended.append(request)
        return ended


def steps_until(until_s: float, now_s: float, k: int, first_s: float, more_s: float) -> int:
    """The fewest steps from `now_s`, 1…k, that end at `until_s` or later.

    The first takes `first_s`, each one after `more_s` more than the one before.
    """
    low, high = 1, k
    while low < high:
        middle = (low + high) // 2
        if now_s + (middle * first_s + more_s * (middle * (middle - 1) // 2)) >= until_s:
            high = middle
        else:
            low = middle + 1
    return low
