"""The rental market: the price book, its quality flags, rents on a day, index, term structure."""
