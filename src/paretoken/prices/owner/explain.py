"""The calculation of a GPU-hour line by line, with the numbers in it and where each comes from."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.prices.finance import HOURS_PER_MONTH, annuity_factor, discounted
from paretoken.prices.owner.depreciation import MACRS_SOURCE, Depreciation, deductions_today, write_off_months
from paretoken.prices.owner.figures import NOT_USED, InputFigure
from paretoken.prices.owner.layers import Inputs
from paretoken.prices.owner.levelised import COMPONENTS, capital_usd, it_kw, stack
from paretoken.prices.owner.parameters import CAPITAL, PARAMETERS


@dataclass(frozen=True, slots=True)
class CalculationLine:
    """One step: `what` = `with_numbers` = `value` `unit`; `source` is where its figures come from."""

    what: str
    with_numbers: str
    value: float
    unit: str
    source: str = ""


def explained(inputs: Inputs) -> list[CalculationLine]:
    """Every step from the inputs to the total; the last line is the total and the sum of the component lines."""
    values = inputs.values
    parts = {name: float(usd) for name, usd in stack(values).items()}
    components = [
        CalculationLine(f"{COMPONENTS[k]} per GPU-hour", _component(k, inputs), x, "USD/GPU-h", _sources(k, inputs))
        for k, x in parts.items()
        if x
    ]
    total = CalculationLine("Total", " + ".join(f"{x.value:.4f}" for x in components), sum(parts.values()), "USD/GPU-h")
    return [*_capital(inputs, values), *_power(inputs, values), *components, total]


def _capital(inputs: Inputs, values: dict[str, float]) -> list[CalculationLine]:
    rate, life = values["cost_of_capital_per_year"], values["life_months"]
    stated = [f"{values[n]:,.2f}" for n in CAPITAL if values[n]]
    lines = [
        CalculationLine(
            "Capital C per GPU",
            f"({' + '.join(stated)}) × {values['capital_factor']:g}",
            float(capital_usd(values)),
            "USD",
            _of(inputs, *CAPITAL),
        ),
        CalculationLine(
            "Annuity factor F",
            f"(1 − (1 + {rate:g}/12)^−{life:g}) / ({rate:g}/12)" if rate else f"{life:g}",
            float(annuity_factor(rate, life)),
            "months",
            _of(inputs, "cost_of_capital_per_year", "life_months"),
        ),
    ]
    if values["residual_share"]:
        left = float(discounted(capital_usd(values) * values["residual_share"], rate, life))
        text = f"{capital_usd(values):,.2f} × {values['residual_share']:g} / (1 + {rate:g}/12)^{life:g}"
        lines.append(CalculationLine("Residual value today", text, left, "USD", _of(inputs, "residual_share")))
    return lines + ([_deductions(inputs, values)] if values["tax_rate"] else [])


def _deductions(inputs: Inputs, values: dict[str, float]) -> CalculationLine:
    """What the tax deductions of the capital are worth today."""
    share, months = float(deductions_today(values)), float(write_off_months(values))
    over = "" if inputs.depreciation in ("macrs-5", "observed") else f" over {months:g} months"
    text = f"{capital_usd(values):,.2f} × {share:.6f} ({inputs.depreciation}{over}; the rest at the end of the life)"
    worth = float(capital_usd(values)) * share
    source = _of(inputs, *_SCHEDULE_INPUTS[inputs.depreciation]) or MACRS_SOURCE
    return CalculationLine("Deductions today A", text, worth, "USD", source)


def _power(inputs: Inputs, values: dict[str, float]) -> list[CalculationLine]:
    kwh = float(it_kw(values)) * values["power_draw_share"] * values["pue"] * HOURS_PER_MONTH
    stated = (
        f"{values['kw']:.4f} / {values['pue']:g} (the stated power includes the PUE)"
        if inputs.kw_holds_pue
        else f"{values['kw']:.4f}"
    )
    return [
        CalculationLine("IT power P per GPU", stated, float(it_kw(values)), "kW", _of(inputs, "kw")),
        CalculationLine(
            "Electricity E per GPU and month",
            f"{it_kw(values):.4f} × {values['power_draw_share']:g} drawn × PUE {values['pue']:g} × "
            f"{HOURS_PER_MONTH:g} h",
            kwh,
            "kWh",
            _of(inputs, "power_draw_share", "pue"),
        ),
    ]


def _component(name: str, inputs: Inputs) -> str:
    """The formula of one component with its numbers."""
    values = inputs.values
    hours = f"{HOURS_PER_MONTH:g} h" + (
        f" / {values['sold_share']:g} of hours sold" if values["sold_share"] != 1 else ""
    )
    factor = annuity_factor(values["cost_of_capital_per_year"], values["life_months"])
    if f"{name}_usd" in CAPITAL:
        return f"{values[f'{name}_usd'] * values['capital_factor']:,.2f} / F {factor:.4f} / {hours}"
    per_server = f"{values.get(f'{name}_usd_per_server_month', 0):g} / {values['gpus_per_server']:g} GPUs / {hours}"
    site = annuity_factor(values["cost_of_capital_per_year"], values["site_life_months"])
    return {
        "residual": f"− residual today / F {factor:.4f} / {hours}",
        "site": f"P {it_kw(values):.4f} × {values['site_usd_per_mw']:,.0f}/1000 / {site:.4f} months / {hours}",
        "colocation": f"P {it_kw(values):.4f} × {values['colo_usd_per_kw_month']:g} / {hours}",
        "electricity": f"E × {values['electricity_usd_per_kwh']:g} / {hours}",
        "software": f"{values['software_usd_per_gpu_year']:g} / 12 / {hours}",
        "insurance": f"C {capital_usd(values):,.2f} × {values['insurance_share_per_year']:g} / 12 / {hours}",
        "tax": f"{values['tax_rate']:g} / {1 - values['tax_rate']:g} × (C − A) / F {factor:.4f} / {hours}",
    }.get(name, per_server)


_INPUTS_OF = {
    "residual": ("residual_share",),
    "site": ("site_usd_per_mw", "site_life_months"),
    "colocation": ("colo_usd_per_kw_month",),
    "electricity": ("electricity_usd_per_kwh",),
    "software": ("software_usd_per_gpu_year",),
    "insurance": ("insurance_share_per_year",),
    "tax": ("tax_rate",),
}
_SCHEDULE_INPUTS: dict[Depreciation, tuple[str, ...]] = {
    "straight-line": ("depreciation_months",),
    "declining-balance": ("depreciation_months",),
    "macrs-5": (),
    "observed": ("observed_value_share", "observed_value_months"),
}


def _sources(component: str, inputs: Inputs) -> str:
    names = _INPUTS_OF.get(component) or tuple(n for n in PARAMETERS if n.startswith(f"{component}_usd"))
    return _of(inputs, *names)


def _of(inputs: Inputs, *names: str) -> str:
    """`layer: source (date)` of each figure that is used, once."""
    used = [inputs.figures[n] for n in names if inputs.figures[n].layer != NOT_USED]
    return "; ".join(dict.fromkeys(map(_text, used)))


def _text(figure: InputFigure) -> str:
    """`layer: source (date)`; a figure without a source has its layer as one."""
    named = figure.layer if figure.source == figure.layer else f"{figure.layer}: {figure.source}"
    return named + (f" ({figure.date})" if figure.date and figure.date not in figure.source else "")
