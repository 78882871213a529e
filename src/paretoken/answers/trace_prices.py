"""What the tokens and the sessions of a replay cost, at the listed price of its accelerator or the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from paretoken.answers.own_prices import PricesQuestion
from paretoken.answers.prediction import PredictionData
from paretoken.predict.traces.figures import SessionFigures
from paretoken.prices.cost import usd_per_mtok, usd_per_session
from paretoken.prices.tariff import tariff, with_prices


@dataclass(frozen=True, kw_only=True)
class SessionPrices:
    """USD at a price of a GPU-hour; None without a price. `price_source` is "stated", or the price set and its tier."""

    usd_per_gpu_h: float | None
    price_source: str
    usd_per_mtok: float | None
    usd_per_session: float | None


def gpu_price(question: PricesQuestion, accelerator: str, data: PredictionData) -> tuple[float | None, str]:
    """USD per GPU-hour and where it is from: the user, or the first tier of the newest price set."""
    own = question.own_prices(data.catalog, (accelerator,))
    listed = tariff(data.catalog)
    prices = with_prices(listed, own)
    source = "stated" if accelerator in own else f"{listed.price_set} {listed.tier}"
    usd = prices.usd_per_gpu_h.get(accelerator)
    return usd, "" if usd is None else source


def session_prices(
    question: PricesQuestion, accelerator: str, figures: SessionFigures, data: PredictionData
) -> SessionPrices:
    """The prices of a replay."""
    usd, source = gpu_price(question, accelerator, data)
    return SessionPrices(usd_per_gpu_h=usd, price_source=source, **usd_of(figures, usd))


class ReplayUsd(TypedDict):
    """USD per million tokens and per session; None without a price of a GPU-hour."""

    usd_per_mtok: float | None
    usd_per_session: float | None


def usd_of(figures: SessionFigures, usd_per_gpu_h: float | None) -> ReplayUsd:
    """What the tokens and the sessions of a replay cost at a price of a GPU-hour."""
    if usd_per_gpu_h is None:
        return {"usd_per_mtok": None, "usd_per_session": None}
    return {
        "usd_per_mtok": usd_per_mtok(usd_per_gpu_h, figures.total_tput_per_gpu),
        "usd_per_session": usd_per_session(usd_per_gpu_h, figures.sessions_per_gpu_h),
    }
