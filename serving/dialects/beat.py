"""A stream that is never silent for long: what stands between a cell and its client cuts connections that are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Final

__all__ = ["EVERY", "with_beats"]

EVERY: Final = 15.0  # seconds, as the specification of server-sent events advises


async def with_beats(parts: AsyncGenerator[bytes, None], beat: bytes, every: float = EVERY) -> AsyncIterator[bytes]:
    """The parts as they come, and a `beat` after each so many seconds without one. Closes what it was given."""
    async with aclosing(parts):
        coming: asyncio.Task[bytes | None] | None = None
        try:
            while True:
                coming = coming or asyncio.create_task(_next(parts))
                if not (await asyncio.wait({coming}, timeout=every))[0]:
                    yield beat
                    continue
                part, coming = coming.result(), None
                if part is None:
                    return
                yield part
        finally:
            if coming is not None:
                coming.cancel()
                with suppress(asyncio.CancelledError):
                    await coming


async def _next(parts: AsyncIterator[bytes]) -> bytes | None:
    return await anext(parts, None)
