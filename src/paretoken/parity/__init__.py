"""How much of an engine's CUDA testing also runs on ROCm, read from its CI configuration."""
