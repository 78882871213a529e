"""The result of a verification in words."""

from __future__ import annotations

from collections.abc import Iterator

from paretoken.plural import counted
from paretoken.receipts.hashes import HashCheck
from paretoken.receipts.verify import RunVerification


def headline(result: RunVerification) -> str:
    """One sentence: the verdict and what it rests on."""
    figures = counted(result.figures, "figure")
    if result.verdict == "differs":
        files, values = len(result.hashes.faults), len(result.differences)
        return (
            f"{result.run} DIFFERS: {counted(files, 'file')} not as the receipts list them, "
            f"{counted(values, 'value')} not as recomputed"
        )
    if result.verdict == "verified":
        return f"{result.run} is verified: {figures} recomputed from its records, all as recorded"
    return f"{result.run} is recomputed, not verified: {figures} follow from its records, but not every file has a hash"


def copy_words(result: RunVerification) -> str:
    """What was compared without being recomputed."""
    return (
        f"also compared: settings and labels, and {counted(result.copies, 'value')} of summary.json "
        "with the levels that it repeats"
    )


def hash_words(hashes: HashCheck) -> str:
    """What the receipts cover."""
    if hashes.receipt is None:
        return "no hashes exist: the run has no receipt; it is of an earlier version"
    files = f"{counted(hashes.files, 'file')} hashed ({hashes.bytes / 1e6:,.1f} MB)"
    without = f"; no hashes exist of level {', '.join(hashes.without)}" if hashes.without else ""
    return f"receipt {hashes.receipt}, written {hashes.written}: {files}{without}"


def version_words(result: RunVerification) -> Iterator[str]:
    """That another version recorded the figures, where they differ."""
    others = [version for version in result.recorded_by if version != result.recomputed_by]
    if others and result.differences:
        yield (
            f"recorded by paretoken {', '.join(others)} and recomputed by {result.recomputed_by}, which may define a "
            f"figure otherwise; to be sure, run: uvx paretoken@{others[0]} verify"
        )
