"""When the first generation of a closed loop has been replaced, and when its users leave.

Of requests that is when users have begun their second one. In a load of sessions contexts grow from call to call, so a
second call is no sign of a steady state: all sessions are young together. There the first generation has been replaced
when as many sessions have begun anew as there are users, whoever plays them: some sessions are ten times as long as
others, and a user who plays one of these may begin no second one.
"""

from __future__ import annotations

import numpy as np

from paretoken.bench.stats.arrays import Ints
from paretoken.bench.stats.metrics import Samples


def of_sessions(samples: Samples) -> bool:
    """Whether the requests are calls of sessions."""
    return bool(len(samples)) and bool((samples.session >= 0).all())


def first_starts(samples: Samples) -> Ints:
    """When each user began its first request."""
    _, first = np.unique(samples.slot, return_index=True)
    return samples.due_ns[first]


def renewals(samples: Samples) -> Ints:
    """When each user began its second request, or when sessions began that are not the first of their user, sorted."""
    order = np.lexsort((samples.due_ns, samples.slot))
    order = order[samples.slot[order] >= 0]
    if of_sessions(samples):
        order = order[np.sort(np.unique(samples.session[order], return_index=True)[1])]
    slots, due = samples.slot[order], samples.due_ns[order]
    first = np.concatenate([[True], slots[1:] != slots[:-1]])[: len(slots)]
    second = ~first if of_sessions(samples) else np.concatenate([[False], first[:-1]])[: len(slots)] & ~first
    starts: Ints = np.sort(due[second])
    return starts


def last_ends(samples: Samples) -> Ints:
    """When the last request of each user ended, sorted."""
    slots, index = np.unique(samples.slot, return_inverse=True)
    last = np.full(len(slots), -1, dtype=np.int64)
    np.maximum.at(last, index.reshape(-1), samples.end_ns)
    return np.sort(last)


def session_ns(samples: Samples) -> float:
    """The median time from the first due call of a session to its last end, also of sessions that were cut."""
    numbers, index = np.unique(samples.session, return_inverse=True)
    begin, end = np.full(len(numbers), np.iinfo(np.int64).max), np.zeros(len(numbers), np.int64)
    np.minimum.at(begin, index.reshape(-1), samples.due_ns)
    np.maximum.at(end, index.reshape(-1), samples.end_ns)
    return float(np.median(end - begin))
