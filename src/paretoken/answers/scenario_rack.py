"""Comparable systems in a scenario: racks start from the predicted serving of a rack; other differences are named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from paretoken.answers.pool_search import PoolSearchQuestion, search_disaggregated
from paretoken.answers.prediction import PredictionData
from paretoken.answers.scenario_start import ScenarioStart
from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig
from paretoken.plural import listed
from paretoken.predict.calibration.file import shipped_calibration
from paretoken.predict.rows import SOURCE
from paretoken.prices.outlook.project import ScenarioState, by_day
from paretoken.prices.outlook.scenario import Scenario

RACK = 16
"""A scale-up domain of more GPUs than these counts as a rack."""


def rack_starts(scenario: Scenario, catalog: Catalog) -> dict[str, ScenarioStart]:
    """The best predicted layout of a rack of each accelerator, within the scenario's interactivity and TTFT.

    BadConfig for an accelerator whose scale-up domain is smaller than the rack.
    """
    data = PredictionData(catalog, shipped_calibration())
    names = dict.fromkeys((scenario.reference, *scenario.accelerators, *(c.name for c in scenario.coming)))
    for name in names:
        domain = catalog.accelerators[name].max_scaleup_gpus
        if domain < scenario.rack.gpus:
            raise BadConfig(
                f"scenario {scenario.name}: {name} has a scale-up domain of {domain} GPUs, less than the rack of "
                f"{scenario.rack.gpus}; leave it out, or set serving to single-node"
            )
    return {catalog.accelerators.id_of(name): _start(scenario, name, data) for name in names}


def _start(scenario: Scenario, accelerator: str, data: PredictionData) -> ScenarioStart:
    workload, rack = data.catalog.workload(scenario.workload), scenario.rack
    question = PoolSearchQuestion(
        model=scenario.model,
        precision=scenario.precision or "",
        accelerator=accelerator,
        engine=rack.engine,
        isl=workload.isl,
        osl=workload.osl,
        gpus=rack.gpus,
        slo=f"ttft={rack.ttft_s:g}s,interactivity={scenario.interactivity:g}",
        top=1,
    )
    (best,) = search_disaggregated(question, data).best
    return ScenarioStart(
        engine=best.row.engine,
        software="predicted",
        date=None,
        origin="predicted",
        source=SOURCE,
        tput_per_gpu=best.total_tput_per_rented_gpu_tok_s,
        tp="",
        disaggregated=True,
        layout=best.row.layout,
        interval=(best.total_tput_per_rented_gpu_tok_s_lo, best.total_tput_per_rented_gpu_tok_s_hi),
    )


def unlike(scenario: Scenario, starts: Mapping[str, ScenarioStart], catalog: Catalog) -> Iterator[str]:
    """Why the accelerators of a scenario are not comparable systems, one sentence for each reason."""
    yield from _domains(scenario, starts, catalog)
    pooled = [a for a, start in starts.items() if start.disaggregated]
    single = [a for a, start in starts.items() if not start.disaggregated]
    if pooled and single:
        yield (
            f"{listed(pooled)} served disaggregated and {listed(single)} in one pool: part of the difference is the "
            "serving; set serving to single-node"
        )


def _domains(scenario: Scenario, starts: Mapping[str, ScenarioStart], catalog: Catalog) -> Iterator[str]:
    """One sentence if some accelerators are racks and others have smaller scale-up domains."""
    named = scenario.accelerators or (*starts, *(c.name for c in scenario.coming))
    domains = {
        catalog.accelerators.id_of(a): catalog.accelerators[a].max_scaleup_gpus
        for a in dict.fromkeys((scenario.reference, *named))
        if a in catalog.accelerators
    }
    racks = [a for a, gpus in domains.items() if gpus > RACK]
    boxes = [a for a, gpus in domains.items() if gpus <= RACK]
    if racks and boxes:
        yield (
            f"racks with {_sizes(domains[a] for a in racks)} GPUs in a scale-up domain ({listed(racks)}) beside boxes "
            f"with {_sizes(domains[a] for a in boxes)} ({listed(boxes)}); compare racks with racks (serving = rack), "
            "boxes with boxes"
        )


def undecided(states: Sequence[ScenarioState]) -> Iterator[str]:
    """A sentence for each pair of accelerators that are first and second on a day with overlapping intervals."""
    pairs: dict[tuple[str, str], None] = {}
    for on_day in by_day(states):
        predicted = [(s.accelerator, s.usd_per_mtok_interval) for s in on_day if s.usd_per_mtok_interval]
        for (a, (_, a_high)), (b, (b_low, _)) in pairwise(predicted[:2]):
            if a_high > b_low:
                pairs.setdefault((a, b))
    for first, second in pairs:
        yield f"the 90 % intervals of {first} and {second} overlap: either may be cheaper"


def _sizes(gpus: Iterable[int]) -> str:
    return " or ".join(f"{n}" for n in sorted(set(gpus)))
