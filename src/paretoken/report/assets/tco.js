/* The cost of a GPU-hour: the twin of prices/owner/levelised.py, from the same inputs to the same figures. */
const HOURS_PER_MONTH = 730;
const CAPITAL = ["all_in_usd", "server_usd", "network_usd", "storage_usd", "install_usd"];

function annuityFactor(ratePerYear, months) {
  const i = ratePerYear / 12;
  return i === 0 ? months : -Math.expm1(-months * Math.log1p(i)) / i;
}
const annuity = (capital, ratePerYear, months) => capital / annuityFactor(ratePerYear, months);
const discounted = (value, ratePerYear, months) => value * Math.exp(-months * Math.log1p(ratePerYear / 12));
const capitalUsd = (v) => CAPITAL.reduce((sum, name) => sum + v[name], 0) * v.capital_factor;
const itKw = (v) => v.kw / (1 + v.kw_holds_pue * (v.pue - 1));

/* USD per GPU-hour of every component; they sum to the total. */
function tcoStack(v) {
  const rate = v.cost_of_capital_per_year, life = v.life_months, kw = itKw(v), servers = 1 / v.gpus_per_server;
  const monthly = {};
  for (const name of CAPITAL) monthly[name.slice(0, -4)] = annuity(v[name] * v.capital_factor, rate, life);
  monthly.residual = -annuity(discounted(capitalUsd(v) * v.residual_share, rate, life), rate, life);
  monthly.site = annuity((kw / 1000) * v.site_usd_per_mw, rate, v.site_life_months);
  monthly.colocation = kw * v.colo_usd_per_kw_month;
  monthly.electricity = kw * v.power_draw_share * v.pue * HOURS_PER_MONTH * v.electricity_usd_per_kwh * (1 - v.colo_holds_power);
  monthly.remote_hands = v.remote_hands_usd_per_server_month * servers;
  monthly.internet = v.internet_usd_per_server_month * servers;
  monthly.support = v.support_usd_per_server_month * servers;
  monthly.software = v.software_usd_per_gpu_year / 12;
  const perHour = 1 / (HOURS_PER_MONTH * v.sold_share);
  return Object.fromEntries(Object.entries(monthly).map(([name, usd]) => [name, usd * perHour]));
}
const tcoTotal = (v) => Object.values(tcoStack(v)).reduce((sum, x) => sum + x, 0);

/* One input at a time from low to high, by falling swing. */
function tornado(v, ranges) {
  return Object.entries(ranges)
    .map(([name, [low, high]]) => ({ name, low, high, atLow: tcoTotal({ ...v, [name]: low }), atHigh: tcoTotal({ ...v, [name]: high }) }))
    .filter((s) => s.atLow !== s.atHigh)
    .sort((a, b) => Math.abs(b.atHigh - b.atLow) - Math.abs(a.atHigh - a.atLow));
}

/* The share of hours from which owning is cheaper than renting by the hour. */
const breakEvenShare = (v, rent) => tcoTotal({ ...v, sold_share: 1 }) / rent;
const usdPerMtok = (usdPerGpuHour, tokPerSecond, load) => usdPerGpuHour / ((tokPerSecond * 3600) / 1e6) / load;
