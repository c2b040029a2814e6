"""Who asks, as the gate has found out and written into the request's scope."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from serving.desk import Caller
from serving.errors import Unauthenticated

__all__ = ["CALLER", "REQUEST", "caller_here", "caller_of", "request_id_of"]

CALLER: Final = "equerry.caller"  # key of the scope; a `Caller`
REQUEST: Final = "equerry.request"  # key of the scope; the request's id, text


def caller_of(request: Request) -> Caller:
    """The caller. Raises Unauthenticated when no gate stands before this door."""
    caller = request.scope.get(CALLER)
    if not isinstance(caller, Caller):
        raise Unauthenticated("There is no key. Send Authorization: Bearer and a key of this cell.")
    return caller


async def caller_here(request: Request) -> Caller:
    """`caller_of` as a dependency. The framework would run what is no coroutine in a thread, which costs more than all
    else that a look at a job takes."""
    return caller_of(request)


def request_id_of(request: Request) -> str:
    """The request's id, as the answer's x-request-id shows it."""
    return str(request.scope.get(REQUEST, ""))
