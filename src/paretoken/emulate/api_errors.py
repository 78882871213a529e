"""Error responses of the APIs."""

from __future__ import annotations

import orjson


class ApiError(Exception):
    """An error response; its body is `{"error": {"message", "type", "param", "code"}}`."""

    def __init__(self, status: int, message: str, param: str | None = None, kind: str = "") -> None:
        super().__init__(message)
        self.status, self.param = status, param
        self.kind = kind or {404: "NotFoundError", 429: "RateLimitError"}.get(
            status, "BadRequestError" if status < 500 else "InternalServerError"
        )

    def body(self) -> bytes:
        error = {"message": str(self), "type": self.kind, "param": self.param, "code": self.status}
        return orjson.dumps({"error": error})


MESSAGES_KINDS = {
    400: "invalid_request_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


class MessagesError(ApiError):
    """An error in the form of Anthropic's API: `{"type": "error", "error": {"type", "message"}}`."""

    def body(self) -> bytes:
        kind = MESSAGES_KINDS.get(self.status, "invalid_request_error" if self.status < 500 else "api_error")
        return orjson.dumps({"type": "error", "error": {"type": kind, "message": str(self)}})
