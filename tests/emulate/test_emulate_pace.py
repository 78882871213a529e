"""Tokens leave the emulated endpoint when the simulation says: to the float on a virtual clock, and over sockets."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from paretoken.emulate.pacer import SLIP_S, Pacer
from paretoken.emulate.prometheus import EmulatorMetrics
from paretoken.emulate.reply import Reply
from paretoken.emulate.request import CompletionRequest
from paretoken.emulate.settings import EmulatorSettings
from paretoken.emulate.spacing import BATCH, SendSpacing
from paretoken.emulate.surfaces.completions import Completions
from paretoken.emulate.surfaces.surface import Ask
from paretoken.emulate.words import Script
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import ServingOptions, simulate
from paretoken.predict.simulation.scheduler import Sequence
from paretoken.predict.simulation.sources import closed_loop
from paretoken.predict.steptime import AffineStepTime
from tests.predict.test_simulation import STEP
from tests.support.emulators import QUICK, program


class Wire:
    """The connection of one user who sends the next request as soon as the last is answered."""

    place = 0

    def __init__(self, users: Users) -> None:
        self.users, self.reply = users, None

    def send(self, data: bytes) -> None:
        self.users.sent[self.reply.number].append((self.users.now, data.count(b'"text"')))

    def finished(self) -> None:
        self.users.send_next(self)


def streamed(prompt: int, output: int) -> CompletionRequest:
    """A request for a stream of that many tokens."""
    return CompletionRequest(
        surface=Completions,
        ask=Ask(pieces=[], most_tokens=None),
        model="m",
        stream=True,
        prompt_tokens=prompt,
        max_tokens=output,
        min_tokens=0,
        ignore_eos=True,
    )


class Numbered(Reply):
    __slots__ = ("number",)


class Users:
    """A closed loop over a pacer, on a clock that jumps from step to step."""

    def __init__(self, settings: EmulatorSettings, source) -> None:
        self.pacer, self.source, self.settings = Pacer(settings, EmulatorMetrics()), source, settings
        self.sent: list[list[tuple[float, int]]] = [[] for _ in source.input_tokens]
        self.begun, self.now = 0, 0.0
        for _ in range(source.users):
            self.send_next(Wire(self))
        self.pacer.start(0.0)
        while self.pacer.due is not None:
            self.now = self.pacer.ends_s
            self.pacer.run(self.now)

    def send_next(self, wire: Wire) -> None:
        i = self.begun
        if i == len(self.sent):
            return
        self.begun += 1
        prompt, output = int(self.source.input_tokens[i]), int(self.source.output_tokens[i])
        cached = min(int(prompt * self.settings.serving.prefix_hit_rate), prompt - 1)
        request = streamed(prompt, output)
        reply = Numbered(
            wire,
            request,
            Sequence(prompt, output, cached),
            Script(i, output, "length"),
            name="x",
            created=0,
            received_s=self.now,
        )
        reply.number, reply.sequence.owner, wire.reply = i, reply, reply
        self.pacer.submit(reply)


@pytest.mark.parametrize(
    ("limits", "serving", "scale"),
    [
        (SchedulerLimits(max_num_seqs=64, max_batched_tokens=512, kv_blocks=5000), ServingOptions(), 1.0),
        (SchedulerLimits(max_num_seqs=64, max_batched_tokens=512, kv_blocks=130), ServingOptions(0.3), 1.0),
        (
            SchedulerLimits(max_num_seqs=4, max_batched_tokens=300, kv_blocks=5000, mixed=False, chunked=False),
            ServingOptions(acceptance_length=2.5),
            10.0,
        ),
    ],
)
def test_each_token_leaves_when_the_simulation_says(limits, serving, scale):
    source = closed_loop(8, 60, 300, 120, ratio=0.7, seed=5)
    users = Users(EmulatorSettings(model="m", step_time=STEP, limits=limits, serving=serving, time_scale=scale), source)
    run = simulate(STEP, limits, source, serving)
    for i, (times, tokens) in enumerate(run.token_times()):
        np.testing.assert_allclose([at * scale for at, n in users.sent[i] if n], times, rtol=1e-9)
        assert sum(n for _, n in users.sent[i]) == len(times) <= tokens.sum()
    assert users.pacer.scheduler.preemptions == run.preemptions
    assert users.pacer.counters.generation_tokens == source.output_tokens.sum()
    assert users.pacer.counters.ttft_s.sum * scale == pytest.approx(run.ttft_s.sum())
    assert users.pacer.counters.late_s == users.pacer.counters.slipped_s == 0


def test_a_server_that_was_held_up_does_not_catch_up_in_a_burst():
    pacer = Pacer(
        EmulatorSettings(
            model="m", step_time=QUICK, limits=SchedulerLimits(max_num_seqs=4, max_batched_tokens=64, kv_blocks=100)
        ),
        EmulatorMetrics(),
    )

    class Deaf:
        reply, place = None, 0

        def send(self, data: bytes) -> None: ...

        def finished(self) -> None: ...

    wire = Deaf()
    request = streamed(5, 100)
    reply = Reply(wire, request, Sequence(5, 100), Script(0, 100, "length"), name="x", created=0, received_s=0.0)
    reply.sequence.owner = reply
    pacer.submit(reply)
    pacer.start(0.0)
    pacer.run(10.0)
    assert reply.made == 1 and pacer.ends_s > 10.0 and pacer.counters.slipped_s == pytest.approx(10.0, rel=0.01)
    pacer.run(pacer.ends_s + SLIP_S / 2)
    assert reply.made > 50 and pacer.counters.slipped_s == pytest.approx(10.0, rel=0.01)


def test_a_connection_keeps_its_place_in_the_order_of_a_step():
    """Else a stream would move forward as others end, and its gaps be shorter than a step."""
    order: list[int] = []

    class Placed:
        reply = None

        def __init__(self, place: int) -> None:
            self.place = place

        def send(self, data: bytes) -> None:
            order.append(self.place)

        def finished(self) -> None: ...

    limits = SchedulerLimits(max_num_seqs=8, max_batched_tokens=640, kv_blocks=100)
    pacer = Pacer(EmulatorSettings(model="m", step_time=QUICK, limits=limits), EmulatorMetrics())
    for place in (3, 1, 2):
        request = streamed(5, 9)
        script = Script(0, 9, "length")
        reply = Reply(Placed(place), request, Sequence(5, 9), script, name="x", created=0, received_s=0.0)
        reply.sequence.owner = reply
        pacer.submit(reply)
    pacer.start(0.0)
    for _ in range(3):
        pacer.run(pacer.ends_s)
    assert order == [1, 2, 3] * 3


def test_slow_sends_of_a_step_are_made_up_for_within_it():
    """Each send takes 10 us, and one in a step takes 400: sends far behind it leave at the same time after the step."""
    now, left = [0.0], []
    spacing = SendSpacing(clock=lambda: now[0], sleep=lambda s: now.__setitem__(0, now[0] + s))
    sends = 40 * BATCH
    for step in range(200):
        due = now[0] = 0.02 * step
        spacing.begin(due, 0.02, sends)
        times = []
        for sent in range(sends):
            if not sent % BATCH and sent:
                spacing.keep(sent)
            now[0] += 400e-6 if sent == step % 64 else 10e-6
            times.append(now[0] - due)
        spacing.end(sends)
        left.append(times)
    settled = np.array(left[-20:])
    behind = settled[:, sends // 2 :]
    assert np.ptp(behind, axis=0).max() < 5e-6 < np.ptp(settled[:, :BATCH], axis=0).max()
    assert settled.max() < 0.02 * 0.7 + 1e-9


def test_our_benchmark_finds_what_the_simulation_says(call, tmp_path):
    """A whole run over sockets; only where the client itself says that it kept up is its timing held to account."""
    users, isl, osl = 8, 256, 60
    engine = ("--decode-ms", "10", "--per-seq-ms", "0.25", "--prefill-tok-s", "20000")
    engine += ("--max-num-batched-tokens", "1024")
    with program(*engine, "--name", "m") as url:
        root = url.removesuffix("/v1")
        code, _, err = call(f"bench {root} --isl {isl} --osl {osl} --concurrency {users} --until 4s --out run --json")
    assert code == 0, err
    folder = next((tmp_path / "run" / "levels").iterdir())
    summary = json.loads((folder / "summary.json").read_text())
    requests = pl.read_parquet(folder / "requests.parquet").filter(pl.col("status") == "ok")
    assert set(requests["output_tokens"]) == {osl} and set(requests["input_tokens"]) == {isl}
    step = AffineStepTime(0.01, 0.00025, 0.0, 1 / 20_000)
    turnaround_s = 0.0005  # a request comes when the step after its user's last token has begun
    source = closed_loop(users, len(requests), isl, osl, think_s=turnaround_s)
    run = simulate(step, SchedulerLimits(max_num_seqs=256, max_batched_tokens=1024, kv_blocks=5000), source)
    if not summary["fidelity"]["client_limited"]:
        first, last = ((requests[n] - requests["due_ns"]).to_numpy() / 1e9 for n in ("first_ns", "last_ns"))
        assert np.median(first) == pytest.approx(np.median(run.ttft_s), rel=0.2)
        assert np.median(last - first) / (osl - 1) == pytest.approx(np.median(run.tpot_s), rel=0.1)
