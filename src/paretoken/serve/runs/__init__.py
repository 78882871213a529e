"""The pages that browse, compare and watch the runs of a folder."""
