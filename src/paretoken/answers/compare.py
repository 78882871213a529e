"""`compare`: every accelerator within a latency limit, the cheapest tokens first, plain and as best known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from paretoken.answers.bounds import asks_both, best_known
from paretoken.answers.candidate_session import with_sessions_priced
from paretoken.answers.firmness import firmness
from paretoken.answers.kept_points import KeptPoints
from paretoken.answers.latency import LatencyLimit, LatencyQuestion, nothing_within, selection
from paretoken.answers.newer_releases import NewerRelease, newer_releases
from paretoken.answers.own_prices import PricesQuestion
from paretoken.answers.plot import PlotAxes
from paretoken.answers.points import Data
from paretoken.answers.priced import PricedCandidate, RankBy, Site, rank, weights
from paretoken.answers.session_points import with_sessions
from paretoken.answers.site import SiteQuestion, TokenPrice, site_of
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.errors import BadConfig, NoData
from paretoken.frontier.compare import Candidate, no_data
from paretoken.frontier.compare import candidates as at_limit
from paretoken.frontier.consistency import is_stale
from paretoken.frontier.curve import Curve
from paretoken.frontier.verdict import verdict_at
from paretoken.plan.parallel import Progress
from paretoken.points.selection import Axis, Selection
from paretoken.prices.fleet import PowerLimitedFleet, fleet, utility_power
from paretoken.prices.tariff import Tariff, tariff, with_prices

RankedBy: TypeAlias = Literal["usd_per_mtok_total", "tok_s_per_utility_mw", "profit_usd_per_mw_year"]
RANKED_BY: dict[RankBy, RankedBy] = {
    "cost": "usd_per_mtok_total",
    "tok_s_per_mw": "tok_s_per_utility_mw",
    "profit": "profit_usd_per_mw_year",
}


_BEST: dict[RankedBy, str] = {
    "usd_per_mtok_total": "the cheapest tokens",
    "tok_s_per_utility_mw": "the most tokens per MW",
    "profit_usd_per_mw_year": "the most profit per MW",
}
_PLOTTED: dict[RankedBy, tuple[str, str]] = {
    "usd_per_mtok_total": ("usd_per_mtok_total", "Cost (USD per million tokens)"),
    "tok_s_per_utility_mw": ("tok_s_per_utility_mw", "Throughput (tok/s per MW at the utility's meter)"),
    "profit_usd_per_mw_year": ("earnings_profit_usd_per_mw_year", "Profit (USD per MW and year)"),
}
"""The column of the table that ranks, and the label of its axis."""


@dataclass(frozen=True, kw_only=True)
class CompareQuestion(LatencyQuestion, PricesQuestion, SiteQuestion):
    """Which accelerator has the cheapest tokens, or most of them or most profit per MW, within these latency limits?"""

    tco: Annotated[str | None, Field(description="TCO set; the newest by default")] = None
    tier: Annotated[str | None, Field(description="Tier of the TCO set; its first by default")] = None
    serving_load: Annotated[float, Field(description="Share of hours served at the throughput", gt=0, le=1)] = 1.0
    rank_by: Annotated[
        RankBy, Field(description="Cost of tokens, tokens per utility MW, or profit per utility MW at token_price")
    ] = "cost"

    def check(self) -> None:
        """BadConfig for a site that cannot be, or for profit without a price of tokens."""
        SiteQuestion.check(self)
        if self.rank_by == "profit" and self.token_price is None:
            raise BadConfig("profit needs a price of tokens; give --token-price USD per million, or --token-price api")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareAnswer(TypedAnswer):
    """The ranking within the limits. `value` is in the axis' own unit: s, or tok/s/user; None if only others limit.

    `candidates` has the best engine of each accelerator. `ranked_by` names the figure that ranks them. `margin` is how
    much cheaper the winner's tokens are than the second's. By profit it is how much more throughput the winner has
    than it needs to earn as much as the second. `confidence`, `fragile`, `data_end`, `withheld`, `acceptance` and
    `days_apart` are those of `frontier.verdict.Verdict`; a verdict withheld names no winner.

    `newer_releases` are not ranked. `no_data` says why an accelerator is missing, `left_out` how many points of one
    are flagged. `fleet` is what fits under the power limit, if the question has one. `utility_basis` lists the parts
    of the power at the utility's meter. `token_price` is the price at which tokens sell. `best_known` is the same
    answer for any serving, where the question leaves the serving at plain. `workload` is the workload of sessions that
    is compared, for one of fixed lengths None; its session has `tokens_per_session`.
    """

    TABLE: ClassVar[str] = "candidates"
    SHOWN: ClassVar[tuple[str, ...]] = (
        "accelerator",
        "engine",
        "tput_per_gpu_tok_s",
        "usd_per_mtok_total",
        "usd_per_gpu_h",
        "tok_s_per_utility_mw",
        "e2e_s",
        "interactivity_tok_s",
        "tp",
        "software",
        "origin",
        "source",
    )
    axis: Axis
    value: float | None
    unit: Literal["s", "tok/s/user"]
    limits: str
    serving: str
    speculative: str
    tco: str
    tier: str
    own_prices: tuple[str, ...] = ()
    ranked_by: RankedBy = "usd_per_mtok_total"
    utility_basis: str | None = None
    token_price: TokenPrice | None = None
    candidates: tuple[PricedCandidate, ...]
    other_engines: tuple[PricedCandidate, ...]
    winner: str | None
    margin: float | None
    confidence: str | None
    fragile: str | None
    data_end: str | None
    withheld: str | None
    acceptance: str | None
    days_apart: int | None
    throughput_winner: str | None
    throughput_margin: float | None
    newer_releases: tuple[NewerRelease, ...]
    no_data: dict[str, str]
    left_out: dict[str, str]
    fleet: Annotated[dict[str, PowerLimitedFleet], Field(exclude_if=lambda fleets: not fleets)]
    tariff: Annotated[Tariff, Field(exclude=True)]
    workload: Annotated[str | None, Field(exclude_if=lambda workload: workload is None)] = None
    tokens_per_session: Annotated[float | None, Field(exclude_if=lambda tokens: tokens is None)] = None
    best_known: CompareAnswer | None = None

    @property
    def sentence(self) -> str:
        """`At most 15 s end to end, B200 has the cheapest tokens, +55% over H200 (clear)`, or why no verdict."""
        limits = f"{self.limits[:1].upper()}{self.limits[1:]}"
        if self.winner is None:
            return f"{limits}, no verdict: {self.withheld or 'no candidate has a price'}"
        others = [c.accelerator for c in self.candidates if c.accelerator != self.winner]
        lead = f", {self.margin:+.0%} over {others[0]}" if self.margin is not None and others else ""
        return f"{limits}, {self.winner} has {_BEST[self.ranked_by]}{lead} ({self.confidence})"

    def plot_axes(self) -> PlotAxes:
        column, label = _PLOTTED[self.ranked_by]
        return PlotAxes(label="{accelerator} {engine}", y=column, y_label=label)

    @property
    def stale(self) -> bool:
        """Whether the two sides' software is more than 90 days apart."""
        return is_stale(self.days_apart)


@takes(CompareQuestion)
def compare(
    question: CompareQuestion,
    data: Data | None = None,
    on_progress: Progress | None = None,
    kept: KeptPoints | None = None,
) -> CompareAnswer:
    """Every accelerator within the limits, cheapest tokens first; NoData, with the nearest point, if none meets them.

    Points of a workload of sessions are predicted first, for plain serving; `on_progress` gets deployments done, of
    how many. Those in `kept`, such as `KeptPoints.of_user()`, are not predicted again.

    >>> import paretoken
    >>> question = paretoken.CompareQuestion(model="llama-3-70b", precision="fp8", workload="chat", e2e_s=15)
    >>> answer = paretoken.compare(question)
    >>> answer.winner == answer.candidates[0].accelerator
    True
    """
    question.check()
    question.limit()
    data = with_sessions(data or Data.of(question), question, on_progress, kept)
    answer = compare_serving(question, data)
    both = asks_both(question) and not data.sessions
    if both:
        # Plain runs are known too: between the fewer points of their own curve they may read higher.
        answer = replace(answer, best_known=compare_serving(best_known(question), data, beside=question))
    of_any = answer.best_known or answer
    if not answer.candidates and not of_any.candidates:
        any_serving = best_known(question) if both else question
        raise NoData(nothing_within(question.limit(), selection(any_serving, data), data))
    return answer


def compare_serving(question: CompareQuestion, data: Data, *, beside: CompareQuestion | None = None) -> CompareAnswer:
    """The ranking of the question's own serving, and of the one `beside` where that is better.

    Without candidates if no point meets the limits.
    """
    limit = question.limit()
    axis, latency_s = limit.axis, limit.latency_s
    chosen = selection(question, data)
    drawn, of_both = _drawn_and_ranked(chosen, selection(beside, data) if beside else None, data, limit)
    accelerators = chosen.accelerators or data.accelerators
    absent = {**data.absences(chosen, axis, accelerators), **(data.sessions.why_not if data.sessions else {})}
    own = question.own_prices(data.catalog, data.accelerators)
    prices = with_prices(tariff(data.catalog, question.tco, question.tier), own)
    sold_at = question.sold_at(data.catalog, chosen.model, chosen.isl, chosen.osl)
    site = site_of(question, prices, sold_at, data.catalog, dict.fromkeys(c.accelerator for c in of_both))
    ranking = rank(of_both, prices, question.serving_load, site, question.rank_by)
    weight = weights(ranking.candidates, prices, question.rank_by, site)
    verdict = verdict_at(drawn, latency_s, weight, data.hardware_order)
    return CompareAnswer(
        axis=axis,
        value=limit.value,
        unit="s" if axis == "e2e" else "tok/s/user",
        limits=limit.text,
        serving=question.serving,
        speculative=question.speculative,
        tco=prices.price_set,
        tier=prices.tier,
        own_prices=prices.own_prices,
        ranked_by=RANKED_BY[question.rank_by],
        utility_basis=utility_power(prices).basis or None,
        token_price=sold_at,
        candidates=with_sessions_priced(ranking.candidates, chosen, data, question.catalog),
        other_engines=with_sessions_priced(ranking.other_engines, chosen, data, question.catalog),
        winner=verdict.winner if verdict and not verdict.withheld else None,
        margin=verdict.margin if verdict else None,
        **firmness(verdict, data_end=not data.sessions),
        throughput_winner=ranking.throughput_winner,
        throughput_margin=ranking.throughput_margin,
        newer_releases=newer_releases(data, chosen, axis),
        no_data=no_data(absent, drawn, axis, latency_s, accelerators),
        left_out=data.left_out(chosen),
        fleet=_fleets(ranking.candidates, question, site),
        tariff=prices,
        workload=data.sessions.workload if data.sessions else None,
        tokens_per_session=data.sessions.tokens_per_session if data.sessions else None,
    )


def _drawn_and_ranked(
    chosen: Selection, plain: Selection | None, data: Data, limit: LatencyLimit
) -> tuple[list[Curve], list[Candidate]]:
    """The curves and the candidates of a selection, and of the `plain` one where that is better."""
    axis, latency_s = limit.axis, limit.latency_s
    drawn = [*data.curves(chosen, axis)]
    ranked = [*data.candidates(chosen, axis, latency_s)]
    if data.sessions:  # points of sessions at other sizes, or of other samples, are not one curve
        drawn = [curve.as_run(latency_s) for curve in drawn]
        ranked = at_limit(drawn, latency_s)
    if plain:
        drawn += data.curves(plain, axis)
        ranked = _best_of_engine([*ranked, *data.candidates(plain, axis, latency_s)])
    return drawn, ranked


def _best_of_engine(candidates: Sequence[Candidate]) -> list[Candidate]:
    """One candidate for each accelerator, engine and origin, by falling throughput."""
    ranked = sorted(candidates, key=lambda c: (-c.tput_per_gpu, c.accelerator, c.engine))
    best: dict[tuple[str, str, str], Candidate] = {}
    for c in ranked:
        best.setdefault((c.accelerator, c.engine, c.origin), c)
    return list(best.values())


def _fleets(ranked: tuple[PricedCandidate, ...], question: CompareQuestion, site: Site) -> dict[str, PowerLimitedFleet]:
    """What fits under a power limit of each candidate whose price and power are known."""
    mw, load, sold_at = question.mw, question.serving_load, site.token_price_usd_per_mtok
    if mw is None:
        return {}
    return {
        p.accelerator: fleet(mw, site.kw_per_gpu[p.accelerator], p.usd_per_gpu_h, p.tput_per_gpu, load, sold_at)
        for p in ranked
        if p.usd_per_gpu_h and p.accelerator in site.kw_per_gpu
    }
