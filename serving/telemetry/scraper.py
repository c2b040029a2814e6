"""Asks vLLM and Ray for their metrics, here or at an address of this machine, and keeps what passes till next time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import httpx
from prometheus_client import Metric as Family

from serving.telemetry.eyes import Eyes
from serving.telemetry.foreign import passed, sifted
from serving.telemetry.sieve import Tally

__all__ = ["Read", "Scraper"]

Read = Callable[[], list[Family]]
MOST: Final = 4 << 20  # bytes of one answer


class Scraper:
    """`run` until cancelled. A source that does not answer has no metrics until it does."""

    def __init__(
        self,
        sources: Mapping[str, str],
        eyes: Eyes,
        tally: Tally,
        *,
        seconds: float,
        every: float,
        here: Mapping[str, Read] | None = None,
    ) -> None:
        """`sources` are addresses by `vllm` and `ray`; each has `seconds` for an answer, `every` so many seconds.
        What is in this process is read from `here` instead."""
        self._sources, self._here = dict(sources), dict(here or {})
        self._eyes, self._tally, self._seconds, self._every = eyes, tally, seconds, every
        self._kept: dict[str, list[Family]] = {}

    def look_at(self, source: str, where: str | Read) -> None:
        """One more source, by its address or by what reads it here. Only before `run`, and not where settings name
        one."""
        if source in self._sources:
            return
        if isinstance(where, str):
            self._sources[source] = where
        else:
            self._here[source] = where

    def families(self) -> Iterator[Family]:
        """As they were last seen."""
        for families in list(self._kept.values()):
            yield from families

    async def run(self) -> None:
        """Looks at all sources in turn."""
        if not self._sources and not self._here:
            return
        async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=self._seconds) as client:
            while True:
                for source, read in self._here.items():
                    self._kept[source] = await asyncio.to_thread(self._look_here, source, read)
                for source, address in self._sources.items():
                    self._kept[source] = await self._look(client, source, address)
                await asyncio.sleep(self._every)

    def _look_here(self, source: str, read: Callable[[], list[Family]]) -> list[Family]:
        try:
            found = sifted(read(), source, self._tally)
        except Exception:  # noqa: BLE001 - a stranger's metrics may raise anything, and the watch must go on
            self._eyes.count("equerry.telemetry.scrapes", source=source, outcome="failed")
            return []
        self._eyes.count("equerry.telemetry.scrapes", source=source, outcome="ok")
        return found

    async def _look(self, client: httpx.AsyncClient, source: str, address: str) -> list[Family]:
        try:
            async with asyncio.timeout(self._seconds):
                text = await _read(client, address)
            found = await asyncio.to_thread(passed, text, source, self._tally)
        except (httpx.HTTPError, TimeoutError, ValueError):
            self._eyes.count("equerry.telemetry.scrapes", source=source, outcome="unavailable")
            return []
        self._eyes.count("equerry.telemetry.scrapes", source=source, outcome="ok")
        return found


async def _read(client: httpx.AsyncClient, address: str) -> str:
    """The text of an answer. Raises ValueError for one that is too long or not 200."""
    body = bytearray()
    async with client.stream("GET", address, headers={"accept": "text/plain"}) as answer:
        if answer.status_code != httpx.codes.OK:
            raise ValueError("no metrics there")
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > MOST:
                raise ValueError("too many metrics")
    return body.decode()
