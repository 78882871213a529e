"""Disaggregated serving: one pool of workers prefills, another decodes, and the KV cache moves between them."""
