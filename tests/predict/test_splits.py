"""What is held back together, and that new points do not move the folds."""

from __future__ import annotations

import polars as pl

from paretoken.predict.calibration.splits import CELL, SEED, SPLITS, parts


def cells(n: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "accelerator": [f"A{i % 7}" for i in range(n)],
            "engine": [f"E{i % 3}" for i in range(n)],
            "model": [f"M{i % 11}" for i in range(n)],
            "precision": ["fp8"] * n,
        }
    )


def test_rows_of_one_cell_are_in_one_part_and_all_parts_are_used():
    table = cells(2000).with_columns(part=pl.Series(parts(cells(2000), CELL, 4, SEED)))
    assert table.group_by(CELL).agg(pl.col("part").n_unique())["part"].max() == 1
    sizes = table.group_by("part").len()["len"].to_list()
    assert len(sizes) == 4 and min(sizes) > 200


def test_other_rows_and_their_order_do_not_move_a_cell():
    few, many = cells(60), cells(2000)
    assert parts(few, CELL, 4, SEED).tolist() == parts(many, CELL, 4, SEED)[:60].tolist()
    assert parts(few.reverse(), CELL, 4, SEED).tolist() == parts(few, CELL, 4, SEED)[::-1].tolist()
    assert parts(few, CELL, 4, SEED).tolist() != parts(few, CELL, 4, SEED + 1).tolist()


def test_the_quarters_of_a_split_cover_every_row_once():
    table = cells(300)
    masks = [fold.mask for fold in SPLITS["cell"](table)]
    assert (sum(m.astype(int) for m in masks) == 1).all()
