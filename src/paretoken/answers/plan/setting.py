"""The inputs of a plan, read once: traffic, limits, calibration, prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from paretoken.answers.bundles import BundlesQuestion
from paretoken.answers.learning import points_data
from paretoken.answers.market import Market
from paretoken.answers.plan.bills import DayOfWork
from paretoken.answers.plan.gpu_prices import STATED, GpuPrice, gpu_prices
from paretoken.answers.plan.question import PlanQuestion
from paretoken.answers.prediction import PredictionData
from paretoken.catalog.hf.lookup import catalog_with_model
from paretoken.catalog.loader import Catalog
from paretoken.catalog.names import agreed_precision
from paretoken.errors import BadConfig, NoData
from paretoken.plural import counted, listed, quantity
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.calibration.make import calibrate
from paretoken.prices.contracts import ON_DEMAND
from paretoken.prices.fleet import utility_power
from paretoken.prices.owner.layers import read_sets
from paretoken.prices.tariff import tariff
from paretoken.slo import Slo
from paretoken.traffic.describe import TrafficSummary, describe
from paretoken.traffic.growth import busiest_day
from paretoken.traffic.request import read_traffic
from paretoken.traffic.traffic import DAY_S, HOUR_S, Traffic


@dataclass(frozen=True, eq=False, kw_only=True)
class PlanSetting:
    """The inputs of a plan.

    `prices` and `kw_per_gpu` (utility power) are by accelerator. `without_price` has a sentence for each contract that
    some accelerators have no price under. `task` describes a task in words.
    """

    question: PlanQuestion
    calibration: Calibration
    catalog: Catalog
    traffic: Traffic
    summary: TrafficSummary
    limits: tuple[Slo, ...]
    prices: dict[str, list[GpuPrice]]
    without_price: tuple[str, ...]
    kw_per_gpu: dict[str, float]
    work: DayOfWork
    task: str

    @classmethod
    def of(cls, question: PlanQuestion, data: PredictionData | None, market: Market | None) -> PlanSetting:
        """The inputs that a question names."""
        limits, traffic = question.limits(), busiest_day(read_traffic(question))
        data = data or PredictionData.of(question)
        catalog, model = catalog_with_model(data.catalog, question.model)
        question = replace(question, model=model, precisions=_precisions(question, catalog is data.catalog))
        calibration = _with_own_points(question, data.calibration, catalog)
        summary = describe(traffic)
        work, task = _work(question, traffic, summary)
        prices = _prices(question, calibration, catalog, market or Market.of(question, catalog))
        return cls(
            question=question,
            calibration=calibration,
            catalog=catalog,
            traffic=traffic,
            summary=summary,
            limits=limits,
            prices=prices,
            without_price=tuple(_without_price(question.contracts, prices)),
            kw_per_gpu=utility_power(tariff(catalog)).kw_per_gpu,
            work=work,
            task=task,
        )

    @property
    def computed_share(self) -> float:
        """Share of prompt tokens that an endless prefix cache leaves to compute; 1 without sessions that wait."""
        if self.traffic.graphs is None or not self.question.prefix_cache:
            return 1.0
        return 1.0 - (self.summary.prefix_reuse or 0.0)

    def of_part(self, traffic: Traffic) -> PlanSetting:
        """The inputs for a part of the traffic."""
        summary = describe(traffic)
        work, task = _work(self.question, traffic, summary)
        return replace(self, traffic=traffic, summary=summary, work=work, task=task)


def _with_own_points(question: PlanQuestion, calibration: Calibration, catalog: Catalog) -> Calibration:
    """The calibration, fitted to the user's own points as well."""
    if not question.points:
        return calibration
    points = points_data(BundlesQuestion(), question.points, question.catalog, published=False).points
    return calibrate(points, base=calibration, splits=(), catalog=catalog)


def _work(question: PlanQuestion, traffic: Traffic, summary: TrafficSummary) -> tuple[DayOfWork, str]:
    """The work of a day, and a task in words."""
    requests = len(traffic) * DAY_S / traffic.span_s
    per_task = question.requests_per_task or summary.requests_per_session or 1.0
    task = "a request"
    if question.requests_per_task:
        task = quantity(per_task, "request")
    elif summary.requests_per_session:
        task = f"a session of {quantity(per_task, 'request')} on average"
    return DayOfWork(tokens=traffic.tokens_s * DAY_S, tasks=requests / per_task, hours=traffic.span_s / HOUR_S), task


def _prices(
    question: PlanQuestion, calibration: Calibration, catalog: Catalog, market: Market
) -> dict[str, list[GpuPrice]]:
    """The prices of the accelerators named, or of all that have a price and calibrated data; NoData without a price."""
    stated = question.own_prices(catalog)
    named = [catalog.accelerators.id_of(name) for name in question.accelerators]
    names = list(dict.fromkeys(named or _calibrated(question, calibration, catalog)))
    if unused := next((name for name in stated if name not in names), None):
        raise BadConfig(f"the price of {unused} has no use: {unused} is not chosen from; add --accelerator {unused}")
    prices = gpu_prices(names, question.contracts, stated, market, question.operator, read_sets(question.sets))
    priced = {name: contracts for name, contracts in prices.items() if contracts}
    if missing := [name for name in named if name not in priced]:
        raise NoData(
            f"{missing[0]} has no price under {', '.join(question.contracts)}; add --price {missing[0]}=USD, or "
            "another --contract"
        )
    if not priced:
        raise NoData(f"{counted(len(names), 'accelerator')} to choose from and no price; add --price NAME=USD")
    return priced


def _precisions(question: PlanQuestion, by_name: bool) -> tuple[str, ...]:
    """The precisions of the question; without any, that of the model's name. A config.json states its own."""
    named = question.model if by_name else ""
    stated = [agreed_precision(named, precision) for precision in question.precisions or (None,)]
    return tuple(dict.fromkeys(precision for precision in stated if precision))


def _without_price(contracts: Sequence[str], prices: Mapping[str, Sequence[GpuPrice]]) -> Iterator[str]:
    """One sentence for each contract that some accelerators have no price under."""
    for contract in contracts:
        accepted = {contract, STATED} if contract == ON_DEMAND else {contract}
        if missing := [name for name, priced in prices.items() if not accepted & {p.contract for p in priced}]:
            yield f"no {contract} price: {listed(missing)}"


def _calibrated(question: PlanQuestion, calibration: Calibration, catalog: Catalog) -> Sequence[str]:
    """Accelerators with calibrated data of the model, else of any model, in the catalog's order."""
    of_model = {x.accelerator for x in calibration.seen if x.model == question.model}
    names = of_model or {x.accelerator for x in calibration.seen}
    return sorted((name for name in names if name in catalog.accelerators), key=catalog.accelerators.place)
