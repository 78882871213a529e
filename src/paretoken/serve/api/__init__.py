"""The HTTP API: the questions over HTTP, and the OpenAPI document that describes them."""
