"""The composition root: makes every part of one cell from its settings. Nothing is made anywhere else.

A gateway and a studio may live in one process or in many; each process makes the parts that it needs.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from policies.log.shards import Series
from policies.shelf import Shelf
from policies.tenants.admission import Admitted, Rejected, admit
from policies.tenants.folder import open_books
from policies.tenants.registrar import Registrar
from policies.tenants.tenant import Instant
from serving.attest import attest
from serving.dialects.grants import Hmac
from serving.dialects.origin import Origin
from serving.errors import Refused
from serving.gate import Pen, Place
from serving.jobs.rules import Rules
from serving.jobs.sql.store import SqlStore, open_store
from serving.ledger import Book, Ledger, open_ledger, witness_lines
from serving.media.links import LinkKey, Links
from serving.media.room import RoomyObjects
from serving.media.store import Objects, open_objects
from serving.rulebook import Rulebook
from serving.sealed.keys import CellKey, Keyring
from serving.sealed.objects import SealedObjects
from serving.secret import draw_secret, read_secret
from serving.settings import MIB, CellSettings
from serving.telemetry.jobs import heard_of_jobs, heard_of_objects
from serving.telemetry.opened import Watch, open_watch
from serving.telemetry.watched import WatchedPen, watched

if TYPE_CHECKING:
    from model.checkpoint import Model
    from model.engine import Engine
    from serving.studio.studio import Studio

__all__ = ["Parts", "build", "database", "engine", "now_ms", "object_options", "own_ledger", "studio"]

HOUR: Final = 3_600_000  # milliseconds
NO_EGRESS: Final = sha256(b"equerry/egress/none-declared").hexdigest()  # the cell knows of no egress policy around it


def now_ms() -> int:
    """Milliseconds since 1970 UTC, by this machine's clock."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a process of a cell works with. `close` lets go of everything, in the right order."""

    settings: CellSettings
    store: SqlStore
    objects: Objects
    keyring: Keyring | None  # where nothing is sealed, or ever was
    books: Registrar
    ledger: Book
    rulebook: Rulebook
    links: Links
    signer: Hmac
    place: Place
    watch: Watch
    _stack: ExitStack

    @property
    def pen(self) -> Pen:
        """What coroutines write the residency log with."""
        return WatchedPen(self.ledger.pen, self.watch.eyes)

    @property
    def origin(self) -> Origin:
        """Where clients find the cell."""
        return Origin(self.settings.cell.origin)

    def admit(self, text: str) -> Admitted | Rejected:
        """What a key opens now."""
        return admit(text, store=self.books.store, pepper=self.books.pepper, now=Instant(now_ms()))

    def close(self) -> None:
        """Let go of files, connections and locks."""
        self._stack.close()


def build(settings: CellSettings, ledger: Book | None = None, watch: Watch | None = None) -> Parts:
    """All parts. Raises what keeps the cell from starting, and then leaves nothing open.

    Without a `ledger` this process opens the residency log itself, and is its one writer. A `watch` that is given is
    closed by whoever has opened it.
    """
    with ExitStack() as stack:
        evidence = attest(settings.cell, settings.attest, secrets.token_bytes(32), now_ms() // 1000)
        state = settings.folders.state
        _folder(state)
        _folder(settings.folders.scratch)
        if watch is None:
            watch = open_watch(settings)
            stack.callback(watch.close)
        store = open_store(database(settings), _rules(settings), connections=settings.database.connections)
        stack.callback(store.close)
        keyring = _keyring(settings, store)
        books = open_books(settings.policies.tenants.parent, secrets.token_bytes)
        stack.callback(books.store.close)
        if books.store.cell.name != settings.cell.name:
            raise Refused(f"The tenants' folder belongs to {books.store.cell.name}; this cell is {settings.cell.name}.")
        ledger = ledger or own_ledger(settings)
        stack.callback(ledger.close)
        region = f"{settings.cell.provider}/{settings.cell.region}"
        rulebook = Rulebook(
            _shelf(settings),
            books.store,
            region,
            now=now_ms,
            archive=ledger.archive,
            tell=ledger.tell,
            evidence=evidence,
        )
        rulebook.first()
        place = Place(cell=settings.cell.name, region=region, evidence=evidence, egress=NO_EGRESS, accelerator="cpu")
        return Parts(
            settings=settings,
            store=watched(store, "store", watch.eyes, heard_of_jobs(watch.eyes)),
            objects=watched(
                RoomyObjects(
                    _objects(settings, keyring), store, most=settings.limits.stored * MIB, draw=secrets.token_bytes
                ),
                "objects",
                watch.eyes,
                heard_of_objects(watch.eyes),
            ),
            keyring=keyring,
            books=books,
            ledger=ledger,
            rulebook=rulebook,
            links=Links(settings.cell.name, _link_keys(settings)),
            signer=Hmac([draw_secret(state / "grants", secrets.token_bytes)]),
            place=place,
            watch=watch,
            _stack=stack.pop_all(),
        )


def own_ledger(settings: CellSettings) -> Ledger:
    """The residency log, opened for writing. Raises Refused when another process writes it."""
    series = Series(
        root=settings.log.folder,
        keys=settings.folders.state / "log-keys",
        domain=settings.log.domain,
        cell=settings.cell.name,
        kind="residency",
    )
    told = witness_lines(settings.log.witness_keys)
    return open_ledger(series, now=now_ms, rng=os.urandom, linger=settings.log.batch / 1000, witnesses=told)


def studio(parts: Parts, model: Model, engine: Engine) -> Studio:
    """The hands of an engine, which work for this cell."""
    from model.generate import Generator
    from model.make import Maker
    from serving.media.marks import fetch_from, open_marker
    from serving.studio.codes import UNSEALED
    from serving.studio.studio import Habits, Studio

    s, j = parts.settings, parts.settings.jobs
    return Studio(
        f"{s.cell.name}-{secrets.token_hex(4)}",
        store=parts.store,
        objects=parts.objects,
        engine=engine,
        maker=Maker(Generator(model)),
        marker=open_marker(s, parts.ledger, fetch_from(_objects(s, parts.keyring))),
        judge=parts.rulebook.judge,
        pen=parts.pen,
        place=parts.place,
        now=now_ms,
        images=s.media.images,
        films=s.media.films,
        habits=Habits(most=s.engine.batch, beat_s=j.heartbeat, keep_ms=round(j.retention * HOUR)),
        eyes=parts.watch.eyes,
        model=s.engine.model if s.engine.model in ("pony", "horse") else "own",
        seals=parts.keyring or UNSEALED,
    )


def engine(settings: CellSettings, model: Model) -> Engine:
    """The engine that the settings name."""
    from model.engines.loop import EngineLoop

    e = settings.engine
    if e.kind == "torch":
        from model.engines.torch_stepper import TorchStepper

        return EngineLoop(lambda: TorchStepper(model, room=e.batch), model.config)
    from model.cli import find
    from model.engines.vllm_stepper import VllmSettings, VllmStepper

    told = VllmSettings(
        weights=str(find(e.model)),
        ranks=e.tensor_parallel,
        cache_bytes=e.kv_memory << 20,
        films=e.batch,
        compiled=e.compile,
        separate=e.own_process and e.tensor_parallel == 1,
        stats=settings.telemetry.metrics or bool(settings.telemetry.otlp),
        threads=e.threads,
    )
    return EngineLoop(lambda: VllmStepper(told, model.config), model.config)


def _folder(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"{path} cannot be made ({error.strerror}). Name another folder, or make it yourself.") from None


def database(settings: CellSettings) -> str:
    if settings.database.url == "sqlite":
        return f"sqlite:///{(settings.folders.state / 'jobs.sqlite').absolute()}"
    if settings.database.password is None:
        return settings.database.url
    from sqlalchemy import make_url

    password = read_secret(settings.database.password).decode()
    return make_url(settings.database.url).set(password=password).render_as_string(hide_password=False)


def _rules(settings: CellSettings) -> Rules:
    j = settings.jobs
    return Rules(
        lease_ms=round(j.lease * 1000),
        most_attempts=j.attempts,
        keep_key_ms=round(j.keep_keys * HOUR),
        webhook_tries=settings.webhooks.tries,
    )


def object_options(settings: CellSettings) -> dict[str, str]:
    """Options of the objects' store, secrets among them."""
    hidden = {name: read_secret(path).decode() for name, path in settings.objects.secrets.items()}
    return {**settings.objects.options, **hidden}


def _keyring(settings: CellSettings, store: SqlStore) -> Keyring | None:
    """Keys for what is sealed, or was: without them a cell that seals no more would hand out what nobody can read."""
    if not (settings.objects.sealed or store.has_data_keys()):
        return None
    named = [read_secret(path) for path in settings.objects.sealing_keys]
    secrets_ = named or [draw_secret(settings.folders.state / "sealing", secrets.token_bytes)]
    wrap = CellKey(secrets_, secrets.token_bytes)
    return Keyring(
        settings.cell.name, store, wrap, draw=secrets.token_bytes, clock=lambda: time.monotonic_ns() // 10**6
    )


def _objects(settings: CellSettings, keyring: Keyring | None) -> Objects:
    plain = open_objects(settings.objects_url, object_options(settings))
    return plain if keyring is None else SealedObjects(plain, keyring, seals=settings.objects.sealed)


def _shelf(settings: CellSettings) -> Shelf:
    p = settings.policies
    return Shelf(catalogue=p.catalogue, lists=p.lists, trust=p.trust, overlays=p.overlays, policy=p.bundle)


def _link_keys(settings: CellSettings) -> tuple[LinkKey, ...]:
    named = tuple(LinkKey(path.stem, read_secret(path)) for path in settings.media.link_keys)
    return named or (LinkKey("own", draw_secret(settings.folders.state / "links", secrets.token_bytes)),)
