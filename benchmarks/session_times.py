"""Session times on the emulator relative to the simulation: `python -m benchmarks.session_times [--plays N]`.

Three users play nine chats with pauses between turns, with a prefix cache, in real time on this machine. For each play,
it prints the ratio of measured to simulated session time: the mean, the smallest and the largest. Load of other
programs only makes sessions longer, so use the play with the smallest mean.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import pairwise

import numpy as np
from tests.support.emulators import emulated
from tests.support.session_player import Player, conversation

from paretoken.predict.simulation.cache.options import CacheOptions
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import simulate
from paretoken.predict.simulation.sources import session_load
from paretoken.predict.steptime import AffineStepTime

LIMITS = SchedulerLimits(max_num_seqs=16, max_batched_tokens=512, kv_blocks=4000)
STEP = AffineStepTime(0.012, 0.0004, 1e-7, 1e-4)
SYSTEM = "You are an agent that does what it is asked to do. " * 12
USERS, SESSIONS, TURNS = 3, 9, 4


def main() -> None:
    """Play the sessions `--plays` times and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plays", type=int, default=4)
    plays = parser.parse_args().plays
    rng = np.random.default_rng(11)
    chats = [
        conversation(str(i), rng, TURNS, system=SYSTEM, wait_s=0.15, longest=1500, answer=80) for i in range(SESSIONS)
    ]
    for i, chat in enumerate(chats[:USERS]):  # staggered, so that all but the first hit the system prompt
        chats[i] = replace(chat, steps=(replace(chat.steps[0], wait_s=0.1 + 0.3 * i), *chat.steps[1:]))
    run = simulate(STEP, LIMITS, session_load(chats, users=USERS), cache=CacheOptions())
    first = np.cumsum([0, *(len(chat.calls) for chat in chats)])
    begun_s = run.due_s - np.array([step.wait_s for chat in chats for step in chat.steps])
    expected = np.array([run.last_s[b - 1] - begun_s[a] for a, b in pairwise(first)])
    for play in range(plays):
        with emulated(cache=CacheOptions(), limits=LIMITS, step_time=STEP) as server:
            player = Player(server.port, chats)
            player.play(USERS)
        ratios = np.array([player.took_s[i] for i in range(SESSIONS)]) / expected
        print(f"play {play + 1}: mean {ratios.mean():.4f}, from {ratios.min():.4f} to {ratios.max():.4f}")


if __name__ == "__main__":
    main()
