"""The APIs of an emulated server: how each reads a request and writes an answer."""
