"""What a call can fail with: a stable `code`, the `cause` as a sentence, and a `hint` when the server knows what to do."""
from __future__ import annotations

import json
from typing import Dict, Optional, Type


class SlipwayError(Exception):
    """The server (or the way to it) refused; match `code` or the class, never the text."""

    exit_code = 1

    def __init__(self, code: str, cause: str, hint: str = "", status: int = 0, retryable: bool = False) -> None:
        super().__init__(f"[{code}] {cause}" + (f" (hint: {hint})" if hint else ""))
        self.code = code
        self.cause = cause
        self.hint = hint
        self.status = status
        self.retryable = retryable


class InvalidRequest(SlipwayError):
    """The request can never succeed as it is written."""


class NotFound(SlipwayError):
    exit_code = 3


class Denied(SlipwayError):
    """Who you are is unknown (401), or not enough (403)."""

    exit_code = 4


class Conflict(SlipwayError):
    """The present state forbids it: it exists, was changed, or a precondition is missing."""

    exit_code = 5


class Unavailable(SlipwayError):
    """Nobody answers, or not now; safe to try again."""

    exit_code = 7


class IntegrityError(SlipwayError):
    """Bytes are not those that their digest names."""

    exit_code = 8


_BY_STATUS: Dict[int, Type[SlipwayError]] = {
    401: Denied, 403: Denied, 404: NotFound, 409: Conflict, 412: Conflict, 408: Unavailable, 429: Unavailable,
    502: Unavailable, 503: Unavailable, 504: Unavailable,
}


def _text(fields: Dict[str, object], *names: str) -> str:
    for name in names:
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def error_of(status: int, body: bytes) -> SlipwayError:
    """The error that an answer of 400 or more stands for: our problem documents and MLflow's error messages."""
    try:
        fields: object = json.loads(body)
    except ValueError:
        fields = {}
    if not isinstance(fields, dict):
        fields = {}
    code = _text(fields, "code", "error_code") or f"server.status_{status}"
    cause = _text(fields, "detail", "message", "title", "error") or f"the server answered {status}"
    kind: Optional[Type[SlipwayError]] = _BY_STATUS.get(status)
    if kind is None:
        kind = InvalidRequest if status < 500 else SlipwayError
    if code == "RESOURCE_ALREADY_EXISTS":
        kind = Conflict
    retryable = fields.get("retryable")
    return kind(code, cause, _text(fields, "hint"), status,
                retryable if isinstance(retryable, bool) else issubclass(kind, Unavailable))
