"""Our errors as DashScope's clients expect them: `{request_id, code, message}` and a status of 400 or more, in JSON.

A success never has a top-level `code`: the newest client takes that for an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from serving.errors import (
    BadField,
    Blocked,
    CellError,
    Conflict,
    Expired,
    Forbidden,
    Limited,
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

__all__ = ["Response", "error_response", "task_code"]

Response = tuple[int, Mapping[str, str], bytes]  # status, headers, body

OURS: Final = "Something went wrong on our side. Try again; if it stays, report the request_id of this answer."
#: The nearest ancestor of an error decides: status and code.
_SHAPES: Final[Mapping[type[CellError], tuple[int, str]]] = {
    Unauthenticated: (401, "InvalidApiKey"),
    Forbidden: (403, "AccessDenied"),
    WrongCell: (421, "AccessDenied"),
    UnknownModel: (404, "ModelNotFound"),
    UnknownJob: (400, "InvalidParameter"),  # of a film that is named in a request; a task that is asked for is UNKNOWN
    UnknownPath: (404, "NotFound"),
    WrongMethod: (405, "MethodNotAllowed"),
    BadField: (400, "InvalidParameter"),
    TooLarge: (413, "BadRequest.TooLarge"),
    TooSlow: (408, "RequestTimeOut"),
    NotPossible: (400, "UnsupportedOperation"),
    NotReady: (400, "UnsupportedOperation"),
    Expired: (404, "NotFound"),
    Conflict: (400, "InvalidParameter"),
    Blocked: (400, "DataInspectionFailed"),
    Refused: (400, "InvalidParameter"),
    Limited: (429, "Throttling.RateQuota"),
    Unavailable: (503, "ServiceUnavailable"),
    CellError: (500, "InternalError"),
}
#: Why a film was not made, as the clients' documentation names it.
_TASKS: Final = {
    "moderation_blocked": "DataInspectionFailed",
    "invalid_media": "InvalidParameter",
    "invalid_value": "InvalidParameter",
    "deadline": "RequestTimeOut",
}


def error_response(error: CellError, _path: str = "", request_id: str = "") -> Response:
    """Status, headers and body of an error."""
    status, code = next(_SHAPES[each] for each in type(error).__mro__ if each in _SHAPES)
    if isinstance(error, Limited) and error.quota:
        code = "Throttling.AllocationQuota"
    message = OURS if status == 500 else str(error) or type(error).__doc__
    body = {"request_id": request_id, "code": code, "message": message}
    return status, {"content-type": "application/json", **_headers(error)}, json.dumps(body).encode()


def _headers(error: CellError) -> dict[str, str]:
    if isinstance(error, Limited):
        return {"retry-after": str(error.retry_after)} | ({"x-should-retry": "false"} if error.quota else {})
    if isinstance(error, Unavailable):
        return {"retry-after": "2"}  # seconds; a cell that drains is soon replaced
    return {"allow": error.allow} if isinstance(error, WrongMethod) and error.allow else {}


def task_code(code: str | None) -> str:
    """The `output.code` of a failed task."""
    return _TASKS.get(code or "", "InternalError")
