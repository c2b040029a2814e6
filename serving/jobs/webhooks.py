"""Telling clients of an end: thin, signed, at least once, and always under the same event id.

A webhook carries an id and a status, never a prompt, an address of a film or an error's text; whoever is told asks the
cell for the rest. The signature is that of Standard Webhooks, which `openai.webhooks.unwrap` checks: HMAC-SHA256 over
`ID.TIMESTAMP.BODY`, with a timestamp that must be fresh.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

from serving.errors import CellError, Refused
from serving.jobs.job import State, TenantId
from serving.jobs.records import Parcel
from serving.jobs.store import Store

log = logging.getLogger(__name__)
Secret = Callable[[TenantId], str | None]  # `whsec_…` of a tenant; None when it has none, and then it is told nothing
Post = Callable[[Parcel, Mapping[str, str], bytes], Awaitable[int]]  # vets the address, follows nothing, gives a status

PREFIX: Final = "whsec_"
LEAST_KEY: Final = 24  # bytes
KINDS: Final = {
    State.SUCCEEDED: "video.completed",
    State.FAILED: "video.failed",
    State.CANCELLED: "video.failed",  # the dialect has no word for cancelled
}


def key_of(secret: str) -> bytes:
    """The key inside `whsec_BASE64`. Raises Refused, without a word of the secret."""
    with suppress(binascii.Error, ValueError):
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        if secret.startswith(PREFIX) and len(key) >= LEAST_KEY:
            return key
    raise Refused(f"A webhook secret is {PREFIX} and at least {LEAST_KEY} random bytes in base64. Make a new one.")


def body_of(parcel: Parcel) -> bytes:
    """What is sent: the same bytes in every try."""
    told = {
        "id": parcel.event,
        "object": "event",
        "created_at": parcel.at // 1000,
        "type": KINDS[parcel.state],
        "data": {"id": f"video_{parcel.job}"},
    }
    return json.dumps(told, separators=(",", ":")).encode()


def signature(key: bytes, event: str, seconds: int, body: bytes) -> str:
    """`v1,BASE64`, over the id, the time of this try in seconds since 1970, and the body."""
    mac = hmac.new(key, f"{event}.{seconds}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(mac.digest()).decode()}"


def headers_of(parcel: Parcel, key: bytes, seconds: int, body: bytes) -> dict[str, str]:
    """The headers of one try."""
    return {
        "content-type": "application/json",
        "webhook-id": parcel.event,
        "webhook-timestamp": str(seconds),
        "webhook-signature": signature(key, parcel.event, seconds, body),
    }


class Courier:
    """Takes events out of the store's outbox to their addresses. Several may run at once."""

    def __init__(self, store: Store, secret: Secret, post: Post) -> None:
        self._store = store
        self._secret = secret
        self._post = post

    async def round(self, most: int = 20) -> int:
        """Tell what is due now; returns how many were taken. What is not taken comes again by itself, later."""
        parcels = await asyncio.to_thread(self._store.due_parcels, most)
        told = await asyncio.gather(*map(self._tell, parcels), return_exceptions=True)
        for each in told:  # once all have ended
            if isinstance(each, BaseException):
                raise each
        return sum(each is True for each in told)

    async def _tell(self, parcel: Parcel) -> bool:
        secret = self._secret(parcel.tenant)
        if secret is None:
            return False
        body = body_of(parcel)
        seconds = await asyncio.to_thread(self._store.now) // 1000
        try:
            status = await self._post(parcel, headers_of(parcel, key_of(secret), seconds, body), body)
        except CellError:  # the address must not be called, or does not answer
            return False
        except Exception as error:  # noqa: BLE001 - what one address brings about keeps nobody else from being told
            log.error("A webhook could not be sent.", extra={"job": parcel.job, "error": type(error).__name__})
            return False
        if not 200 <= status < 300:
            return False
        await asyncio.to_thread(self._store.delivered, parcel.event)
        return True
