"""Our errors as problem details (RFC 9457)."""

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

__all__ = ["Response", "error_response"]

Response = tuple[int, Mapping[str, str], bytes]  # status, headers, body

OURS: Final = "Something went wrong on our side. Try again; if it stays, report the request_id of this answer."
#: The nearest ancestor of an error decides: status, code, title.
_SHAPES: Final[Mapping[type[CellError], tuple[int, str, str]]] = {
    Unauthenticated: (401, "unauthenticated", "No valid key"),
    Forbidden: (403, "forbidden", "Not allowed"),
    WrongCell: (421, "wrong_cell", "Another cell serves this key"),
    UnknownModel: (404, "unknown_model", "No such model"),
    UnknownJob: (404, "unknown_job", "No such job"),
    UnknownPath: (404, "unknown_path", "No such address"),
    WrongMethod: (405, "wrong_method", "Not done by this address"),
    BadField: (400, "invalid_value", "A field is wrong"),
    Missing: (400, "missing", "A field is missing"),
    BadType: (400, "invalid_type", "A field has the wrong type"),
    BadMedia: (400, "invalid_media", "Media cannot be read"),
    TooLarge: (413, "too_large", "Too large"),
    TooSlow: (408, "too_slow", "The body does not come"),
    NotPossible: (409, "invalid_state", "Not possible now"),
    NotReady: (409, "not_ready", "The film is not there yet"),
    Expired: (410, "expired", "The film is kept no longer"),
    Conflict: (409, "idempotency_conflict", "Key used for another request"),
    Blocked: (400, "blocked", "Not made here"),
    Refused: (400, "refused", "Cannot be done as asked"),
    Limited: (429, "limited", "Too much at once"),
    Unavailable: (503, "unavailable", "Not available now"),
    CellError: (500, "internal", "Our fault"),
}


def error_response(error: CellError, _path: str = "", request_id: str = "") -> Response:
    """Status, headers and body of an error."""
    status, code, title = next(_SHAPES[each] for each in type(error).__mro__ if each in _SHAPES)
    if isinstance(error, Limited) and error.quota:
        code = "quota"
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": OURS if status == 500 else str(error) or type(error).__doc__,
        "code": code,
        "field": error.field if isinstance(error, BadField) else None,
        "request_id": request_id,
    }
    return status, {"content-type": "application/problem+json", **_headers(error)}, json.dumps(body).encode()


def _headers(error: CellError) -> dict[str, str]:
    if isinstance(error, Limited):
        return {"retry-after": str(error.retry_after)}
    if isinstance(error, Unavailable):
        return {"retry-after": "2"}  # seconds; a cell that drains is soon replaced
    if isinstance(error, WrongMethod) and error.allow:
        return {"allow": error.allow}
    return {"www-authenticate": "Bearer"} if isinstance(error, Unauthenticated) else {}
