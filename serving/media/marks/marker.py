"""Marks films on their way out: label, watermark in picture and sound, MP4, C2PA. What fails here is not delivered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from model.clip import Film
from serving.jobs.job import Job
from serving.media.marks.c2pa import Ingredient, Residency, Signed, sign
from serving.media.marks.certificate import Credential
from serving.media.marks.label import label
from serving.media.marks.marking import ALGORITHM, VERSION, FilmMarking
from serving.media.marks.payload import chips_of, pid_of
from serving.media.marks.seal import seal
from serving.media.marks.watermark_sound import mark_sound
from serving.media.marks.watermark_video import mark_frames
from serving.order import Order, Piece
from serving.studio.marker import Delivery, Form, Seen
from serving.wish import Role

__all__ = ["ALGORITHM", "VERSION", "CellMarker", "Fetch", "request_digest"]

Fetch = Callable[[Piece], bytes]  # a piece's body, from the cell's own store

TITLES: Final = {Role.FIRST_FRAME: "first frame", Role.REFERENCE: "reference", Role.SOURCE: "source"}


def request_digest(job: str) -> str:
    """What a film's manifest says of its request: SHA-256, hexadecimal, of the id that the log has."""
    return sha256(f"r-{job}".encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class CellMarker:
    """The marker of one cell. `deliver` may be called from many threads."""

    key: bytes  # of the watermarks
    credential: Credential
    fetch: Fetch
    origin: str  # of the log
    cell: str
    jurisdiction: str
    timestamps: str = ""  # address of a time-stamping authority; empty asks nobody

    def begin(self, form: Form, job: Job, order: Order, seen: Seen = lambda _: None) -> FilmMarking:
        """See `Marker`. Raises BadSize for a size that cannot be encoded."""

        def signed(body: bytes) -> Signed:
            return self.sign(body, job.id, self._ingredients(order.pieces))

        return FilmMarking(
            form,
            self.key,
            pid_of(self.key, job.id),
            signed,
            self.credential.digest,
            labelled=order.wish.watermark,
            seen=seen,
        )

    def deliver(self, film: Film, job: Job, order: Order) -> Delivery:
        """A film that is whole already. Raises whatever goes wrong; then there is no delivery."""
        marking = self.begin(Form(size=film.size, fps=film.fps, rate=film.rate), job, order)
        marking.add(film.frames)
        return marking.deliver(film.sound)

    def watermark(self, film: Film, pid: str, *, labelled: bool = False) -> Film:
        """The film with the invisible marks, and the visible one if it is wanted."""
        chips = chips_of(self.key, pid)
        frames = label(film.frames) if labelled else film.frames
        return replace(
            film,
            frames=mark_frames(frames, film.fps, chips, self.key),
            sound=mark_sound(film.sound, film.rate, chips, self.key),
        )

    def sign(self, body: bytes, job: str, ingredients: Sequence[Ingredient] = ()) -> Signed:
        """An encoded film with its manifest. Raises Broken when it cannot be signed."""
        by = seal if ingredients else sign  # what strangers sent is parsed in a process of its own
        residency = Residency(
            origin=self.origin, request=request_digest(job), cell=self.cell, jurisdiction=self.jurisdiction
        )
        return by(
            body,
            self.credential,
            residency=residency,
            pid=pid_of(self.key, job),
            ingredients=ingredients,
            timestamps=self.timestamps,
        )

    def _ingredients(self, pieces: Sequence[Piece]) -> list[Ingredient]:
        return [Ingredient(TITLES[piece.role], self.fetch(piece)) for piece in pieces]
