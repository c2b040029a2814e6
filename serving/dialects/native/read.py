"""From the native API's JSON to a Wish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from model.clip import Mode, Size
from serving.dialects.fields import Fields, text
from serving.dialects.media import from_text
from serving.dialects.modes import Brought, settle
from serving.dialects.names import NAMES, Names, look_up
from serving.dialects.native.shapes import JobAsked, Media
from serving.dialects.sizes import read_size
from serving.errors import BadField, BadType, Missing
from serving.wish import Audio, Given, Role, Wish

__all__ = ["read"]

DEFAULT_SIZE: Final = Size(1280, 720)
DEFAULT_SECONDS: Final = 4


def read(body: Fields, *, key: str | None = None, names: Names = NAMES) -> Wish:
    """POST /v1/jobs. Raises UnknownModel, Missing, BadType, BadField, BadMedia."""
    try:
        asked = JobAsked.model_validate(body)
    except ValidationError as error:
        raise _first(error) from None
    name = look_up(asked.model, names)
    if not asked.prompt.strip():
        raise Missing("prompt", "prompt is blank. Say what the film shows.")
    mode, media = settle(name, _brought(asked), "image", "source")
    follows = mode in (Mode.EDIT, Mode.EXTEND, Mode.I2V)
    size = read_size(asked.size) if asked.size else None
    seconds = asked.seconds if asked.seconds is not None or mode is Mode.EDIT else DEFAULT_SECONDS
    return Wish(
        dialect="native",
        model=asked.model,
        mode=mode,
        prompt=text({"prompt": asked.prompt}, "prompt", most=5_000) or "",
        size=size or (None if follows else DEFAULT_SIZE),
        seconds=None if mode is Mode.EDIT else seconds,
        seed=asked.seed,
        audio=Audio(asked.audio) if asked.audio != "origin" or mode is Mode.EDIT else Audio.MADE,
        watermark=asked.watermark,
        given=media,
        idempotency_key=key,
        metadata=_labels(asked.metadata),
        webhook=_webhook(asked.webhook),
    )


def _first(error: ValidationError) -> BadField:
    """The first thing that is wrong, in the room's own words."""
    found = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in found["loc"]) or "body"
    field = "".join(letter if letter.isprintable() else "?" for letter in field)[:80]
    if found["type"] == "missing":
        return Missing(field, f"{field} is missing. Give it.")
    if found["type"] == "extra_forbidden":
        return BadField(field, f"{field}: there is no such field. /v1/jobs/openapi.json lists those there are.")
    said = f"{field}: {found['msg'][0].lower()}{found['msg'][1:]}."
    wrong_type = found["type"].endswith("_type") or found["type"].endswith("_parsing")
    return (BadType if wrong_type else BadField)(field, said)


def _brought(asked: JobAsked) -> Brought:
    brought = Brought(goes_on=asked.extend)
    if asked.image is not None:
        brought.first.append(_given(asked.image, Role.FIRST_FRAME, "image"))
    for place, each in enumerate(asked.references):
        brought.references.append(_given(each, Role.REFERENCE, f"references.{place}"))
    if asked.source is not None:
        brought.films.append(_given(asked.source, Role.SOURCE, "source"))
    elif asked.extend:
        raise Missing("source", "source is missing. Give the film to go on from.")
    return brought


def _given(media: Media, role: Role, field: str) -> Given:
    named = {name: value for name, value in media.model_dump().items() if value}
    if len(named) != 1:
        raise BadField(field, f"{field} must name one source: url, upload, job or data.")
    name, value = next(iter(named.items()))
    spelled = f"{field}.{name}"
    if name == "upload":
        return Given(role=role, field=spelled, file=text({name: value}, name, most=256, spelled=spelled))
    if name == "job":
        return Given(role=role, field=spelled, job=value)
    if (name == "data") != (value[:5].lower() == "data:"):
        raise BadField(spelled, f"{spelled} does not belong there: data URIs go in data, addresses in url.")
    return from_text(value, role, spelled)


def _labels(metadata: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    for key, value in metadata.items():
        if len(key) > 64:
            raise BadField("metadata", "metadata has a key of more than 64 characters. Shorten it.")
        text({"metadata": key}, "metadata")
        text({"metadata": value}, "metadata", most=512)
    return tuple(metadata.items())


def _webhook(address: str | None) -> str | None:
    """An https address. Whether it may be called is decided when it is."""
    if address is None:
        return None
    try:
        parts = urlsplit(text({"webhook": address}, "webhook", most=2_048) or "")
        fine = parts.scheme == "https" and bool(parts.hostname) and parts.username is None and address.isprintable()
    except ValueError:
        fine = False
    if not fine:
        raise BadField("webhook", "webhook is no https address without a user name. Give https://host/path.")
    return address
