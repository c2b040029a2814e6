"""Marks on every film: a signed manifest, and a watermark that outlives it."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime

from serving.errors import Broken
from serving.ledger import Book
from serving.media.marks.c2pa import Inspected, Standing, inspect
from serving.media.marks.certificate import Credential, development, from_files
from serving.media.marks.detect import Found, detect
from serving.media.marks.marker import CellMarker, Fetch
from serving.media.marks.payload import pid_of
from serving.media.store import Key, Objects, Stored, open_objects
from serving.order import Piece
from serving.secret import draw_secret, read_secret
from serving.settings import CellSettings

__all__ = [
    "CellMarker",
    "Credential",
    "Found",
    "Inspected",
    "Standing",
    "credential",
    "detect",
    "development",
    "fetch_from",
    "from_files",
    "inspect",
    "open_marker",
    "pid_of",
    "watermark_key",
]


def open_marker(settings: CellSettings, ledger: Book, fetch: Fetch | None = None) -> CellMarker:
    """The cell's marker; draws at the first start what the settings do not name.

    `fetch` reads a piece of media; by default from the cell's own store, where nothing is sealed. Raises Refused for a
    certificate, key or secret that cannot be used: a cell that cannot mark does not start.
    """
    return CellMarker(
        key=watermark_key(settings),
        credential=credential(settings),
        fetch=fetch or _from_store(settings),
        origin=ledger.origin,
        cell=settings.cell.name,
        jurisdiction=settings.cell.jurisdiction,
        timestamps=settings.marks.timestamps,
    )


def watermark_key(settings: CellSettings) -> bytes:
    """The secret that this cell's watermarks depend on. Raises Refused as `read_secret` does."""
    named = settings.marks.watermark
    return read_secret(named) if named else draw_secret(settings.folders.state / "watermark", secrets.token_bytes)


def credential(settings: CellSettings) -> Credential:
    """Who signs this cell's films. Raises Refused for a certificate or key that cannot be used."""
    marks = settings.marks
    if marks.certificate is not None and marks.key is not None:
        return from_files(marks.certificate, marks.key)
    return development(settings.folders.state / "marks", settings.cell.name, datetime.now(UTC))


def fetch_from(objects: Objects) -> Fetch:
    """Reads pieces in the thread that marks, which has no event loop of its own."""

    def fetch(piece: Piece) -> bytes:
        return asyncio.run(_get(objects, piece))

    return fetch


def _from_store(settings: CellSettings) -> Fetch:
    hidden = {name: read_secret(path).decode() for name, path in settings.objects.secrets.items()}
    return fetch_from(open_objects(settings.objects_url, {**settings.objects.options, **hidden}))


async def _get(objects: Objects, piece: Piece) -> bytes:
    body = await objects.get(Stored(key=Key(piece.key), bytes=piece.bytes, sha256=piece.sha256))
    if len(body) != piece.bytes:
        raise Broken("A piece of media is not as long as it was. Look at the store's disks.")
    return body
