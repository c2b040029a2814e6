"""Our errors as OpenAI's clients expect them: `{"error": {message, type, param, code}}` and a status.

409 and 5xx are sent again by the client on its own, create included, so nothing that a client can fix has them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from serving.errors import (
    BadField,
    BadMedia,
    BadType,
    Blocked,
    CellError,
    Conflict,
    Expired,
    Forbidden,
    Limited,
    Missing,
    NotPossible,
    NotReady,
    Refused,
    TooLarge,
    TooSlow,
    Unauthenticated,
    Unavailable,
    UnknownJob,
    UnknownModel,
    UnknownPath,
    WrongCell,
    WrongMethod,
)

__all__ = ["Response", "error_response", "job_error"]

Response = tuple[int, Mapping[str, str], bytes]  # status, headers, body

_INVALID: Final = "invalid_request_error"
OURS: Final = "Something went wrong on our side. Try again; if it stays, report the x-request-id of this answer."
#: The nearest ancestor of an error decides: status, type, code, param.
_SHAPES: Final[Mapping[type[CellError], tuple[int, str, str, str | None]]] = {
    Unauthenticated: (401, _INVALID, "invalid_api_key", None),
    Forbidden: (403, "permission_error", "model_not_allowed", "model"),
    WrongCell: (421, _INVALID, "wrong_region", None),
    UnknownModel: (404, _INVALID, "model_not_found", "model"),
    UnknownJob: (404, _INVALID, "video_not_found", None),
    UnknownPath: (404, _INVALID, "unknown_url", None),
    WrongMethod: (405, _INVALID, "method_not_allowed", None),
    BadField: (400, _INVALID, "invalid_value", None),
    Missing: (400, _INVALID, "missing_required_parameter", None),
    BadType: (400, _INVALID, "invalid_type", None),
    BadMedia: (400, _INVALID, "invalid_media", None),
    TooLarge: (413, _INVALID, "request_too_large", None),
    TooSlow: (408, _INVALID, "request_timeout", None),
    NotPossible: (400, _INVALID, "invalid_state", None),
    NotReady: (404, _INVALID, "video_not_ready", None),
    Expired: (404, _INVALID, "video_expired", None),
    Conflict: (400, _INVALID, "idempotency_conflict", None),
    Blocked: (400, _INVALID, "moderation_blocked", None),
    Refused: (400, _INVALID, "invalid_request", None),
    Limited: (429, "rate_limit_error", "rate_limit_exceeded", None),
    Unavailable: (503, "server_error", "service_unavailable", None),
    CellError: (500, "server_error", "internal_error", None),
}


def error_response(error: CellError, _path: str = "", _request_id: str = "") -> Response:
    """Status, headers and body of an error."""
    status, kind, code, param = next(_SHAPES[each] for each in type(error).__mro__ if each in _SHAPES)
    if isinstance(error, Limited) and error.quota:
        kind = code = "insufficient_quota"
    if isinstance(error, BadField):
        param = error.field
    message = OURS if status == 500 else str(error) or type(error).__doc__
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return status, {"content-type": "application/json", **_headers(error)}, json.dumps(body).encode()


def _headers(error: CellError) -> dict[str, str]:
    if isinstance(error, Limited):
        return {"retry-after": str(error.retry_after)} | ({"x-should-retry": "false"} if error.quota else {})
    if isinstance(error, Unavailable):
        return {"retry-after": "2"}  # seconds; a cell that drains is soon replaced
    if isinstance(error, WrongMethod) and error.allow:
        return {"allow": error.allow}
    return {"www-authenticate": "Bearer"} if isinstance(error, Unauthenticated) else {}


def job_error(code: str | None, text: str | None) -> dict[str, str]:
    """The `error` of a film that was not made."""
    return {"code": code or "generation_failed", "message": text or "The film could not be made. Ask for it again."}
