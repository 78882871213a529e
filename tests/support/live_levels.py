"""What a running level reports, without a run."""

from __future__ import annotations

from paretoken.bench.client.counters import Progress


class Silent:
    """An observer that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def begins(self, *_: object) -> None:
        self.calls += 1

    goes_on = ends = begins


def progress(at_s: float, **more: object) -> Progress:
    counted = {"sent": 9, "finished": 5, "ok": 5, "errors": 0, "tokens": round(100 * at_s)}
    sums = {"ttft_sum_s": 0.5, "ttft_count": 5, "tpot_sum_s": 0.05, "tpot_count": 5}
    return Progress(elapsed_s=at_s, running=4, sending=True, **(counted | sums | more))
