"""Owner's TCO from the bottom up: inputs in layers, the cost of a GPU-hour, its sensitivity and uncertainty."""
