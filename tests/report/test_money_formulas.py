"""The formulas of the report's money, run by Node: each is that of the library to 1e-9."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import playwright
import pytest

from paretoken.prices import finance
from paretoken.prices.cost import break_even_rent, usd_per_mtok
from paretoken.prices.own_or_rent import own_or_rent
from paretoken.prices.owner.levelised import capital_usd, it_kw, stack, total
from paretoken.prices.owner.sensitivity import tornado
from paretoken.report.page import ASSETS
from tests.support.owners import ADJUSTED, TAXED, near, owned

OWNERS = [*owned(), *owned(operator="enterprise"), *owned(["H200"], sets=["h200-2025"])]
FORMULAS: dict[str, tuple[Callable[..., object], list[list[object]]]] = {
    "usdPerMtok": (usd_per_mtok, [[2.0, 442.0], [1.17, 5856.9, 0.05], [99.5, 1.25, 0.75]]),
    "breakEvenRent": (break_even_rent, [[2.5, 442.0, 310.5], [0.3, 7.1, 9e4], [2.5, 100.0, 80.0, 1000.0, 26280.0]]),
    "annuityFactor": (finance.annuity_factor, [[0.1025, 72.0], [0.0, 48.0], [1e-9, 600.0], [2.0, 1.0]]),
    "annuity": (finance.annuity, [[361_255.0, 0.1025, 72.0], [1200.0, 0.0, 12.0]]),
    "discounted": (finance.discounted, [[5e4, 0.133, 60.0], [5e4, 0.0, 60.0]]),
    "capitalUsd": (capital_usd, [[i.values] for i in OWNERS]),
    "itKw": (it_kw, [[i.values] for i in OWNERS]),
    "ownerStack": (stack, [[{**i.values, **adjusted}] for i in OWNERS for adjusted in (ADJUSTED | TAXED).values()]),
    "ownerTotal": (total, [[{**i.values, **adjusted}] for i in OWNERS for adjusted in (ADJUSTED | TAXED).values()]),
    "breakEvenShare": (
        lambda values, rent: own_or_rent(next(i for i in OWNERS if i.values == values), rent).break_even_share,
        [[i.values, rent] for i in OWNERS for rent in (0.7, 2.32)],
    ),
    "tornado": (
        lambda values, ranges: [
            {"name": s.name, "low": s.low, "high": s.high, "atLow": s.at_low, "atHigh": s.at_high}
            for s in tornado(next(i for i in OWNERS if i.values == values))
        ],
        [[i.values, {n: list(f.bounds) for n, f in i.figures.items() if not f.certain}] for i in OWNERS],
    ),
}
"""Every formula of money.js: its Python twin, and the arguments on which the two are compared."""


def equal(page: object, ours: object) -> bool:
    """Whether two results agree to 1e-9 in every number."""
    if isinstance(page, dict) and isinstance(ours, dict):
        return page.keys() == ours.keys() and all(equal(page[k], ours[k]) for k in page)
    if isinstance(page, list) and isinstance(ours, list):
        return len(page) == len(ours) and all(map(equal, page, ours))
    if isinstance(page, str) or isinstance(ours, str):
        return page == ours
    return near(float(page), float(ours))


NODE = Path(playwright.__file__).parent / "driver" / "node"
MONEY = "study/money.js"
SCRIPTS = sorted(path.relative_to(ASSETS).as_posix() for path in ASSETS.rglob("*.js") if "vendor" not in path.parts)


def test_every_formula_of_the_page_is_the_librarys() -> None:
    script = f"""
      const money = await import({json.dumps((ASSETS / MONEY).as_uri())});
      let text = "";
      for await (const part of process.stdin) text += part;
      const called = ([name, calls]) => [name, calls.map((call) => money[name](...call))];
      console.log(JSON.stringify([Object.keys(money), JSON.parse(text).map(called)]));
    """
    calls = json.dumps([[name, calls] for name, (_, calls) in FORMULAS.items()])
    run = subprocess.run(
        [NODE, "--input-type=module", "-e", script], input=calls, capture_output=True, text=True, check=True
    )
    exported, results = json.loads(run.stdout)
    assert set(exported) == set(FORMULAS)
    for name, answers in results:
        python, calls_of = FORMULAS[name]
        for call, answer in zip(calls_of, answers, strict=True):
            assert equal(answer, python(*call)), (name, call)


@pytest.mark.parametrize("script", [s for s in SCRIPTS if s != MONEY])
def test_no_other_script_computes_money(script: str) -> None:
    """The constants of the formulas stand in money.js alone."""
    text = (ASSETS / script).read_text(encoding="utf-8")
    assert not re.search(r"0\.0036|\b3600\b|\b730\b|expm1|/ ?1e6\b", text)
