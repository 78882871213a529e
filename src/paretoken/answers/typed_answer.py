"""What an answer does besides holding its figures: it becomes a data frame, draws itself and shows itself in Jupyter.

    class CompareAnswer(TypedAnswer):
        TABLE: ClassVar[str] = "candidates"

Every library for that loads on first use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from paretoken.answers.ask import command_of, provenance
from paretoken.answers.plot import PlotAxes, drawn
from paretoken.answers.registry import VERBS
from paretoken.answers.rows import Row, flat_rows
from paretoken.answers.seam import Question, to_json
from paretoken.answers.shown_rows import page
from paretoken.errors import BadConfig, NoData

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Asking:
    """Which function, as `module:name`, answered which question."""

    function: str
    question: Question

    @property
    def verb(self) -> str:
        """The name of the verb in the registry."""
        for name, verb in VERBS.items():
            if self.function == f"paretoken.answers.{verb.function_path}":
                return name
        raise BadConfig(f"no command repeats this answer: {self.function} is not a question of 'paretoken ask'")


class TypedAnswer:
    """An answer as a table, a plot, a page in Jupyter, and the command that repeats it.

    `TABLE` names the field with its main table, `STATED` holds what is true of every row and not a column of its own,
    `SHOWN` the columns that Jupyter shows first.
    """

    __slots__ = ("_asking",)
    TABLE: ClassVar[str]
    STATED: ClassVar[Row] = {}
    SHOWN: ClassVar[tuple[str, ...]] = ()
    _asking: Asking

    @property
    def sentence(self) -> str:
        """The verdict in a sentence; without a verdict, what the question asks."""
        asking = self._asking_or_none()
        return (asking.question.__doc__ or "").split("\n")[0] if asking else ""

    def rows_of_table(self) -> list[Row]:
        """The main table as flat rows, units in the names of their columns."""
        return flat_rows(getattr(self, self.TABLE), self.STATED)

    def plot_axes(self) -> PlotAxes | None:
        """What a plot of the table shows; None where there is nothing to draw."""
        return None

    def to_polars(self) -> pl.DataFrame:
        """The main table as a polars frame: units in the names of columns, with origin and source where it has them."""
        import polars as pl

        return pl.DataFrame(self.rows_of_table(), infer_schema_length=None, strict=False)

    def to_pandas(self) -> pd.DataFrame:
        """The same as a pandas frame; BadConfig without the extra `notebook`."""
        try:
            return self.to_polars().to_pandas()
        except ModuleNotFoundError as e:
            raise BadConfig(f"a pandas frame needs {e.name}; pip install 'paretoken[notebook]'") from e

    def plot(self, ax: Axes | None = None) -> Axes:
        """The main table drawn with matplotlib, on `ax` or on new axes; NoData where there is nothing to draw."""
        axes = self.plot_axes()
        if axes is None:
            raise NoData(f"{type(self).__name__} has nothing to plot; to_polars() has its table")
        return drawn(self.rows_of_table(), axes, self.sentence, ax)

    @property
    def command(self) -> str:
        """The shell command that prints this answer as JSON; BadConfig if Python gave it data of its own."""
        asking = self._asking_or_none()
        if asking is None:
            raise BadConfig(
                "no command repeats this answer: it is not of a question alone, but of data that Python gave it"
            )
        return command_of(asking.verb, asking.question)

    def keep(self, asking: Asking) -> None:
        """Remember the question, once, for `command`."""
        object.__setattr__(self, "_asking", asking)

    def _asking_or_none(self) -> Asking | None:
        return getattr(self, "_asking", None)

    def _repr_html_(self) -> str:
        asking = self._asking_or_none()
        origins, sources = provenance(asking.question if asking else None, to_json(self))
        notes = {
            "Origin": ", ".join(origins),
            "Source": ", ".join(sources),
            "Command": self.command if asking else "",
        }
        return page(self.sentence, self.rows_of_table(), self.SHOWN, notes)
