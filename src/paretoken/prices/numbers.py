"""Numbers that a formula takes one at a time or as an array of draws."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
Number: TypeAlias = float | FloatArray
"""A float, or an array of draws."""
