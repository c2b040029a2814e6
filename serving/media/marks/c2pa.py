"""C2PA manifests: what a film says of itself, signed, and what still holds of it when somebody reads it.

What may surprise:

* The library is told never to call anybody: no manifest by address, no revocation list. An ingredient is a client's
  file, and must not make the cell look at an address.
* There are no thumbnails: they would carry a client's picture into the film's file.
* A manifest that came with an ingredient goes into the film's, signature and all, valid or not; readers see which.
* Titles are what an ingredient is for. A file's name is the client's, and stays out.
* The library does not read a film again that it has just signed. What can go wrong there is the signature, since a KMS
  makes it, and that is checked here.
* The library writes one manifest in a process, and others are that one with a film's own values in it; see
  `serving.media.marks.blank`. Manifests with ingredients or a time stamp are the library's, each of them.
"""

from __future__ import annotations

import io
import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from secrets import token_bytes
from typing import Any, Final

import c2pa

from serving.errors import BadMedia, Broken
from serving.media.marks.blank import NOBODY, SAMPLE, Blank, read_blank
from serving.media.marks.boxes import Unfamiliar
from serving.media.marks.certificate import Credential, Sign, checked, expires
from serving.media.marks.padding import is_empty

__all__ = ["Ingredient", "Inspected", "Residency", "Signed", "Standing", "inspect", "sign", "try_ingredient"]

log = logging.getLogger(__name__)

MP4: Final = "video/mp4"
GENERATED: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
RESIDENCY: Final = "org.equerry.residency"
WATERMARK: Final = "org.equerry.watermark.1"
PADDED: Final = "org.equerry.paddingNotEmpty"  # no code of C2PA's names it
ALONE: Final[dict[str, Any]] = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": False},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Residency:
    """From a film to its record: which log has it, and for which request."""

    origin: str  # of the log
    request: str  # SHA-256 of the request's id as the log spells it, hexadecimal
    cell: str
    jurisdiction: str


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A piece of media that a film was made from."""

    title: str  # what it is for, such as `first frame`
    body: bytes


@dataclass(frozen=True, slots=True)
class Signed:
    """A film with its manifest in it."""

    body: bytes
    manifest: str  # SHA-256 of the manifest store, hexadecimal


class Standing(StrEnum):
    """What holds of a film's manifest."""

    NONE = "none"  # there is no manifest
    INVALID = "invalid"  # the film or the manifest was changed
    VALID = "valid"  # nothing was changed since it was signed, by whom nobody knows
    TRUSTED = "trusted"  # the same, and a given anchor vouches for the signer


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What a film's manifest says, and whether it holds."""

    standing: Standing
    problems: tuple[str, ...] = ()  # C2PA's codes of failure, such as assertion.bmffHash.mismatch
    generated: bool = False  # it is called made by a trained model
    residency: Residency | None = None
    pid: str = ""  # of the watermark that was put in
    ingredients: tuple[str, ...] = ()  # titles of what it was made from
    manifests: int = 0  # the film's own and those of its ingredients


def sign(
    body: bytes,
    credential: Credential,
    *,
    residency: Residency,
    pid: str,
    ingredients: Sequence[Ingredient] = (),
    timestamps: str = "",
    now: Callable[[], float] = time.time,
) -> Signed:
    """An MP4 with a signed manifest. Raises Broken when it cannot be signed; nothing must be delivered then.

    `timestamps` is the address of an RFC 3161 authority in this region, asked at each signature; empty asks nobody.
    `now` gives seconds since 1970.
    """
    if now() >= expires(credential.chain):  # a blank outlives the look that the library takes at the certificate
        raise Broken("The film cannot be signed: the certificate has expired. Renew marks.certificate.")
    key = _answering(checked(credential))
    blank = None if ingredients or timestamps else _kept_blank(credential.chain, replace(residency, request=""))
    if blank:
        try:
            filled = blank.fill(body, request=residency.request, pid=pid, sign=key, draw=token_bytes)
            return Signed(filled.body, sha256(filled.store).hexdigest())
        except Unfamiliar:
            pass  # the library knows more kinds of films
    made, manifest = _written(
        body, key, credential.chain, _definition(residency, pid, len(ingredients)), ingredients, timestamps
    )
    return Signed(made, sha256(manifest).hexdigest())


def _written(
    body: bytes, sign: Sign, chain: str, definition: dict[str, Any], ingredients: Sequence[Ingredient], timestamps: str
) -> tuple[bytes, bytes]:
    """By the library: film and manifest. Raises Broken when it cannot be signed."""
    out = io.BytesIO()
    try:
        with c2pa.Signer.from_callback(sign, c2pa.C2paSigningAlg.ES256, chain, timestamps or None) as signer:
            builder = c2pa.Builder(definition, _kept_context(os.getpid()))
            for number, each in enumerate(ingredients):
                _add(builder, number, each)
            manifest = builder.sign(signer, MP4, io.BytesIO(body), out)
    except c2pa.C2paError as error:
        raise Broken(f"The film cannot be signed ({type(error).__name__.strip('_')}). Check key and chain.") from None
    return out.getvalue(), manifest


def _answering(sign: Sign) -> Sign:
    """The same, which raises Broken whatever goes wrong: a KMS may fail in its own ways."""

    def answered(data: bytes) -> bytes:
        try:
            return sign(data)
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing must be delivered
            name = type(error).__name__
            raise Broken(f"The film cannot be signed ({name}). Check key and chain, or the KMS.") from None

    return answered


@lru_cache(maxsize=4)
def _kept_blank(chain: str, residency: Residency) -> Blank | None:
    """A cell's films differ in their requests alone. None when the library writes what nothing here can fill in.

    Raises Broken when the library would not sign by such a certificate.
    """
    heard: list[bytes] = []

    def sign(data: bytes) -> bytes:
        heard.append(data)
        return NOBODY

    own = replace(residency, request="e1" * 32)
    made, _ = _written(SAMPLE, sign, chain, _definition(own, "e2" * 6, 0), (), "")
    try:
        return read_blank(made, heard[0], request=own.request, pid="e2" * 6)
    except (ValueError, IndexError) as error:
        log.warning("Manifests are written one by one, which takes longer.", extra={"error": type(error).__name__})
        return None


def inspect(body: bytes, anchors: str = "") -> Inspected:
    """What an MP4 says of its origin and whether it holds; `anchors` are the authorities that are trusted, in PEM.

    Raises BadMedia for bytes that are no MP4.
    """
    try:
        with _context(anchors) as context, c2pa.Reader(MP4, io.BytesIO(body), context=context) as reader:
            told: dict[str, Any] = json.loads(reader.json())
            return _inspected(told, padded=not is_empty(body))
    except c2pa.C2paError.ManifestNotFound:
        return Inspected(standing=Standing.NONE)
    except c2pa.C2paError as error:
        if body[4:8] == b"ftyp":  # the manifest's own bytes are broken
            return Inspected(standing=Standing.INVALID, problems=(_code(error),))
        raise BadMedia("film", "This is no MP4 that can be read. Send the film as it was delivered.") from None


def try_ingredient(body: bytes) -> None:
    """Reads a client's file as signing would, and keeps nothing. It belongs into a process that may die of it.

    Raises BadMedia for a file that no manifest could take in.
    """
    try:
        with _context() as context:
            _add(c2pa.Builder({"claim_generator_info": [{"name": "equerry"}]}, context), 0, Ingredient("trial", body))
    except c2pa.C2paError:
        raise BadMedia("media", "What this says of its origin cannot be read. Save it again without it.") from None


def _context(anchors: str = "") -> c2pa.Context:
    told = {**ALONE, "trust": {"trust_anchors": anchors}} if anchors else ALONE
    return c2pa.Context(settings=c2pa.Settings.from_dict(told))


@lru_cache(maxsize=1)
def _kept_context(_process: int) -> c2pa.Context:
    """The one of this process, for all its threads: a new one takes as long as half a signature."""
    return _context()


def _definition(residency: Residency, pid: str, ingredients: int) -> dict[str, Any]:
    created: dict[str, Any] = {"action": "c2pa.created", "digitalSourceType": GENERATED}
    if ingredients:
        created["parameters"] = {"ingredientIds": [_id(number) for number in range(ingredients)]}
    return {
        "claim_generator_info": [{"name": "equerry"}],
        "format": MP4,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [created]}},
            {"label": "c2pa.soft-binding", "data": {"alg": WATERMARK, "blocks": [{"scope": {}, "value": pid}]}},
            {"label": RESIDENCY, "data": _plain(residency)},
        ],
    }


def _plain(residency: Residency) -> dict[str, str]:
    return {name: getattr(residency, name) for name in Residency.__slots__}


def _id(number: int) -> str:
    return f"ingredient-{number}"


def _add(builder: c2pa.Builder, number: int, ingredient: Ingredient) -> None:
    """Adds an ingredient with its manifest. Raises BadMedia for a kind that no manifest can name."""
    told = {"title": ingredient.title, "relationship": "inputTo", "instance_id": _id(number)}
    builder.add_ingredient(told, _mime(ingredient.body), io.BytesIO(ingredient.body))


def _mime(body: bytes) -> str:
    """What the first bytes say. Kinds that C2PA cannot look into are named by what they are."""
    if body[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "video/quicktime" if body[8:12] == b"qt  " else MP4
    starts = {
        b"\x89PNG": "image/png",
        b"\xff\xd8\xff": "image/jpeg",
        b"GIF8": "image/gif",
        b"BM": "image/bmp",
        b"\x1a\x45\xdf\xa3": "video/webm",
    }
    if body[:4] == b"RIFF":
        return "video/avi" if body[8:12] == b"AVI " else "image/webp"
    return next((mime for start, mime in starts.items() if body.startswith(start)), "application/octet-stream")


def _inspected(told: dict[str, Any], *, padded: bool) -> Inspected:
    own = told["manifests"][told["active_manifest"]]
    said = {each["label"].partition("__")[0]: each["data"] for each in own.get("assertions", ())}
    actions = said.get("c2pa.actions.v2", {}).get("actions", ())
    failures = told.get("validation_results", {}).get("activeManifest", {}).get("failure", ())
    return Inspected(
        standing=Standing.INVALID if padded else Standing(told["validation_state"].lower()),
        problems=(*dict.fromkeys(each["code"] for each in failures), *([PADDED] if padded else [])),
        generated=any(each.get("digitalSourceType") == GENERATED for each in actions),
        residency=_residency(said.get(RESIDENCY)),
        pid=_pid(said.get("c2pa.soft-binding")),
        ingredients=tuple(each.get("title", "") for each in own.get("ingredients", ())),
        manifests=len(told["manifests"]),
    )


def _residency(said: object) -> Residency | None:
    if not isinstance(said, dict) or not all(isinstance(said.get(name), str) for name in Residency.__slots__):
        return None
    return Residency(**{name: said[name] for name in Residency.__slots__})


def _pid(said: object) -> str:
    if isinstance(said, dict) and said.get("alg") == WATERMARK and said.get("blocks"):
        return str(said["blocks"][0].get("value", ""))
    return ""


def _code(error: c2pa.C2paError) -> str:
    return type(error).__name__.strip("_")
