"""Puts a studio's questions to the keeper, over TLS to a name and an authority that the settings give."""

from __future__ import annotations

import ssl
from typing import Any, Final

import httpx

from policies.errors import Malformed
from serving.errors import Refused, Unavailable
from serving.secret import read_secret
from serving.settings import Keeper

__all__ = ["KeeperAsk"]

MOST_ANSWER: Final = 1 << 16  # bytes
LINES: Final = httpx.Limits(max_connections=64, max_keepalive_connections=16)


class KeeperAsk:
    """See `serving.cluster.remote.Ask`. Thread-safe; a call is made once and never tried again here."""

    def __init__(self, settings: Keeper) -> None:
        """Raises Refused for settings that name no keeper."""
        if settings.token is None or settings.authority is None or not settings.address:
            raise Refused("keeper.address, keeper.authority and keeper.token are missing; studios here need all three.")
        self._headers = {"authorization": f"Bearer {read_secret(settings.token).decode('ascii')}"}
        self._client = httpx.Client(
            base_url=settings.address,
            verify=ssl.create_default_context(cafile=settings.authority),
            limits=LINES,
            trust_env=False,
        )

    def __call__(self, method: str, *given: bytes, patience: float) -> Any:
        """What the recorder gives. Raises Malformed for what it does not take, Unavailable for all else."""
        body = given[0] if given else b""
        try:
            with self._client.stream(
                "POST", f"/{method}", content=body, headers=self._headers, timeout=patience
            ) as response:
                return _answer(response)
        except httpx.HTTPError as error:
            raise Unavailable(f"The keeper does not answer ({type(error).__name__}).") from None

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


def _answer(response: httpx.Response) -> Any:
    if response.status_code == 422:
        raise Malformed("The keeper does not take this entry. Both must run the same version.")
    if response.status_code != 200:
        raise Unavailable(f"The keeper answers {response.status_code}.")
    body = b""
    for piece in response.iter_bytes():
        body += piece
        if len(body) > MOST_ANSWER:
            raise Unavailable("The keeper's answer is too long.")
    return httpx.Response(200, content=body).json()
