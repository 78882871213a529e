"""Whether the layout that was measured best is among the best as predicted: `python tools/pools_rank.py`.

A group is a model, precision, accelerator and pair of lengths with at least ten disaggregated layouts among the shipped
points; a configuration is a layout with its engine, and with or without speculative decoding.

Bands of interactivity cut a group's points: each holds those between x and 1.5 x tokens per second and user, as
measured. In a band a configuration counts with its point of most tokens per GPU. Only bands of at least four
configurations count: the top three of three always hold the best. A hit is a band whose best configuration as measured
is among the three best as predicted; those within 3 % of the best as measured are equally good, and any of them is a
hit. Predicted are the tokens per GPU of each configuration

    --at interactivity   at the interactivity of its point, whatever load the prediction needs for it (the default)
    --at limit           at the band's lower end, as a search with this limit has it
    --at load            at the load of its point; this is easier, as load and band say much of the throughput

The last lines are

    groups with a hit in most bands     the headline; the target is 80 %
    bands with a hit                    beside what chance alone would give, 3 of n

--calibration FILE takes another calibration. --predicted FILE takes predictions at the loads made elsewhere, for
example held-out ones: a Parquet or CSV file with the columns `row` (place in the shipped points, from 0) and
`total_tput_per_gpu_tok_s`; points without one are left out. --plain leaves speculative decoding out.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import polars as pl

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.points.published import published_points
from paretoken.points.unstated import NONE
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.file import Calibration, read_calibration, shipped_calibration
from paretoken.predict.pools.candidates import LOADS
from paretoken.predict.pools.layout import PooledCase
from paretoken.predict.pools.predictor import predict_pools
from paretoken.predict.pools.rows import pooled_cases, pooled_rows

GROUP = ("model", "precision", "accelerator", "isl", "osl")
LEAST_LAYOUTS, LEAST_IN_BAND = 10, 4
STEP = 1.5
TOP = 3
AS_GOOD = 0.97


@dataclass(frozen=True, slots=True)
class RankedBand:
    """The configurations of one band by falling predicted throughput, and the places there of the best as measured."""

    group: tuple[Any, ...]
    interactivity: float
    configurations: int
    place: int
    best: str
    predicted_best: str
    regret: float

    @property
    def hit(self) -> bool:
        return self.place <= TOP


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calibration", type=Path)
    parser.add_argument("--at", choices=("interactivity", "limit", "load"), default="interactivity")
    parser.add_argument("--predicted", type=Path, help="predictions at the loads of points")
    parser.add_argument("--plain", action="store_true", help="without speculative decoding")
    options = parser.parse_args(arguments)
    catalog = load_catalog()
    points = in_bands(layouts(published_points().with_row_index("row"), catalog))
    if options.plain:
        points = points.filter(pl.col("speculation") == NONE)
    if options.predicted:
        table = _read(options.predicted).select("row", predicted="total_tput_per_gpu_tok_s")
        points = points.join(table.cast({"row": pl.UInt32}), on="row")
    else:
        calibration = read_calibration(options.calibration) if options.calibration else shipped_calibration()
        points = with_predictions(points, options.at, calibration, catalog)
    report(list(ranked_bands(points)))


def layouts(points: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """The points that a calibration may learn from, with `layout`, in groups with enough layouts."""
    rows = pooled_rows(points, catalog).filter(pl.col("tput_per_gpu").is_not_null())
    rows = rows.with_columns(layout=pl.Series([c.pools.layout for c in pooled_cases(rows, catalog)], dtype=pl.String))
    return rows.filter(pl.col("layout").n_unique().over(GROUP) >= LEAST_LAYOUTS)


def in_bands(points: pl.DataFrame) -> pl.DataFrame:
    """The points with their `configuration` and their `band`, the number of its lower end in powers of `STEP`."""
    drafting = pl.when(pl.col("speculation") == NONE).then(pl.lit("")).otherwise(pl.lit(" MTP"))
    band = ((1 / pl.col("central_tpot_s")).log() / log(STEP)).floor().cast(pl.Int64)
    return points.with_columns(band=band, configuration=pl.format("{} {}{}", "layout", "engine", drafting))


def with_predictions(points: pl.DataFrame, at: str, calibration: Calibration, catalog: Catalog) -> pl.DataFrame:
    """The points with `predicted` tokens/s per GPU; at their loads, or where `at` says."""
    cases = pooled_cases(points, catalog)
    if at == "load":
        predicted = predict_pools(cases, calibration=calibration, catalog=catalog).total_tput_per_gpu
    else:
        own = points["central_tpot_s"].to_numpy()
        tpot_s = own if at == "interactivity" else STEP ** -points["band"].to_numpy().astype(float)
        predicted = at_tpot(cases, tpot_s, calibration, catalog)
    return points.with_columns(predicted=pl.Series(predicted))


def at_tpot(cases: Sequence[PooledCase], tpot_s: Floats, calibration: Calibration, catalog: Catalog) -> Floats:
    """Tokens/s per GPU of the layout of each case at the load that gives it a TPOT; of the nearest load beyond."""
    first = [replace(c, concurrency=1.0) for c in cases]
    distinct = list(dict.fromkeys(first))
    ladder = [replace(c, concurrency=n) for c in distinct for n in LOADS]
    p = predict_pools(ladder, calibration=calibration, catalog=catalog)
    shape = len(distinct), len(LOADS)
    tpots = np.maximum.accumulate(np.log(p.state.tpot_s.reshape(shape)), axis=1)
    tputs = np.maximum.accumulate(np.log(p.total_tput_per_gpu.reshape(shape)), axis=1)
    place = {c: i for i, c in enumerate(distinct)}
    limits = zip(first, np.log(tpot_s), strict=True)
    return np.exp([_highest(limit, tpots[place[c]], tputs[place[c]]) for c, limit in limits])


def _highest(tpot: float, tpots: Floats, tputs: Floats) -> float:
    """ln of the highest throughput within ln of a TPOT, interpolated along rising loads."""
    beyond = int(np.searchsorted(tpots, tpot, side="right"))
    if beyond in (0, len(tpots)):
        return float(tputs[max(beyond - 1, 0)])
    return float(np.interp(tpot, tpots[beyond - 1 : beyond + 1], tputs[beyond - 1 : beyond + 1]))


def ranked_bands(points: pl.DataFrame) -> Iterator[RankedBand]:
    """Every band of every group with enough configurations."""
    for (*group, n), part in points.group_by(*GROUP, "band", maintain_order=True):
        top_point = part.sort("tput_per_gpu", descending=True).unique(
            "configuration", keep="first", maintain_order=True
        )
        best = top_point.select("configuration", "predicted", measured="tput_per_gpu")
        if len(best) < LEAST_IN_BAND:
            continue
        order = best.sort("predicted", descending=True)
        top = order["measured"].max()
        good = order["measured"] >= AS_GOOD * top
        yield RankedBand(
            group=tuple(group),
            interactivity=STEP**n,
            configurations=len(best),
            place=int(good.arg_true()[0]) + 1,
            best=order.sort("measured", descending=True)["configuration"][0],
            predicted_best=order["configuration"][0],
            regret=1 - order["measured"][0] / top,
        )


def report(bands: Sequence[RankedBand]) -> None:
    """The table of groups, and the shares."""
    by_group: dict[tuple[Any, ...], list[RankedBand]] = {}
    for b in bands:
        by_group.setdefault(b.group, []).append(b)
    if not by_group:
        print("no group has enough layouts and predictions")
        return
    print(f"{'group':52s} bands  hits  places of the best in each band, of its configurations")
    for group, own in sorted(by_group.items(), key=lambda item: str(item[0])):
        own.sort(key=lambda b: b.interactivity)
        places = ", ".join(f"{b.interactivity:.0f} tok/s: {b.place}/{b.configurations}" for b in own)
        print(f"{_name(group):52s}{len(own):6d}{sum(b.hit for b in own):6d}  {places}")
    most = [sum(b.hit for b in own) * 2 > len(own) for own in by_group.values()]
    every = [all(b.hit for b in own) for own in by_group.values()]
    chance = [min(TOP / b.configurations, 1) for b in bands]
    print()
    print(f"groups with a hit in most bands   {_share(most)}")
    print(f"groups with a hit in every band   {_share(every)}")
    print(
        f"bands with a hit                  {_share([b.hit for b in bands])}; by chance {sum(chance) / len(chance):.0%}"
    )
    print(f"bands whose best is predicted     {_share([b.place == 1 for b in bands])}")
    regret = sum(b.regret for b in bands) / len(bands)
    print(f"throughput lost by taking the predicted best: mean {regret:.1%}, most {max(b.regret for b in bands):.0%}")
    print("misses:")
    for b in sorted((b for b in bands if not b.hit), key=lambda b: -b.regret):
        print(
            f"  {_name(b.group)}, {b.interactivity:.0f} tok/s: best {b.best} is {b.place}; predicted {b.predicted_best}"
        )


def _name(group: tuple[Any, ...]) -> str:
    model, precision, accelerator, isl, osl = group
    return f"{model} {precision} {accelerator} {isl}/{osl}"


def _share(flags: Sequence[bool]) -> str:
    return f"{sum(flags):4d} of {len(flags):4d} = {sum(flags) / len(flags):4.0%}"


def _read(path: Path) -> pl.DataFrame:
    return pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)


if __name__ == "__main__":
    main(sys.argv[1:])
