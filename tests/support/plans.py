"""A small question of `plan`, and answers with made-up figures: three fleets for a day of chat, and special cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from math import pi, sin

from paretoken.answers.plan.question import PlanQuestion
from paretoken.answers.plan.result import (
    Bill,
    HourOfFleet,
    LeftOut,
    LimitOutcome,
    PlanAnswer,
    PlanRow,
)
from paretoken.traffic.describe import HourOfTraffic, TokenQuantiles, TrafficSummary

TASK = "a session of 3.4 requests"
MANIFEST = "apiVersion: apps/v1\nkind: Deployment\n" + "".join(f"# line {i}\n" for i in range(60))


def question(**fields: object) -> PlanQuestion:
    """One deployment for a small mix, in closed form."""
    small = {
        "model": "llama-3-70b",
        "slo": "ttft_p95=2s,tpot=50ms",
        "accelerators": ("H200",),
        "engines": ("vllm",),
        "precisions": ("fp8",),
        "tp": 4,
        "rate": "20000/day",
        "isl": "500",
        "osl": "100",
        "at": date(2026, 11, 24),
        "coarse": True,
    }
    return PlanQuestion(**{**small, **fields})


def rates(hours: int = 24) -> list[float]:
    """Requests per second of each hour: a day's curve with its peak at 15:00."""
    return [2.3 + 1.9 * sin((h - 9) / 24 * 2 * pi) for h in range(hours)]


def traffic(hours: int = 24, **fields: object) -> TrafficSummary:
    """A chat service of about 200,000 requests a day."""
    by_hour = tuple(
        HourOfTraffic(
            hour=h % 24, requests=int(rate * 3600), rate_s=rate, input_tokens_mean=1800.0, output_tokens_mean=310.0
        )
        for h, rate in enumerate(rates(hours))
    )
    stated = {
        "source": "requests.jsonl: 198,720 requests of one day",
        "requests": sum(h.requests for h in by_hour),
        "span_s": 3600.0 * hours,
        "rate_s": 2.3,
        "peak_hour_rate_s": 4.2,
        "peak_minute_rate_s": 7.9,
        "input_tokens": TokenQuantiles(mean=1800.0, p50=1210.0, p90=4100.0, p99=9800.0, most=31_800.0),
        "output_tokens": TokenQuantiles(mean=310.0, p50=240.0, p90=690.0, p99=1400.0, most=4096.0),
        "length_correlation": 0.21,
        "burstiness": 3.4,
        "burst_window_s": 60.0,
        "sessions": 58_447,
        "requests_per_session": 3.4,
        "prefix_reuse": 0.37,
        "day_known": True,
        "hours": by_hour,
        "notes": ("112 requests without an output length were left out.",),
    }
    return TrafficSummary(**{**stated, **fields})


def bill(contract: str, usd_per_gpu_h: float, gpu_hours: float, *, basis: str = "median of 12 providers") -> Bill:
    """A bill whose intervals are 15 % to each side."""
    day, mtok = usd_per_gpu_h * gpu_hours, 419.3

    def around(value: float) -> tuple[float, float]:
        return value * 0.85, value * 1.15

    return Bill(
        hourly="demand" in contract,
        contract=contract,
        usd_per_gpu_h=usd_per_gpu_h,
        basis=basis,
        gpu_hours_per_day=gpu_hours,
        usd_per_day=day,
        usd_per_day_90=around(day),
        usd_per_mtok=day / mtok,
        usd_per_mtok_90=around(day / mtok),
        usd_per_task=day / 58_447,
        usd_per_task_90=around(day / 58_447),
        idle_usd_per_day=day * 0.3,
    )


def fleet(peak: int, spares: int = 1, hours: int = 24) -> tuple[HourOfFleet, ...]:
    """Replicas by hour in proportion to the traffic."""
    most = max(rates(hours))
    needed = [max(1, round(peak * rate / most + 0.3)) for rate in rates(hours)]
    return tuple(
        HourOfFleet(
            hour=h % 24, replicas=min(n, peak), rented=min(n + spares, peak + spares), utilisation=0.3 + 0.4 * n / peak
        )
        for h, n in enumerate(needed)
    )


def limit(text: str, value: float, bound: float, unit: str = "s") -> LimitOutcome:
    """A limit whose interval is from 20 % below its value to 30 % above."""
    low, high = value * 0.8, value * 1.3
    return LimitOutcome(text=text, value=value, low=low, high=high, bound=bound, ratio=value / bound, unit=unit)


def row(
    rank: int, accelerator: str, gpus_per_replica: int, replicas: int, usd_gpu_h: float, **fields: object
) -> PlanRow:
    """A deployment of one pool with three bills."""
    hours = fleet(replicas)
    rented = gpus_per_replica * sum(h.rented for h in hours)
    every = gpus_per_replica * (replicas + 1) * 24
    bills = sorted(
        (
            bill("on demand, by hour", usd_gpu_h, rented),
            bill("reserved, 1 year", usd_gpu_h * 0.7, every),
            bill("owned", usd_gpu_h * 0.62, every, basis="owner’s cost, neocloud"),
        ),
        key=lambda b: b.usd_per_day,
    )
    stated = {
        "rank": rank,
        "name": f"{accelerator} TP{gpus_per_replica} fp8 vLLM",
        "accelerator": accelerator,
        "model": "llama-3-70b",
        "precision": "fp8",
        "engine": "vllm",
        "layout": f"TP{gpus_per_replica}",
        "pools": (),
        "gpus_per_replica": gpus_per_replica,
        "replicas": replicas,
        "spares": 1,
        "gpus": gpus_per_replica * (replicas + 1),
        "probability": 0.93,
        "gpus_at_90": 12,
        "limits": (limit("TTFT p99", 1.42, 2.0), limit("TPOT p95", 0.031, 0.04)),
        "utilisation": 0.61,
        "headroom": 1.18,
        "first_to_fail": "TTFT p99",
        "hours": hours,
        "bills": tuple(bills),
        "foresight_gpu_hours_per_day": rented * 0.83,
        "foresight_usd_per_day": rented * 0.83 * usd_gpu_h,
        "cheaper": 0.5 if rank == 1 else 0.5 / rank,
        "simulated": "whole period",
        "origin": "predicted",
        "measured_points": 0,
        "new_to_calibration": (),
        "tok_s_per_mw": 1_210_000.0,
        "commands": (
            f"paretoken launch vllm llama-3-70b --accelerator {accelerator} --tp {gpus_per_replica} --workload chat",
            MANIFEST,
        ),
        "notes": ("A replica starts in 240 s; the autoscaler rents it that much earlier.",),
    }
    return PlanRow(**{**stated, **fields})


def plan_answer(**fields: object) -> PlanAnswer:
    """Three fleets, the second of them measured, the third disaggregated, and two candidates left out."""
    rows = (
        row(1, "MI355X", 2, 5, 2.3),
        row(2, "H200", 4, 4, 2.6, origin="predicted from measured points", measured_points=14),
        row(
            3,
            "GB200",
            8,
            3,
            4.1,
            layout="1xTP4+1xDEP4",
            pools=("prefill: 1 worker of 4 GPUs", "decode: 1 worker of 4 GPUs"),
            new_to_calibration=("GB200",),
            tok_s_per_mw=None,
            simulated="sampled hours",
        ),
    )
    stated = {
        "headline": "Own 12 MI355X: 5 replicas of 2 GPUs and a spare meet the SLO with 93 % probability.",
        "slo": "TTFT p99 ≤ 2 s, TPOT p95 ≤ 40 ms",
        "availability": "N+1",
        "task": TASK,
        "traffic": traffic(),
        "rows": rows,
        "left_out": (
            LeftOut(
                name="L40S TP8 fp8 vLLM",
                reason="TPOT p95 is 71 ms at one request, above 40 ms.",
                nearest="TPOT p95 ≤ 75 ms",
            ),
            LeftOut(name="A100 TP2 bf16 vLLM", reason="The weights leave no room for a KV cache.", nearest=None),
        ),
        "notes": ("Prices of 2026-11-24.", "Calibration: 1,204 published points."),
    }
    return PlanAnswer(**{**stated, **fields})


def nothing_meets() -> PlanAnswer:
    """An answer without a fleet."""
    return plan_answer(headline="Nothing meets the SLO; the nearest is TPOT p95 ≤ 75 ms on L40S.", rows=())


def hostile(nasty: str) -> PlanAnswer:
    """An answer in which every text is `nasty`."""
    one = row(
        1,
        nasty,
        4,
        4,
        2.6,
        **dict.fromkeys(("name", "model", "precision", "engine", "layout", "first_to_fail"), nasty),
        **dict.fromkeys(("simulated", "origin"), nasty),
        **dict.fromkeys(("pools", "new_to_calibration", "commands", "notes"), (nasty, nasty * 3)),
        limits=(limit(nasty, 1.0, 2.0, nasty),),
    )
    one = replace(one, bills=tuple(replace(b, contract=nasty, basis=nasty) for b in one.bills))
    return plan_answer(
        headline=nasty,
        slo=nasty,
        availability=nasty,
        task=nasty,
        traffic=traffic(source=nasty, notes=(nasty,)),
        rows=(one, replace(one, rank=2)),
        left_out=(LeftOut(name=nasty, reason=nasty, nearest=nasty),),
        notes=(nasty,),
    )


def many(count: int = 40, hours: int = 24) -> PlanAnswer:
    """An answer of a large search: `count` deployments, each over `hours`."""
    rows = [row(i + 1, "H200", 4, 4 + i, 2.6, hours=fleet(4 + i, hours=hours)) for i in range(count)]
    return plan_answer(rows=tuple(rows), traffic=traffic(hours))
