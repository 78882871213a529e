"""Types of the arrays that this room computes with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Indices = Ints | Mask
"""What selects rows: their numbers, or a mask."""
