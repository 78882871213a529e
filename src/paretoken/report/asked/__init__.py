"""Any answer for a reader: in words, as charts and as tables, on a page or in one file."""
