"""Predictions for cases: TPOT, E2E, TTFT and throughput of a closed loop, each with its 90 % interval.

The medians come from the closed loop's fixed point (`steady`) under the calibrated multipliers. Throughput is
that of the whole run where lengths are drawn as the public harness draws them (published figures count ramp and
tail), else of the steady state. The interval is that of `calibration.bands`, from what cross-validation found for cases
like this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.bands import NOMINAL, BandModel, components, groups_of, log_bands
from paretoken.predict.calibration.effects import PACE, EffectKey
from paretoken.predict.calibration.file import Calibration, shipped_calibration
from paretoken.predict.calibration.novelty import Seen, cell_of, novelty_weights, novelty_words
from paretoken.predict.calibration.sample import OUTCOMES, case_columns
from paretoken.predict.deployment import Case, node_gpus
from paretoken.predict.load import kv_slots
from paretoken.predict.rising import rising

NOTHING_NEW = ("random half",)
NoveltyWeights = dict[str, float]
"""The ways in which a case is new, by their keys, with their weights."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Predictions:
    """Arrays of shape (n,); `log_band` of shape (n, 4, 2) is added to the logarithm of the OUTCOMES.

    Times are medians of the steady part of a run, but for the mean TTFT: that is of a whole run of ten requests for
    each user, which all come at once at its start.
    """

    cases: Sequence[Case]
    tpot_s: Floats
    e2e_s: Floats
    ttft_s: Floats
    mean_ttft_s: Floats
    p90_ttft_s: Floats
    p99_ttft_s: Floats
    batch: Floats
    total_tput_per_gpu: Floats
    output_tput_per_gpu: Floats
    novelty: list[tuple[str, ...]]
    log_band: Floats

    def band(self, outcome: str) -> tuple[Floats, Floats]:
        """Lower and upper end of an outcome's 90 % interval, in its own unit; a tail of TTFT has the median's."""
        i = OUTCOMES.index({"tput": "e2e", "p90_ttft": "ttft", "p99_ttft": "ttft"}.get(outcome, outcome))
        if outcome == "tput":
            return self.total_tput_per_gpu / np.exp(self.log_band[:, i, 1]), self.total_tput_per_gpu / np.exp(
                self.log_band[:, i, 0]
            )
        middle = getattr(self, f"{outcome}_s")
        return middle * np.exp(self.log_band[:, i, 0]), middle * np.exp(self.log_band[:, i, 1])


def predict_cases(
    cases: Sequence[Case], *, calibration: Calibration | None = None, catalog: Catalog | None = None
) -> Predictions:
    """Predict cases whose deployments were resolved and checked; the TPOT of single tokens is NaN.

    Of several replicas, latencies and the batch are those of one that has users.
    """
    catalog = catalog or load_catalog()
    calibration = calibration or shipped_calibration()
    whole = [_placed(x, calibration) for x in cases]
    cases = [x.each for x in whole]
    columns, load = case_columns(cases, catalog)
    s = rising(cases, columns, load, calibration, catalog)
    per_gpu = load.users / (s.run_s * columns.layout.gpus) * np.array([x.busy_replicas / x.replicas for x in whole])
    weights = [_weights_of(x, calibration, catalog) for x in cases]
    tpot_s = np.where([x.lengths.osl > 1 for x in cases], s.tpot_s, np.nan)
    return Predictions(
        cases=whole,
        tpot_s=tpot_s,
        e2e_s=s.e2e_s,
        ttft_s=s.ttft_s,
        mean_ttft_s=s.mean_ttft_s,
        p90_ttft_s=s.p90_ttft_s,
        p99_ttft_s=s.p99_ttft_s,
        batch=s.batch,
        total_tput_per_gpu=per_gpu * (load.isl + load.osl),
        output_tput_per_gpu=per_gpu * load.osl,
        novelty=[novelty_words(w) or NOTHING_NEW for w in weights],
        log_band=_log_bands(cases, weights, load.users / kv_slots(columns, load), calibration),
    )


def _placed(case: Case, calibration: Calibration) -> Case:
    """The case among laboratory runs if it has their equal lengths and they measured its cell; else as it is."""
    lab = (
        case.lengths.ratio == 1
        and EffectKey(PACE, "lab+cell", " ".join(cell_of(case.deployment))) in calibration.effects
    )
    return replace(case, harness="lab") if lab else case


def novelty(case: Case, calibration: Calibration) -> tuple[str, ...]:
    """In which ways a case is new to the calibration, in words; ("random half",) if in none."""
    return novelty_words(novelty_weights(case, Seen.of(calibration.seen))) or NOTHING_NEW


def _weights_of(case: Case, calibration: Calibration, catalog: Catalog) -> NoveltyWeights:
    """The ways in which a case is new; layers shared over several nodes are one, as no run has them."""
    several = case.deployment.stage_gpus > node_gpus(case.deployment.accelerator, catalog)
    return novelty_weights(case, Seen.of(calibration.seen), several_nodes=several)


def _log_bands(
    cases: Sequence[Case],
    novelty: Sequence[NoveltyWeights],
    crowding: Floats,
    calibration: Calibration,
    coverage: float = NOMINAL,
) -> Floats:
    """Ends of the intervals as ln of factors, (n, outcomes, 2); `crowding` are users over slots of the KV cache."""
    seen, model = Seen.of(calibration.seen), BandModel(calibration.bands)
    weights = [components(c, w, seen, x) for c, w, x in zip(cases, novelty, crowding.tolist(), strict=True)]
    groups = [list(groups_of(c, w)) for c, w in zip(cases, novelty, strict=True)]
    return log_bands(model.half_widths(np.array(weights), groups), model.reach(coverage))


def band_of(
    case: Case, calibration: Calibration, *, coverage: float = NOMINAL, catalog: Catalog | None = None
) -> dict[str, tuple[float, float]]:
    """The interval of a checked case for each of OUTCOMES: ln of its two ends over the prediction."""
    catalog = catalog or load_catalog()
    one = _placed(case, calibration).each
    columns, load = case_columns([one], catalog)
    crowding = load.users / kv_slots(columns, load)
    ((*bands,),) = _log_bands([one], [_weights_of(one, calibration, catalog)], crowding, calibration, coverage).tolist()
    return {outcome: (low, high) for outcome, (low, high) in zip(OUTCOMES, bands, strict=True)}
