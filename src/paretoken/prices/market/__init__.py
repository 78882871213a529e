"""The rental market: the price book, its traps, what a GPU-hour costs on a day, index, term structure."""
