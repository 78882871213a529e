"""Models by their Hugging Face config.json: shapes, kinds of layers, and the bytes of a checkpoint."""
