/* Every money formula of the page, pure: the twin of prices/cost.py, prices/finance.py, prices/owner/levelised.py and
   prices/owner/depreciation.py.
   A test holds each of them to its Python twin to 1e-9. */
const SECONDS_PER_HOUR = 3600;
const HOURS_PER_MONTH = 730;
const CAPITAL = ["all_in_usd", "server_usd", "network_usd", "storage_usd", "install_usd"];

/* Cost of a million tokens, USD; `load` is the share of hours served at the throughput. */
export const usdPerMtok = (usdPerGpuHour, tokPerSecond, load = 1) =>
  usdPerGpuHour / ((tokPerSecond * SECONDS_PER_HOUR) / 1e6) / load;

/* The rent at which B's tokens cost what A's do, less a switching cost per GPU spread over the hours of use. */
export const breakEvenRent = (rentA, tputA, tputB, switchingUsd = 0, hours = Infinity) =>
  (rentA * tputB) / tputA - switchingUsd / hours;

export function annuityFactor(ratePerYear, months) {
  const i = ratePerYear / 12;
  return i === 0 ? months : -Math.expm1(-months * Math.log1p(i)) / i;
}
export const annuity = (capital, ratePerYear, months) => capital / annuityFactor(ratePerYear, months);
export const discounted = (value, ratePerYear, months) => value * Math.exp(-months * Math.log1p(ratePerYear / 12));

export const capitalUsd = (values) => CAPITAL.reduce((sum, name) => sum + values[name], 0) * values.capital_factor;
export const itKw = (values) => values.kw / (1 + values.kw_holds_pue * (values.pue - 1));

/* USD a month of each part of the capital, and what the residual value takes off. */
function monthlyCapital(values) {
  const { cost_of_capital_per_year: rate, life_months: life } = values;
  const parts = CAPITAL.map((name) => [
    name.replace(/_usd$/, ""),
    annuity(values[name] * values.capital_factor, rate, life),
  ]);
  const residual = annuity(discounted(capitalUsd(values) * values.residual_share, rate, life), rate, life);
  return { ...Object.fromEntries(parts), residual: -residual };
}

/* USD a month of each running cost. */
function monthlyOpex(values) {
  const kw = itKw(values);
  const servers = 1 / values.gpus_per_server;
  const kwh = kw * values.power_draw_share * values.pue * HOURS_PER_MONTH;
  const site = (kw / 1000) * values.site_usd_per_mw;
  return {
    site: annuity(site, values.cost_of_capital_per_year, values.site_life_months),
    colocation: kw * values.colo_usd_per_kw_month,
    electricity: kwh * values.electricity_usd_per_kwh * (1 - values.colo_holds_power),
    remote_hands: values.remote_hands_usd_per_server_month * servers,
    internet: values.internet_usd_per_server_month * servers,
    support: values.support_usd_per_server_month * servers,
    software: values.software_usd_per_gpu_year / 12,
    staff: values.staff_usd_per_server_month * servers,
    insurance: (capitalUsd(values) * values.insurance_share_per_year) / 12,
  };
}

/* Pieces of a depreciation schedule: [from month, to month, share of the capital]. */
const SCHEDULES = [
  (values, months) => [[0, months, 1]],
  (values, months) => decliningBalance(months / 12),
  () => [0.2, 0.32, 0.192, 0.1152, 0.1152, 0.0576].map((share, k) => [12 * k, 12 * (k + 1), share]),
  (values) => {
    const perYear = values.observed_value_share ** (12 / values.observed_value_months);
    const years = Array.from({ length: Math.ceil(values.life_months / 12) }, (_, k) => k);
    return years.map((k) => [12 * k, 12 * (k + 1), perYear ** k * (1 - perYear)]);
  },
];

function decliningBalance(years) {
  const pieces = [];
  for (let k = 0, book = 1; k < years; k += 1) {
    const left = years - k;
    const length = Math.min(left, 1);
    const share = Math.min(book, book * Math.max(2 / years, 1 / left) * length);
    pieces.push([12 * k, 12 * (k + length), share]);
    book -= share;
  }
  return pieces;
}

/* The present value of all deductions as a share of the capital; what is left at the end is deducted there. */
function deductionsToday(values) {
  const { cost_of_capital_per_year: rate, life_months: life } = values;
  const pieces = SCHEDULES[values.depreciation](values, values.depreciation_months || life);
  const worth = (month) => annuityFactor(rate, Math.min(month, life));
  const inLife = (month) => Math.min(month, life);
  const parts = pieces.map(([from, to, share]) => (share * (worth(to) - worth(from))) / (to - from));
  const written = pieces.map(([from, to, share]) => (share * (inLife(to) - inLife(from))) / (to - from));
  const sum = (numbers) => numbers.reduce((total, x) => total + x, 0);
  return sum(parts) + discounted(1 - sum(written), rate, life);
}

/* USD a month that income tax adds to the cost before tax. */
function monthlyTax(values) {
  const { cost_of_capital_per_year: rate, life_months: life, tax_rate: tax } = values;
  const notDeducted = capitalUsd(values) * (1 - deductionsToday(values));
  return ((tax / (1 - tax)) * notDeducted) / annuityFactor(rate, life);
}

/* USD per GPU-hour of every component; they sum to the total. */
export function ownerStack(values) {
  const perHour = 1 / (HOURS_PER_MONTH * values.sold_share);
  const monthly = Object.entries({
    ...monthlyCapital(values),
    ...monthlyOpex(values),
    tax: monthlyTax(values),
  });
  return Object.fromEntries(monthly.map(([name, usd]) => [name, usd * perHour]));
}
export const ownerTotal = (values) => Object.values(ownerStack(values)).reduce((sum, usd) => sum + usd, 0);

/* Each input in turn from its low to its high, by falling swing. */
export function tornado(values, ranges) {
  const at = (name, value) => ownerTotal({ ...values, [name]: value });
  return Object.entries(ranges)
    .map(([name, [low, high]]) => ({ name, low, high, atLow: at(name, low), atHigh: at(name, high) }))
    .filter((s) => s.atLow !== s.atHigh)
    .sort((a, b) => Math.abs(b.atHigh - b.atLow) - Math.abs(a.atHigh - a.atLow));
}

/* The share of hours from which owning is cheaper than renting by the hour. */
export const breakEvenShare = (values, rent) => ownerTotal({ ...values, sold_share: 1 }) / rent;
