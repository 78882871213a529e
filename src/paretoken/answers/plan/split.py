"""Separate fleets for short and long requests: the cheapest of each as one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from paretoken.answers.plan.bills import DayOfWork, interval, over
from paretoken.answers.plan.result import Bill, HourOfFleet, LimitOutcome, PlanRow
from paretoken.predict.arrays import Floats


def joined_row(
    short: PlanRow, long: PlanRow, tokens: int, draws: Floats, probability: float, work: DayOfWork
) -> PlanRow:
    """Both fleets as one row.

    `draws` are of the sum of their cheapest bills, USD per day. `probability` is that of both meeting the SLO. `work`
    is that of the whole traffic.
    """
    parts = (short, long)
    titles = (f"up to {tokens:,} tokens", "longer")
    weakest = min(parts, key=lambda r: r.headroom)
    at_90 = [r.gpus_at_90 for r in parts if r.gpus_at_90 is not None]
    foresight = [r.foresight_usd_per_day for r in parts if r.foresight_usd_per_day is not None]
    gpus = sum(r.gpus for r in parts)
    return replace(
        short,
        name=" and ".join(r.name for r in parts),
        accelerator="+".join(dict.fromkeys(r.accelerator for r in parts)),
        engine="+".join(dict.fromkeys(r.engine for r in parts)),
        precision="+".join(dict.fromkeys(r.precision for r in parts)),
        layout=" and ".join(r.layout for r in parts),
        pools=tuple(f"{title}: {r.replicas}+{r.spares} of {r.name}" for title, r in zip(titles, parts, strict=True)),
        gpus_per_replica=0,
        replicas=sum(r.replicas for r in parts),
        spares=sum(r.spares for r in parts),
        gpus=gpus,
        probability=probability,
        gpus_at_90=sum(at_90) if len(at_90) == len(parts) else None,
        limits=tuple(_named(limit, title) for title, r in zip(titles, parts, strict=True) for limit in r.limits),
        utilisation=sum(r.utilisation * r.gpus for r in parts) / gpus,
        headroom=weakest.headroom,
        first_to_fail=f"{weakest.first_to_fail} ({titles[parts.index(weakest)]})",
        hours=tuple(map(_hour, short.hours, long.hours)),
        bills=(_bill(parts, draws, work),) if short.bills and long.bills else (),
        foresight_gpu_hours_per_day=sum(r.foresight_gpu_hours_per_day for r in parts),
        foresight_usd_per_day=sum(foresight) if len(foresight) == len(parts) else None,
        origin=" and ".join(dict.fromkeys(r.origin for r in parts)),
        measured_points=min(r.measured_points for r in parts),
        new_to_calibration=tuple(dict.fromkeys(kind for r in parts for kind in r.new_to_calibration)),
        tok_s_per_mw=None,
        commands=tuple(command for r in parts for command in r.commands),
        notes=tuple(f"{title}: {note}" for title, r in zip(titles, parts, strict=True) for note in r.notes),
    )


def _named(limit: LimitOutcome, title: str) -> LimitOutcome:
    return replace(limit, text=f"{limit.text}, {title}")


def _hour(short: HourOfFleet, long: HourOfFleet) -> HourOfFleet:
    replicas = short.replicas + long.replicas
    used = short.utilisation * short.replicas + long.utilisation * long.replicas
    return HourOfFleet(
        hour=short.hour, replicas=replicas, rented=short.rented + long.rented, utilisation=used / replicas
    )


def _bill(parts: Sequence[PlanRow], draws: Floats, work: DayOfWork) -> Bill:
    """The cheapest bills of both parts, added."""
    bills = [r.bills[0] for r in parts]
    usd, hours = sum(b.usd_per_day for b in bills), sum(b.gpu_hours_per_day for b in bills)
    ends = interval(draws)
    contracts = dict.fromkeys(b.contract for b in bills)
    return Bill(
        contract=" and ".join(contracts),
        hourly=all(b.hourly for b in bills),
        usd_per_gpu_h=usd / hours,
        basis="; ".join(dict.fromkeys(f"{r.accelerator}: {b.basis}" for r, b in zip(parts, bills, strict=True))),
        gpu_hours_per_day=hours,
        usd_per_day=usd,
        usd_per_day_90=ends,
        usd_per_mtok=usd / work.tokens * 1e6,
        usd_per_mtok_90=over(ends, work.tokens / 1e6),
        usd_per_task=usd / work.tasks,
        usd_per_task_90=over(ends, work.tasks),
        idle_usd_per_day=sum(b.idle_usd_per_day for b in bills),
    )
