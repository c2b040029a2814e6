"""A manifest that C2PA's library has made once, and what differs from film to film in it.

A film's manifest is 13 kB, of which a request, two names, a few digests and the signature are its own. The library
takes two milliseconds to write all of it anew, and a few hundredths of that pass while these are written over.

Nothing here knows how a manifest is written. Its places are found by what the library has written there, and a blank
that does not give the library's own bytes when it is filled with the library's own values is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from serving.media.marks.boxes import HEAD, Box, Unfamiliar, boxes, make_room

__all__ = ["NOBODY", "SAMPLE", "Blank", "Draw", "Filled", "read_blank"]

Draw = Callable[[int], bytes]  # so many random bytes
Sign = Callable[[bytes], bytes]  # as `certificate.Sign`

LABEL: Final = b"urn:c2pa:"  # begins a manifest's name, and
INSTANCE: Final = b"xmp.iid:"  # a film's
NAME: Final = 36  # letters of a UUID behind either
SALT: Final = b"\0\0\0\x18c2sh"  # begins the random bytes that hide what an assertion says from who knows its digest
HALF: Final = 32  # bytes of each of a signature's two numbers


def _box(kind: bytes, *inside: bytes) -> bytes:
    body = b"".join(inside)
    return (HEAD + len(body)).to_bytes(4, "big") + kind + body


#: The least film that the library signs: kind, an index of one chunk, and a byte.
SAMPLE: Final = b"".join((
    _box(b"ftyp", b"isom", bytes(4), b"isom"),
    _box(b"moov", _box(b"trak", _box(b"mdia", _box(b"minf", _box(b"stbl", _box(b"stco", bytes(7), b"\1", bytes(4))))))),
    _box(b"mdat", b"\0"),
))  # fmt: skip
_BYTES: Final = bytes(range(1, 2 * HALF + 1))
#: A signature that is nobody's, in DER, under which a blank is made.
NOBODY: Final = encode_dss_signature(int.from_bytes(_BYTES[:HALF], "big"), int.from_bytes(_BYTES[HALF:], "big"))


@dataclass(frozen=True, slots=True)
class Filled:
    """A film with its manifest in it."""

    body: bytes
    store: bytes  # the manifest alone


@dataclass(frozen=True, slots=True)
class _Assertion:
    """What the claim vouches for by its digest."""

    start: int
    end: int
    digest: int  # where that stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Blank:
    """A manifest in the box that carries it through a film, and the places in that which are a film's own."""

    box: bytes
    store: int  # from where on the box is the manifest alone
    asked: bytes  # what a signature is asked for, up to the claim
    claim: slice
    labels: tuple[int, ...]
    instance: int
    salts: tuple[int, ...]
    request: slice
    pid: slice
    digest: int
    assertions: tuple[_Assertion, ...]
    signature: int

    def fill(self, body: bytes, *, request: str, pid: str, sign: Sign, draw: Draw) -> Filled:
        """An MP4 with the manifest of a request and a watermark, whose texts are as long as in the blank.

        Raises Unfamiliar for an MP4 that is to be left to the library, and whatever `sign` raises.
        """
        film, out = make_room(body, len(self.box)), bytearray(self.box)
        for place, text in self._texts(film.digest, draw):
            out[place : place + len(text)] = text
        for room, text in ((self.request, request.encode()), (self.pid, pid.encode())):
            if len(text) != room.stop - room.start:
                raise Unfamiliar(f"{len(text)} letters in room for {room.stop - room.start}")
            out[room] = text
        for each in self.assertions:
            out[each.digest : each.digest + 32] = sha256(out[each.start : each.end]).digest()
        r, s = decode_dss_signature(sign(self.asked + out[self.claim]))
        out[self.signature : self.signature + 2 * HALF] = r.to_bytes(HALF, "big") + s.to_bytes(HALF, "big")
        return Filled(film.filled(out), bytes(out[self.store :]))

    def _texts(self, digest: bytes, draw: Draw) -> Iterator[tuple[int, bytes]]:
        label = _name(draw)
        yield from ((place, label) for place in self.labels)
        yield self.instance, _name(draw)
        yield from ((place, draw(16)) for place in self.salts)
        yield self.digest, digest


def read_blank(signed: bytes, asked: bytes, *, request: str, pid: str) -> Blank:
    """From what the library has made of SAMPLE, asking a signature of `asked` and given NOBODY's.

    `request` and `pid` are what it was told. Raises Unfamiliar when anything is not where it is looked for.
    """
    _, carrier, *_ = boxes(signed, 0, len(signed))
    box = signed[carrier.start : carrier.end]
    store = box.find(b"jumb") - 4
    *_, manifest = boxes(box, store + HEAD, len(box))
    _, assertions, claim, _ = boxes(box, manifest.inside, manifest.end)
    _, said = boxes(box, claim.inside, claim.end)
    if not asked.endswith(box[said.inside : said.end]):
        raise Unfamiliar("a signature of something else than the claim")
    _, *each = boxes(box, assertions.inside, assertions.end)
    blank = Blank(
        box=box,
        store=store,
        asked=asked[: len(asked) - (said.end - said.inside)],
        claim=slice(said.inside, said.end),
        labels=_names(box, LABEL),
        instance=_only(box, INSTANCE) + len(INSTANCE),
        salts=tuple(_only(box, SALT, one) + len(SALT) for one in each),
        request=_room(box, request),
        pid=_room(box, pid),
        digest=_only(box, make_room(SAMPLE, len(box)).digest),
        assertions=tuple(_Assertion(one.inside, one.end, _digest(box, one, said)) for one in each),
        signature=_only(box, _BYTES),
    )
    _try(blank, signed, asked, request, pid)
    return blank


def _try(blank: Blank, signed: bytes, asked: bytes, request: str, pid: str) -> None:
    """Fills a blank with the library's own values."""
    names = [_uuid(blank.box, place) for place in (blank.labels[0], blank.instance)]
    drawn = iter([*names, *(blank.box[place : place + 16] for place in blank.salts)])
    heard: list[bytes] = []

    def sign(data: bytes) -> bytes:
        heard.append(data)
        return NOBODY

    made = blank.fill(SAMPLE, request=request, pid=pid, sign=sign, draw=lambda _: next(drawn))
    if made.body != signed or heard != [asked]:
        raise Unfamiliar("a manifest that cannot be made again")


def _only(box: bytes, text: bytes, within: Box | None = None) -> int:
    """Where a text stands that may stand there once."""
    start, end = (within.start, within.end) if within else (0, len(box))
    if box.count(text, start, end) != 1:
        raise Unfamiliar(f"{box.count(text, start, end)} places where one should be")
    return box.index(text, start, end)


def _room(box: bytes, text: str) -> slice:
    place = _only(box, text.encode())
    return slice(place, place + len(text.encode()))


def _names(box: bytes, before: bytes) -> tuple[int, ...]:
    places, place = [], box.find(before)
    while place >= 0:
        places.append(place + len(before))
        place = box.find(before, place + 1)
    return tuple(places)


def _digest(box: bytes, assertion: Box, claim: Box) -> int:
    return _only(box, sha256(box[assertion.inside : assertion.end]).digest(), claim)


def _name(draw: Draw) -> bytes:
    return str(UUID(bytes=draw(16), version=4)).encode()


def _uuid(box: bytes, place: int) -> bytes:
    return UUID(box[place : place + NAME].decode()).bytes
