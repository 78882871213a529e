"""Who collected the rental prices that the report shows, with links: their licences ask for the credit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

import polars as pl

from paretoken.answers.market import Market, MarketQuestion
from paretoken.answers.study.result import StudyResult

_REPOSITORY = re.compile(r"github:([\w.-]+/[\w.-]+?)(?:@|:|$)")
_SITE = re.compile(r"\(((?:[\w-]+\.)+[a-z]{2,})\)")
_EPOCH, _EPOCH_URL = "Epoch AI", "https://epoch.ai/data"


@dataclass(frozen=True, slots=True, kw_only=True)
class RentSource:
    """One collection of rental prices; `site` is the address that its licence names beside the repository's."""

    name: str
    url: str | None
    site: str | None
    licence: str
    rows: int
    first: date
    last: date


def rent_sources(result: StudyResult) -> list[RentSource]:
    """The sources of the study's rental prices, most prices first."""
    question = MarketQuestion(price_folders=tuple(result.study.rental_prices), at=result.economy.at)
    return sources_of(Market.of(question, result.catalog).book)


def sources_of(book: pl.DataFrame) -> list[RentSource]:
    """The sources of a book of rental prices."""
    collected: dict[tuple[str, str], list[date]] = {}
    for source, licence, day in book.select("source", "licence", "date").iter_rows():
        collected.setdefault((_name(source), licence or "not stated"), []).append(day)
    sources = [_source(name, licence, days) for (name, licence), days in collected.items()]
    return sorted(sources, key=lambda s: (-s.rows, s.name))


def _source(name: str, licence: str, days: list[date]) -> RentSource:
    site = _SITE.search(licence)
    return RentSource(
        name=name,
        url=_url(name),
        site=f"https://{site[1]}" if site else None,
        licence=licence,
        rows=len(days),
        first=min(days),
        last=max(days),
    )


def _name(source: str) -> str:
    """The repository of a row's source, or what names it without one."""
    repository = _REPOSITORY.match(source)
    if repository:
        return repository[1]
    return _EPOCH if source.startswith(_EPOCH) else source.split(":")[0].strip()


def _url(name: str) -> str | None:
    if name == _EPOCH:
        return _EPOCH_URL
    return f"https://github.com/{name}" if re.fullmatch(r"[\w.-]+/[\w.-]+", name) else None
