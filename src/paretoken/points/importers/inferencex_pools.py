"""The pools of a disaggregated InferenceX row, and its throughput per GPU of both.

On these rows `tput_per_gpu` is per GPU of both pools, `output_tput_per_gpu` per decode GPU and `input_tput_per_gpu`
per prefill GPU, so that

    input · prefill GPUs + output · decode GPUs = total · all GPUs

The counts have two faults that this shows. Rows of 2025 on one rack write the count of all GPUs under each pool, with
no workers. A worker whose attention or experts are spread over several GPUs may count as TP of them, which is 1: EP
gives its GPUs, else the equation does, where it has a whole number for an answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.points.values import number

ADDS_UP = 0.02
UNCLEAR = "input and output throughput left out: it is not clear which GPUs they are per"
TOTAL, OUTPUT, INPUT = (f"{side}_tput_per_gpu_tok_s" for side in ("total", "output", "input"))
BY_PREFILL, BY_DECODE = "input_tput_per_prefill_gpu_tok_s", "output_tput_per_decode_gpu_tok_s"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolGpus:
    """GPUs of the two pools and of both; None where they are not known. `mirrored`: the stated TP is that of all."""

    prefill: float | None = None
    decode: float | None = None
    gpus: float | None = None
    mirrored: bool = False

    def columns(self, row: dict[str, object]) -> dict[str, object]:
        """The layout as columns of the schema."""
        gpus = {"prefill": self.prefill, "decode": self.decode}
        columns: dict[str, object] = {f"{pool}_gpus": count for pool, count in gpus.items()}
        columns |= {f"{pool}_workers": number(row.get(f"{pool}_num_workers")) or None for pool in gpus}
        return columns | ({"tp": None, "prefill_tp": None} if self.mirrored else {})


def pools(row: dict[str, object]) -> PoolGpus:
    """The pools of a disaggregated row."""
    prefill, decode = (_gpus(row, pool) for pool in ("prefill", "decode"))
    if prefill is None or decode is None:
        return PoolGpus()
    if _mirrored(row):
        share = _prefill_share(row)
        part = None if share is None else _whole(share * decode)
        return PoolGpus(prefill=part, decode=part and decode - part, gpus=decode, mirrored=True)
    if _lone(row):
        share = _prefill_share(row)
        rest = _whole(prefill / share - prefill) if share else None
        return PoolGpus(prefill=prefill, decode=rest, gpus=rest and prefill + rest)
    return PoolGpus(prefill=prefill, decode=decode, gpus=prefill + decode)


def throughput(row: dict[str, object], layout: PoolGpus) -> tuple[dict[str, object], str | None]:
    """Throughput per GPU of both pools and per GPU of each, and a note where input and output are left out.

    Figures that add up as they are were already per GPU of both pools.
    """
    total, out, into = (number(row.get(f"{side}tput_per_gpu")) for side in ("", "output_", "input_"))
    if not total or out is None or into is None or not layout.gpus or layout.prefill is None:
        return {TOTAL: row.get("tput_per_gpu")}, UNCLEAR
    share = layout.prefill / layout.gpus
    if abs(out + into - total) <= ADDS_UP * total:
        return {TOTAL: total, OUTPUT: out, INPUT: into}, None
    if abs(out * (1 - share) + into * share - total) <= ADDS_UP * total:
        of_all: dict[str, object] = {TOTAL: total, OUTPUT: out * (1 - share), INPUT: into * share}
        return of_all | {BY_DECODE: out, BY_PREFILL: into}, None
    return {TOTAL: total}, UNCLEAR


def _gpus(row: dict[str, object], pool: str) -> float | None:
    """The pool's GPUs: those stated, or of its workers' expert parallelism if these are more."""
    gpus, workers, spread = (number(row.get(key)) for key in (f"num_{pool}_gpu", f"{pool}_num_workers", f"{pool}_ep"))
    return None if gpus is None else max(gpus, (workers or 0) * (spread or 0))


def _mirrored(row: dict[str, object]) -> bool:
    workers = any(number(row.get(f"{pool}_num_workers")) for pool in ("prefill", "decode"))
    stated = [number(row.get(f"num_{pool}_gpu")) for pool in ("prefill", "decode")]
    return str(row.get("is_multinode")).lower() != "true" and not workers and stated[0] == stated[1]


def _lone(row: dict[str, object]) -> bool:
    """Whether a decode worker with data-parallel attention counts as one GPU."""
    gpus, workers, spread = (number(row.get(key)) for key in ("num_decode_gpu", "decode_num_workers", "decode_ep"))
    data_parallel = str(row.get("decode_dp_attention")).lower() == "true"
    return data_parallel and bool(workers) and gpus == workers and (spread or 1) == 1


def _prefill_share(row: dict[str, object]) -> float | None:
    """The share of prefill GPUs that the three throughputs imply."""
    total, out, into = (number(row.get(f"{side}tput_per_gpu")) for side in ("", "output_", "input_"))
    if total is None or out is None or into is None or into == out:
        return None
    share = (total - out) / (into - out)
    return share if 0 < share < 1 else None


def _whole(gpus: float) -> float | None:
    """The whole number within 2 % of it, if there is one above 0."""
    near = round(gpus)
    return float(near) if near > 0 and abs(gpus - near) <= ADDS_UP * gpus else None
