"""A prefix cache block by block, slow and plain: tables of blocks, a map of hashes and a free queue, as vLLM has them.

A block's hash is the whole text up to its end. A block that is computed although it is cached is replaced by the
cached one.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

from tests.support.serving_reference import Pool, Sequence, run_to_end


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
    tiers: list[tuple[int, float, float]] = field(default_factory=list)  # blocks, seconds, and seconds a token
    first_hits: dict[int, list[int]] = field(default_factory=dict)  # tokens from each tier when a request first ran
    evicted: int = 0

    def __post_init__(self):
        self.free = list(range(self.limits.kv_blocks))  # the next to be taken comes first
        self.block_of: dict[tuple, int] = {}
        self.hash_of: dict[int, tuple] = {}
        self.refs: Counter[int] = Counter()
        self.tables: dict[Sequence, list[int]] = {}
        self.hashed: dict[Sequence, int] = {}  # blocks of a table that have their hash
        self.copies = [[] for _ in self.tiers]  # names of blocks, the one used last is the last
        self.link_free = [0.0] * len(self.tiers)
        self.loading: list[tuple[float, int, Sequence]] = []
        self.loaded: dict[Sequence, int] = {}  # blocks

    def events(self) -> list[float]:
        return [*super().events(), *(ready for ready, _, _ in self.loading)]

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
        """Cache the full blocks among the first `tokens`."""
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

    def write(self, s: Sequence) -> None:
        """Copy a sequence's full blocks to the tiers, as the ones used last, the first block last of all."""
        size = self.limits.block_tokens
        names = [self.texts[s.index][: (i + 1) * size] for i in range(self.hashed.get(s, 0))]
        for place, (room, _, _) in enumerate(self.tiers):
            self.copies[place] = [n for n in self.copies[place] if n not in names] + names[::-1]
            self.copies[place] = self.copies[place][max(len(self.copies[place]) - room, 0) :]

    def leave(self, s: Sequence) -> None:
        """Free a table, the last block first; what has no hash is taken next."""
        self.write(s)
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

    def start_step(self, now: float) -> None:
        ready = sorted(row for row in self.loading if row[0] <= now)
        self.loading = [row for row in self.loading if row[0] > now]
        for at, _, s in ready:
            self.receive(at)
            self.give_hashes(s, self.loaded[s] * self.limits.block_tokens)
            here = [w for w in self.waiting if w in self.loaded]
            self.waiting = [*here, s, *(w for w in self.waiting if w not in self.loaded)]
        super().start_step(now)

    def plan(self, now: float) -> bool:
        self.now = now
        return super().plan(now)

    def load(self, s: Sequence, hits: int) -> bool:
        """Begin to load what a tier has beyond the hits; whether there is anything."""
        size, text, reach, ready = self.limits.block_tokens, self.texts[s.index], hits, self.now
        begun, tokens = self.link_free.copy(), [hits * size]
        for place, (_, latency, per_token) in enumerate(self.tiers):
            end = 0
            while (end + 1) * size < s.prompt + math.floor(s.made) and text[: (end + 1) * size] in self.copies[place]:
                end += 1
            tokens.append(max(end - reach, 0) * size)
            if end > reach:
                begun[place] = max(begun[place], self.now) + latency + (end - reach) * size * per_token
                ready, reach = max(ready, begun[place]), end
        if reach == hits:
            return False
        self.link_free = begun
        self.loading.append((ready, s.index, s))
        self.loaded[s] = reach
        self.first_hits.setdefault(s.index, tokens)
        return True

    def blocks_of(self, s: Sequence) -> int:
        return len(self.tables[s])

    def decode(self, s: Sequence) -> None:
        super().decode(s)
        self.take(s, s.cache)
        self.give_hashes(s, s.cache)

    def evict(self, victim: Sequence) -> None:
        self.leave(victim)
        super().evict(victim)
        self.waiting.sort(key=lambda s: s not in self.loaded)

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
            goal = s.prompt + math.floor(s.made)
            if s in self.loaded:
                n = self.part(goal - self.loaded[s] * self.limits.block_tokens, left, prompts)
                if not n:
                    break
                done = self.loaded.pop(s) * self.limits.block_tokens
                while len(self.tables[s]) > self.blocks(done + n):
                    self.free.insert(0, self.tables[s].pop())
                    self.refs[self.free[0]] = 0
            else:
                hits = self.hits(s)
                done, in_use = len(hits) * self.limits.block_tokens, sum(self.refs[b] > 0 for b in hits)
                spare = int(self.limits.watermark * self.limits.kv_blocks) if self.used() else 0
                taken, need = self.used(), self.blocks(goal) - in_use
                if self.limits.reserve_output:
                    taken = sum(self.most_blocks(r) for r in [*self.running, *self.loaded]) - self.shared()
                    need = self.most_blocks(s) - in_use
                if taken + need + spare > self.limits.kv_blocks:
                    break
                loads = self.load(s, len(hits))
                n = self.part(goal - done, left, prompts)
                if not n and not loads:
                    break
                for block in hits:
                    self.touch(block)
                self.tables[s], self.hashed[s] = hits, len(hits)
                if loads:
                    self.waiting.pop(0)
                    self.take(s, goal)
                    continue
                self.first_hits.setdefault(s.index, [done, *(0 for _ in self.tiers)])
            self.waiting.pop(0)
            self.running.append(s)
            self.prefill(s, done, n, prompts)
            left -= n
        return True

    def part(self, wanted: int, left: int, prompts) -> int:
        if self.limits.chunked or wanted <= left:
            return min(wanted, left)
        return 0 if prompts else wanted

    def prefill(self, s: Sequence, done: int, n: int, prompts) -> None:
        prompts.append((s, n, done))
        s.cache = Fraction(done + n)
        self.take(s, s.cache)
        self.computed(s)

    def computed(self, s: Sequence) -> None:
        """Cache what a prompt has computed with the step that begins."""
        self.give_hashes(s, s.cache)
        if s.cache == s.prompt + math.floor(s.made):
            self.write(s)

    def end_step(self) -> list[Sequence]:
        doing = self.doing
        done = super().end_step()
        for s, _ in doing:
            if s in done:
                self.leave(s)
        return done


class TouchingPool(CachingPool):
    """Prompts are cached from the end of a step, and a lookup counts as a use of its blocks, as in SGLang."""

    def hits(self, s: Sequence) -> list[int]:
        blocks, size = super().hits(s), self.limits.block_tokens
        end = (len(blocks) + 1) * size
        last = self.block_of.get(self.texts[s.index][:end]) if end == s.prompt + math.floor(s.made) else None
        touched = [] if last is None else [last]  # it is computed in any case, but its use counts
        for block in touched + blocks[::-1]:
            if not self.refs[block]:
                self.free.remove(block)
                self.free.append(block)
        return blocks

    def computed(self, s: Sequence) -> None:
        pass

    def end_step(self) -> list[Sequence]:
        for s in self.running:
            if not s.decoding:
                super().computed(s)
        return super().end_step()


class Requests:
    """The requests of a source, each when it is due; also those of sessions."""

    def __init__(self, source, before):
        self.source, self.before = source, before
        self.inputs, self.outputs = source.input_tokens.tolist(), source.output_tokens.tolist()
        self.everyone: dict[int, Sequence] = {}
        self.ends: dict[int, float] = {}
        self.begins: dict[int, tuple[float, int]] = {}  # of each session: when, and its user
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
        self.begins[k] = at, user
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
            over = max(over, self.begins[k][0] + float(source.least_s[k]))
            self.next += 1
            sent += self.session(self.next - 1, over, s.user)
        return sent


def serve_with_cache(step_time, limits, source, accept, before, pool=CachingPool, tiers=()):
    """(the sequences by index, the pool) after every request of the source."""
    inputs, outputs = source.input_tokens.tolist(), source.output_tokens.tolist()
    text = texts(getattr(source, "prefixes", None), inputs, outputs)
    engine = pool(step_time, limits, accept, texts=text, tiers=list(tiers))
    requests = Requests(source, before)
    run_to_end(engine, requests)
    return [requests.everyone[i] for i in range(len(inputs))], engine
