"""A film as an HTTP answer: whole, one range of it, or its headers alone (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from serving.desk import Content

__all__ = ["Read", "Unsatisfiable", "film_response", "slice_of"]

Read = Callable[[Content, int, int], AsyncIterator[bytes]]  # bytes start..end-1
_RANGE: Final = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*")
_ENDINGS: Final = {"video/mp4": "mp4", "image/webp": "webp", "image/jpeg": "jpg", "image/png": "png"}


class Unsatisfiable(ValueError):
    """The range begins behind the end."""


def slice_of(header: str | None, total: int) -> tuple[int, int] | None:
    """First byte and the byte after the last; None for all of it, also when the header asks for several ranges.

    Raises Unsatisfiable.
    """
    found = _RANGE.fullmatch(header) if header else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = total - min(total, int(found[2])), total
    else:
        start, end = int(found[1]), min(total, int(found[2]) + 1 if found[2] else total)
        if found[2] and int(found[2]) < start:
            return None  # no valid range: the header is ignored
    if start >= total or start >= end:
        raise Unsatisfiable
    return start, end


def film_response(request: Request, content: Content, read: Read, name: str) -> Response:
    """200, 206, 304 or 416; `name` is that of the file, without its ending. HEAD gets the headers alone."""
    etag = f'"{content.sha256}"'
    headers = {
        "accept-ranges": "bytes",
        "etag": etag,
        "cache-control": "private, no-transform",
        "vary": "Authorization",
    }
    if _named(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    header = request.headers.get("range")
    if request.headers.get("if-range", etag) != etag:
        header = None
    try:
        part = slice_of(header, content.bytes)
    except Unsatisfiable:
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{content.bytes}"})
    start, end = part or (0, content.bytes)
    if part is not None:
        headers["content-range"] = f"bytes {start}-{end - 1}/{content.bytes}"
    headers["content-length"] = str(end - start)
    headers["content-disposition"] = f'attachment; filename="{name}.{_ENDINGS.get(content.mime, "bin")}"'
    headers["x-content-type-options"] = "nosniff"
    status = 200 if part is None else 206
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=content.mime)
    return StreamingResponse(read(content, start, end), status, headers, content.mime)


def _named(header: str | None, etag: str) -> bool:
    return header is not None and (
        header.strip() == "*" or etag in [each.strip().removeprefix("W/") for each in header.split(",")]
    )
