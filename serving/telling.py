"""Telling clients of an end, as a cell's settings say: whom it calls, how it signs, and how long it tries."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Final

from serving.jobs.post import GuardedPost
from serving.jobs.store import Store
from serving.jobs.webhooks import PREFIX, Courier, key_of
from serving.media.guard import read_address
from serving.secret import draw_secret, read_secret
from serving.settings import CellSettings

__all__ = ["Vet", "courier", "vet"]

DRAWN: Final = "webhook"  # in the state folder: the secret that receivers check signatures with
Vet = Callable[[str], object]  # raises BadField for an address that this cell does not call


def courier(settings: CellSettings, store: Store, draw: Callable[[int], bytes]) -> Courier | None:
    """Who takes notes to clients; None while webhooks are off. Raises Refused for a secret that is none."""
    hooks = settings.webhooks
    if not hooks.on:
        return None
    path = hooks.secret or settings.folders.state / DRAWN
    secret = (read_secret(path) if hooks.secret else draw_secret(path, draw, spell=_spelt)).decode("ascii", "replace")
    key_of(secret)
    reach = settings.webhook_reach
    return Courier(store, lambda _: secret, GuardedPost(lambda _: reach, whole_s=hooks.seconds))


def vet(settings: CellSettings) -> Vet | None:
    """What judges an address when a film is asked for, so that nobody waits for a note that never comes."""
    reach = settings.webhook_reach
    return (lambda address: read_address(address, "webhook", reach)) if settings.webhooks.on else None


def _spelt(secret: bytes) -> bytes:
    return PREFIX.encode() + base64.b64encode(secret)
