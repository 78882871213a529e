"""A prefix cache block by block, slow and plain: tables of blocks, a map of hashes and a free queue, as vLLM has them.

A block's hash is the whole text up to its end. A block that is computed though it is cached gives way to the one there.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

from tests.support.serving_reference import Pool, Sequence


def texts(tree, inputs, outputs) -> list[tuple]:
    """The names of the tokens that each request leaves in the KV cache; requests share those of common segments."""
    rows = []
    for i, (prompt, answer) in enumerate(zip(inputs, outputs, strict=True)):
        if tree is None:
            rows.append(tuple((i, t) for t in range(prompt + answer - 1)))
            continue
        names, segment = {}, int(tree.whole[i])
        while segment >= 0:
            names |= {t: (segment, t) for t in range(int(tree.start[segment]), int(tree.end[segment]))}
            segment = int(tree.parent[segment])
        rows.append(tuple(names[t] for t in range(prompt + answer - 1)))
    return rows


@dataclass(eq=False)
class CachingPool(Pool):
    """A `Pool` whose sequences have tables of blocks."""

    texts: list[tuple] = field(default_factory=list)
    found: dict[int, int] = field(default_factory=dict)  # tokens that each request found when it first ran
    evicted: int = 0

    def __post_init__(self):
        self.free = list(range(self.limits.kv_blocks))  # the next to be taken comes first
        self.block_of: dict[tuple, int] = {}
        self.hash_of: dict[int, tuple] = {}
        self.refs: Counter[int] = Counter()
        self.tables: dict[Sequence, list[int]] = {}
        self.hashed: dict[Sequence, int] = {}  # blocks of a table that have their hash

    def used(self) -> int:
        return self.limits.kv_blocks - len(self.free)

    def shared(self) -> int:
        return sum(map(len, self.tables.values())) - self.used()

    def take(self, s: Sequence, tokens) -> None:
        """Give a sequence the blocks for its tokens."""
        table = self.tables.setdefault(s, [])
        while len(table) < self.blocks(tokens):
            block = self.free.pop(0)
            if block in self.hash_of:
                del self.block_of[self.hash_of.pop(block)]
                self.evicted += 1
            self.refs[block] = 1
            table.append(block)

    def touch(self, block: int) -> None:
        if not self.refs[block]:
            self.free.remove(block)
        self.refs[block] += 1

    def give_hashes(self, s: Sequence, tokens) -> None:
        """Make the full blocks among the first `tokens` findable."""
        size, text, table = self.limits.block_tokens, self.texts[s.index], self.tables[s]
        for i in range(self.hashed.get(s, 0), min(math.floor(tokens), len(text)) // size):
            name = text[: (i + 1) * size]
            if name in self.block_of:
                self.refs[table[i]] = 0
                self.free.insert(0, table[i])
                table[i] = self.block_of[name]
                self.touch(table[i])
            else:
                self.block_of[name], self.hash_of[table[i]] = table[i], name
            self.hashed[s] = i + 1

    def leave(self, s: Sequence) -> None:
        """Free a table, the last block first; what has no hash is taken next."""
        self.hashed.pop(s, None)
        for block in reversed(self.tables.pop(s)):
            self.refs[block] -= 1
            if not self.refs[block]:
                self.free.insert(len(self.free) if block in self.hash_of else 0, block)

    def hits(self, s: Sequence) -> list[int]:
        size, text = self.limits.block_tokens, self.texts[s.index]
        blocks = []
        while (len(blocks) + 1) * size < s.prompt + math.floor(s.made):
            name = text[: (len(blocks) + 1) * size]
            if name not in self.block_of:
                break
            blocks.append(self.block_of[name])
        return blocks

    def grow_decodes(self, decodes: list[Sequence]) -> bool:
        calm = True
        for s in [s for s in self.running if s.decoding]:
            if s not in self.running:
                continue
            while self.used() + self.blocks(s.cache + self.accept) - len(self.tables[s]) > self.limits.kv_blocks:
                calm = False
                victim = ([r for r in self.running if not r.decoding] or self.running)[-1]
                self.evict(victim)
                if victim is s:
                    break
            if s in self.running:
                s.cache += self.accept
                self.take(s, s.cache)
                self.give_hashes(s, s.cache)
                decodes.append(s)
        return calm

    def evict(self, victim: Sequence) -> None:
        self.leave(victim)
        super().evict(victim)

    def fill_with_prompts(self, left: int, decodes, prompts) -> bool:
        for s in [s for s in self.running if not s.decoding]:
            n = min(s.prompt + math.floor(s.made) - int(s.cache), left)
            if self.used() + self.blocks(s.cache + n) - len(self.tables[s]) > self.limits.kv_blocks:
                self.evict(s)
                return False
            self.prefill(s, int(s.cache), n, prompts)
            left -= n
        if self.steps < self.opens and any(s.decoding for s in self.running):
            return True
        per_sequence = max(math.ceil(self.accept), 1 + self.limits.drafted_tokens)
        places = max(min(self.limits.max_num_seqs, self.limits.max_batched_tokens // per_sequence), 1)
        while self.waiting and left > 0 and len(self.running) < places:
            s = self.waiting[0]
            hits = self.hits(s)
            done, in_use = len(hits) * self.limits.block_tokens, sum(self.refs[b] > 0 for b in hits)
            spare = int(self.limits.watermark * self.limits.kv_blocks) if self.used() else 0
            taken, goal = self.used(), s.prompt + math.floor(s.made)
            need = self.blocks(goal) - in_use
            if self.limits.reserve_output:
                taken = sum(self.most_blocks(r) for r in self.running) - self.shared()
                need = self.most_blocks(s) - in_use
            if taken + need + spare > self.limits.kv_blocks:
                break
            n = min(goal - done, left)
            if not self.limits.chunked and n < goal - done:
                if prompts:
                    break
                n = goal - done
            self.waiting.pop(0)
            self.running.append(s)
            for block in hits:
                self.touch(block)
            self.tables[s], self.hashed[s] = hits, len(hits)
            self.found.setdefault(s.index, done)
            self.prefill(s, done, n, prompts)
            left -= n
        return True

    def prefill(self, s: Sequence, done: int, n: int, prompts) -> None:
        prompts.append((s, n, done))
        s.cache = Fraction(done + n)
        self.take(s, s.cache)
        self.give_hashes(s, s.cache)

    def end_step(self) -> list[Sequence]:
        doing = self.doing
        done = super().end_step()
        for s, _ in doing:
            if s in done:
                self.leave(s)
        return done


class Requests:
    """The requests of a source, each when it is due; also those of sessions."""

    def __init__(self, source, before):
        self.source, self.before = source, before
        self.inputs, self.outputs = source.input_tokens.tolist(), source.output_tokens.tolist()
        self.everyone: dict[int, Sequence] = {}
        self.ends: dict[int, float] = {}
        self.next = 0

    def send(self, i: int, at: float, user: int) -> Sequence:
        arrival = at + self.before(self.inputs[i])
        self.everyone[i] = Sequence(i, self.inputs[i], self.outputs[i], 0, user, at, arrival)
        return self.everyone[i]

    def begin(self) -> list[Sequence]:
        if hasattr(self.source, "due_s"):
            return [self.send(i, at, -1) for i, at in enumerate(self.source.due_s.tolist())]
        if hasattr(self.source, "think_s"):
            return [self.following(0.0, user) for user in range(min(self.source.users, len(self.inputs)))]
        if self.source.users is None:
            return [s for i, at in enumerate(self.source.begin_s.tolist()) for s in self.session(i, at, -1)]
        first = range(min(self.source.users, len(self.source.first) - 1))
        self.next = len(first)
        return [s for i in first for s in self.session(i, 0.0, i)]

    def following(self, at: float, user: int) -> Sequence:
        self.next += 1
        return self.send(self.next - 1, at, user)

    def session(self, k: int, at: float, user: int) -> list[Sequence]:
        self.begins = {**getattr(self, "begins", {}), k: (at, user)}
        return self.ready(k)

    def ready(self, k: int) -> list[Sequence]:
        """The requests of a session that may be sent now and have not been."""
        source, (at, user) = self.source, self.begins[k]
        sent = []
        for i in range(int(source.first[k]), int(source.first[k + 1])):
            edges = [e for e in range(len(source.child)) if source.child[e] == i]
            if i in self.everyone or any(int(source.parent[e]) not in self.ends for e in edges):
                continue
            due = max([self.ends[int(source.parent[e])] + float(source.gap_s[e]) for e in edges], default=at)
            sent.append(self.send(i, max(due, at + max(float(source.root_s[i]), 0.0)), user))
        return sent

    def ended(self, s: Sequence, at: float) -> list[Sequence]:
        s.last = self.ends[s.index] = at
        if hasattr(self.source, "due_s"):
            return []
        if hasattr(self.source, "think_s"):
            return [self.following(at + self.source.think_s, s.user)] if self.next < len(self.inputs) else []
        source = self.source
        k = max(j for j in range(len(source.first) - 1) if source.first[j] <= s.index)
        members = range(int(source.first[k]), int(source.first[k + 1]))
        sent = self.ready(k)
        if all(i in self.ends for i in members) and source.users is not None and self.next < len(source.first) - 1:
            over = max(self.ends[i] + float(source.tail_s[i]) for i in members)
            self.next += 1
            sent += self.session(self.next - 1, over, s.user)
        return sent


def serve_with_cache(step_time, limits, source, accept, before, pool=CachingPool):
    """(the sequences by index, the pool) after every request of the source."""
    inputs, outputs = source.input_tokens.tolist(), source.output_tokens.tolist()
    engine = pool(step_time, limits, accept, texts=texts(getattr(source, "prefixes", None), inputs, outputs))
    requests = Requests(source, before)
    engine.coming += requests.begin()
    now = 0.0
    while True:
        if engine.busy_until is not None and engine.busy_until <= now:
            for s in engine.end_step():
                engine.coming += requests.ended(s, now)
        if engine.busy_until is None:
            engine.start_step(now)
        if engine.busy_until is not None:
            now = engine.busy_until
        elif engine.coming:
            now = max(now, min(s.arrival for s in engine.coming))
        else:
            return [requests.everyone[i] for i in range(len(inputs))], engine
