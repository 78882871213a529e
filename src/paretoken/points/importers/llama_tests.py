"""Tests of llama.cpp's `llama-bench` to operating points: a prompt and a generation of the same settings are one point.

The mean TTFT is the mean time of the prompt, the mean TPOT that of the generation over its tokens. The generation is
the one at a depth of the prompt's length where there is one, else the one from an empty context, which is faster. A
joint test of both states the mean E2E and the total throughput. A prompt at a depth is not timed from its first token,
so it is no point.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from paretoken.points.importers.reading import LevelReading, joined

Settings = tuple[tuple[str, str], ...]
MOST_PAIRS = 10_000
APART = "prompt and generation timed apart, without sampling"
EMPTY = "generation from an empty context"


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaTest:
    """One test of one sequence: its tokens, those in the context before it, and its time in seconds."""

    at: int
    prompt: int
    generated: int
    depth: int
    mean_s: float | None
    median_s: float | None = None
    date: str = ""
    settings: Settings = ()

    @property
    def name(self) -> str:
        """The test as llama-bench writes it: `pp512+tg128 @ d1024`."""
        parts = [f"pp{self.prompt}" if self.prompt else "", f"tg{self.generated}" if self.generated else ""]
        return "+".join(p for p in parts if p) + (f" @ d{self.depth}" if self.depth else "")

    def times(self, latency: str, tokens: int = 1) -> dict[str, object]:
        """The columns of one latency: the time over `tokens`."""
        values = {"mean": self.mean_s, "median": self.median_s}
        return {f"{statistic}_{latency}_s": v / tokens for statistic, v in values.items() if v}


@dataclass(frozen=True, slots=True)
class LlamaPoint:
    """What was timed of one point."""

    prompt: LlamaTest | None = None
    generation: LlamaTest | None = None
    joint: LlamaTest | None = None

    def reading(self, varied: set[str]) -> LevelReading:
        """The point at concurrency 1, without the machine; `varied` settings are part of its name."""
        tests = [t for t in (self.prompt, self.generation, self.joint) if t]
        settings = [f"{k} {v}" for k, v in tests[0].settings if k in varied]
        stated: dict[str, object] = {
            "load_kind": "closed",
            "concurrency": 1,
            "speculative": "none",
            "date": tests[0].date,
            "source_ref": ", ".join([" and ".join(t.name for t in tests), *settings]),
            "notes": self._notes(),
        }
        if self.prompt:
            stated |= {"isl": self.prompt.prompt, **self.prompt.times("ttft")}
        if self.generation:
            stated |= {"osl": self.generation.generated, **self.generation.times("tpot", self.generation.generated)}
            if self.generation.depth:
                stated["isl"] = self.generation.depth
        totals: dict[str, object] = {}
        if self.joint:
            stated |= {"isl": self.joint.prompt, "osl": self.joint.generated, **self.joint.times("e2e")}
            tokens = self.joint.prompt + self.joint.generated
            totals = {"total": tokens / self.joint.mean_s} if self.joint.mean_s else {}
        return LevelReading(tests[0].at, stated, totals)

    def _notes(self) -> str | None:
        empty = self.generation and not self.generation.depth
        return joined(APART if self.prompt and self.generation else None, EMPTY if empty else None)


def points_of(tests: list[LlamaTest]) -> Iterator[LlamaPoint]:
    """The points of tests that share their settings."""
    prompts = {t.prompt: t for t in tests if t.prompt and not t.generated and not t.depth}
    generations = {(t.generated, t.depth): t for t in tests if t.generated and not t.prompt}
    joint = {(t.prompt, t.generated): t for t in tests if t.prompt and t.generated and not t.depth}
    covered = set()
    for prompt, generation in _pairs(prompts, generations):
        lengths = (prompt.prompt if prompt else 0, generation.generated if generation else 0)
        covered.add(lengths)
        yield LlamaPoint(prompt, generation, joint.get(lengths))
    yield from (LlamaPoint(joint=test) for lengths, test in joint.items() if lengths not in covered)


def pairs_of(tests: list[LlamaTest]) -> int:
    """An upper bound of the points that the tests make."""
    generations = sum(1 for t in tests if t.generated)
    return (len(tests) - generations) * generations


def _pairs(
    prompts: dict[int, LlamaTest], generations: dict[tuple[int, int], LlamaTest]
) -> Iterator[tuple[LlamaTest | None, LlamaTest | None]]:
    """Each prompt with each length of generation, then the generations that no prompt precedes."""
    lengths = dict.fromkeys(length for length, _ in generations)
    for tokens, prompt in prompts.items():
        after = [generations.get((n, tokens)) or generations.get((n, 0)) for n in lengths]
        partners = [test for test in after if test]
        yield from ((prompt, test) for test in partners)
        if not partners:
            yield prompt, None
    for (_, depth), test in generations.items():
        if depth not in prompts and (depth or not prompts):
            yield None, test
