"""The calculation of a GPU-hour line by line, with the numbers in it and where each comes from."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.prices.finance import HOURS_PER_MONTH, annuity_factor, discounted
from paretoken.prices.owner.layers import Inputs
from paretoken.prices.owner.levelised import COMPONENTS, capital_usd, it_kw, stack
from paretoken.prices.owner.parameters import CAPITAL, PARAMETERS


@dataclass(frozen=True, slots=True)
class Line:
    """`what` = `with_numbers` = `value` `unit`; `source` where the figures come from."""

    what: str
    with_numbers: str
    value: float
    unit: str
    source: str = ""


def explained(inputs: Inputs) -> list[Line]:
    """Every step from the inputs to the total; the last line is the total and the sum of the component lines."""
    v, parts = inputs.values, stack(inputs.values)
    components = [
        Line(f"{COMPONENTS[k]} per GPU-hour", _component(k, inputs), x, "USD/GPU-h", _sources(k, inputs))
        for k, x in parts.items()
        if x
    ]
    total = Line("Total", " + ".join(f"{x.value:.4f}" for x in components), sum(parts.values()), "USD/GPU-h")
    return [*_capital(inputs, v), *_power(inputs, v), *components, total]


def _capital(inputs: Inputs, v: dict[str, float]) -> list[Line]:
    rate, life = v["cost_of_capital_per_year"], v["life_months"]
    given = [f"{v[n]:,.2f}" for n in CAPITAL if v[n]]
    lines = [
        Line(
            "Capital C per GPU",
            f"({' + '.join(given)}) × {v['capital_factor']:g}",
            capital_usd(v),
            "USD",
            _of(inputs, *CAPITAL),
        ),
        Line(
            "Annuity factor F",
            f"(1 − (1 + {rate:g}/12)^−{life:g}) / ({rate:g}/12)" if rate else f"{life:g}",
            annuity_factor(rate, life),
            "months",
            _of(inputs, "cost_of_capital_per_year", "life_months"),
        ),
    ]
    if v["residual_share"]:
        left = discounted(capital_usd(v) * v["residual_share"], rate, life)
        text = f"{capital_usd(v):,.2f} × {v['residual_share']:g} / (1 + {rate:g}/12)^{life:g}"
        lines.append(Line("Residual value today", text, left, "USD", _of(inputs, "residual_share")))
    return lines


def _power(inputs: Inputs, v: dict[str, float]) -> list[Line]:
    kwh = it_kw(v) * v["power_draw_share"] * v["pue"] * HOURS_PER_MONTH
    stated = (
        f"{v['kw']:.4f} / {v['pue']:g} (the stated power holds the PUE)" if inputs.kw_holds_pue else f"{v['kw']:.4f}"
    )
    return [
        Line("IT power P per GPU", stated, it_kw(v), "kW", _of(inputs, "kw")),
        Line(
            "Electricity E per GPU and month",
            f"{it_kw(v):.4f} × {v['power_draw_share']:g} drawn × PUE {v['pue']:g} × {HOURS_PER_MONTH:g} h",
            kwh,
            "kWh",
            _of(inputs, "power_draw_share", "pue"),
        ),
    ]


def _component(name: str, inputs: Inputs) -> str:
    """The formula of one component with its numbers."""
    v = inputs.values
    hours = f"{HOURS_PER_MONTH:g} h" + (f" / {v['sold_share']:g} of hours sold" if v["sold_share"] != 1 else "")
    factor = annuity_factor(v["cost_of_capital_per_year"], v["life_months"])
    if f"{name}_usd" in CAPITAL:
        return f"{v[f'{name}_usd'] * v['capital_factor']:,.2f} / F {factor:.4f} / {hours}"
    per_server = f"{v.get(f'{name}_usd_per_server_month', 0):g} / {v['gpus_per_server']:g} GPUs / {hours}"
    site = annuity_factor(v["cost_of_capital_per_year"], v["site_life_months"])
    return {
        "residual": f"− residual today / F {factor:.4f} / {hours}",
        "site": f"P {it_kw(v):.4f} × {v['site_usd_per_mw']:,.0f}/1000 / {site:.4f} months / {hours}",
        "colocation": f"P {it_kw(v):.4f} × {v['colo_usd_per_kw_month']:g} / {hours}",
        "electricity": f"E × {v['electricity_usd_per_kwh']:g} / {hours}",
        "software": f"{v['software_usd_per_gpu_year']:g} / 12 / {hours}",
    }.get(name, per_server)


_INPUTS_OF = {
    "residual": ("residual_share",),
    "site": ("site_usd_per_mw", "site_life_months"),
    "colocation": ("colo_usd_per_kw_month",),
    "electricity": ("electricity_usd_per_kwh",),
    "software": ("software_usd_per_gpu_year",),
}


def _sources(component: str, inputs: Inputs) -> str:
    names = _INPUTS_OF.get(component) or tuple(n for n in PARAMETERS if n.startswith(f"{component}_usd"))
    return _of(inputs, *names)


def _of(inputs: Inputs, *names: str) -> str:
    """`layer: source (date)` of each figure that is used, once."""
    used = [inputs.figures[n] for n in names if inputs.figures[n].layer != "not used"]
    texts = [f"{f.layer}: {f.source}" + (f" ({f.date})" if f.date and f.date not in f.source else "") for f in used]
    return "; ".join(dict.fromkeys(texts))
