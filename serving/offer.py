"""What a cell offers, from its settings: classes of service, price books, and admission over them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from model.config import ModelConfig
from policies.money import Currency
from policies.prices import PriceBook, load_prices, parse_prices
from policies.sla import Sla, load_sla, parse_sla
from policies.tenants.registrar import Registrar
from serving.admission import Admission, Offer
from serving.errors import Refused
from serving.gate import Pen
from serving.jobs.store import Store
from serving.media.store import Objects
from serving.meter.chores import Chores, Ways
from serving.sealed.keys import Keyring
from serving.settings import CellSettings
from serving.sla.work import work_of

__all__ = ["admission", "books_of", "chores", "offer_of", "sla_of"]

HOUR_MS = 3_600_000
MOST = 1 << 20  # bytes of one document


def admission(
    settings: CellSettings, store: Store, config: ModelConfig, *, hands: Callable[[], int]
) -> Admission | None:
    """The admission of one gateway; None where it is switched off. `hands` is how many jobs are made at once."""
    if not settings.sla.on:
        return None
    return Admission(
        store,
        offer_of(settings),
        work=work_of(config),
        hands=hands,
        clock=lambda: time.monotonic_ns() // 1_000_000,
    )


def offer_of(settings: CellSettings) -> Offer:
    """Raises Malformed for a document that is wrong, Refused for one that is not there."""
    return Offer(
        sla=sla_of(settings),
        books=books_of(settings),
        currency=Currency(settings.meter.currency),
        keep_ms=round(settings.jobs.retention * HOUR_MS),
        region=f"{settings.cell.provider}/{settings.cell.region}",
        first_ms_per_second=round(settings.sla.first_seconds * 1000),
    )


def chores(
    settings: CellSettings, store: Store, objects: Objects, pen: Pen, books: Registrar, keyring: Keyring | None = None
) -> Chores:
    """What the meter of this cell does from time to time."""
    ways = Ways(
        region=f"{settings.cell.provider}/{settings.cell.region}",
        sla=sla_of(settings),
        keep_ms=round(settings.limits.uploads_retention * HOUR_MS),
        on=settings.sla.on,
    )
    return Chores(store, objects, pen, lambda: [tenant.id for tenant in books.store.tenants()], ways, keyring)


def sla_of(settings: CellSettings) -> Sla:
    """The classes of service."""
    document = settings.sla.document
    return load_sla() if document is None else parse_sla(_text(document))


def books_of(settings: CellSettings) -> list[PriceBook]:
    """The price books."""
    return [parse_prices(_text(path)) for path in settings.meter.prices] or [load_prices()]


def _text(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST + 1)
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}). Name a file that is there in the settings.") from None
