"""From OpenAI's video requests to a Wish.

Forms and JSON give the same tree, so there is one reader for both. Everything beyond the vendor's own fields is an
extension: understood, or named in `ignored` so that the answer can say so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from model.clip import Mode, Size
from serving.dialects import fields as f
from serving.dialects.fields import Fields
from serving.dialects.media import entry, given
from serving.dialects.mentions import said
from serving.dialects.modes import Brought, settle
from serving.dialects.names import NAMES, Family, Name, Names, look_up
from serving.dialects.sizes import RATIOS, bucket, check, read_size
from serving.errors import BadField, BadType, Missing
from serving.wish import Audio, Given, Role, Wish

__all__ = ["DEFAULT_MODEL", "Attempt", "read", "read_edit", "read_extend", "read_remix"]

DEFAULT_MODEL: Final = "sora-2"
DEFAULT_SIZE: Final = Size(720, 1280)
DEFAULT_SECONDS: Final = 4
MOST_PROMPT: Final = 5_000  # characters
MOST_SEED: Final = 2_147_483_647
MOST_LABELS: Final = 16
_UNDERSTOOD: Final = frozenset(
    {
        *("prompt", "model", "seconds", "size", "seed", "watermark", "user", "metadata", "characters"),
        *("width", "height", "resolution", "ratio", "aspect_ratio", "extra_params", "extra_body"),
        *("audio", "generate_audio", "generate_sound", "audio_setting", "audio_url", "audio_reference"),
        *("input_reference", "input_references", "reference_images", "image_reference", "last_frame", "media"),
        *("video", "video_reference"),
    }
)
#: A film that is derived follows its source, so what a name usually makes does not matter.
_FOLLOWING: Final = Name(family=Family.SORA, shortest=1, references=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What the headers say about this attempt."""

    key: str | None = None  # Idempotency-Key
    retried: bool = False  # x-stainless-retry-count is above zero


FIRST: Final = Attempt()


def read(body: Fields, attempt: Attempt = FIRST, names: Names = NAMES) -> Wish:
    """POST /videos. Raises UnknownModel, Missing, BadType, BadField, BadMedia."""
    body = _flat(body)
    model = f.text(body, "model", most=128) or DEFAULT_MODEL
    name = look_up(model, names)
    mode, media = settle(name, _brought(body), "input_reference", "video")
    size, seconds = _size(body), _seconds(body, name)
    if mode is Mode.EDIT:
        return _wish(body, attempt, model, mode, media, size=size)
    if mode is Mode.EXTEND:
        return _wish(body, attempt, model, mode, media, size=size, more=seconds)
    return _wish(body, attempt, model, mode, media, size=size or DEFAULT_SIZE, seconds=seconds)


def read_edit(body: Fields, attempt: Attempt = FIRST, names: Names = NAMES, model: str | None = None) -> Wish:
    """POST /videos/edits; `model` is that of the film when the request names none. Raises as `read` does."""
    body = _flat(body)
    model, media = _derived(body, names, model, Mode.EDIT)
    return _wish(body, attempt, model, Mode.EDIT, media, size=_size(body))


def read_extend(body: Fields, attempt: Attempt = FIRST, names: Names = NAMES, model: str | None = None) -> Wish:
    """POST /videos/extensions; `seconds` are added to the film. Raises as `read` does."""
    body = _flat(body)
    model, media = _derived(body, names, model, Mode.EXTEND)
    return _wish(body, attempt, model, Mode.EXTEND, media, more=_seconds(body, _FOLLOWING))


def read_remix(body: Fields, source: str, model: str, attempt: Attempt = FIRST) -> Wish:
    """POST /videos/{id}/remix: an edit that follows its source in everything. Raises Missing, BadType, BadField."""
    return read_edit({**_flat(body), "video": {"id": source}, "model": model}, attempt, {model: _FOLLOWING})


def _derived(body: Fields, names: Names, model: str | None, mode: Mode) -> tuple[str, tuple[Given, ...]]:
    """The model's name and the media of an edit or a continuation."""
    asked = f.text(body, "model", most=128)
    if asked is not None or model is None:
        look_up(asked or DEFAULT_MODEL, names)
    brought = _brought(body)
    _, media = settle(Name(family=Family.SORA, mode=mode, references=5), brought, "input_reference", "video")
    return asked or model or DEFAULT_MODEL, media


def _wish(
    body: Fields,
    attempt: Attempt,
    model: str,
    mode: Mode,
    media: tuple[Given, ...],
    *,
    size: Size | None = None,
    seconds: int | None = None,
    more: int | None = None,
) -> Wish:
    prompt = f.must(body, "prompt", most=MOST_PROMPT)
    references = sum(each.role is Role.REFERENCE for each in media)
    return Wish(
        dialect="openai",
        model=model,
        mode=mode,
        prompt=prompt,
        said=said(prompt, references),
        size=size,
        seconds=seconds,
        more=more,
        seed=f.whole(body, "seed", 0, MOST_SEED),
        audio=_audio(body, mode),
        watermark=f.flag(body, "watermark") or False,
        given=media,
        idempotency_key=attempt.key,
        retried=attempt.retried,
        metadata=_labels(body),
        ignored=f.unread(body, _UNDERSTOOD),
    )


def _flat(body: Fields) -> Fields:
    """Fields that some clients nest by mistake, lifted to the top; what stands there already wins."""
    lifted: dict[str, object] = {}
    for name in ("extra_body", "extra_params"):
        value = _structured(body.get(name), name)
        if value is not None and not isinstance(value, Mapping):
            raise BadType(name, f"{name} must be an object.")
        lifted.update(value or {})
    return {**lifted, **body}


def _structured(value: object, field: str) -> object:
    """A value that may come as JSON text, as parts of a form do."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise BadField(field, f"{field} is not valid JSON. Send a JSON list or object.") from None


def _seconds(body: Fields, name: Name) -> int:
    frames = f.whole(body, "num_frames", 1, 10_000)
    rate = f.whole(body, "fps", 1, 240)
    if frames is not None and rate is not None:
        body = {**body, "seconds": -(-frames // rate)}
    shortest, longest = (min(name.only), max(name.only)) if name.only else (name.shortest, name.longest)
    seconds = f.whole(body, "seconds", shortest, longest)
    if seconds is None:
        return name.only[0] if name.only else DEFAULT_SECONDS
    if name.only and seconds not in name.only:
        raise BadField("seconds", f"seconds is {seconds}. This model makes {' or '.join(map(str, name.only))} seconds.")
    return seconds


def _size(body: Fields) -> Size | None:
    asked = f.text(body, "size")
    if asked is not None:
        return read_size(asked)
    width, height = (f.whole(body, side, 2, 10_000) for side in ("width", "height"))
    if width is not None and height is not None:
        return check(Size(width, height), "width")
    if width is not None or height is not None:
        raise Missing("height" if height is None else "width", "Give both width and height, or a size.")
    return _bucket(body)


def _bucket(body: Fields) -> Size | None:
    resolution = f.choice(body, "resolution", ("480P", "720P", "1080P"))
    ratio = f.choice(body, "ratio", RATIOS) or f.choice(body, "aspect_ratio", RATIOS)
    if resolution is None and ratio is None:
        return None
    return bucket(int((resolution or "720P")[:-1]), ratio or "16:9")


def _audio(body: Fields, mode: Mode) -> Audio:
    wanted = [f.flag(body, name) for name in ("audio", "generate_audio", "generate_sound")]
    if False in wanted:
        return Audio.NONE
    origin = f.choice(body, "audio_setting", ("auto", "origin")) == "origin"
    return Audio.ORIGIN if origin and mode is Mode.EDIT else Audio.MADE


def _labels(body: Fields) -> tuple[tuple[str, str], ...]:
    labels = _structured(body.get("metadata"), "metadata") or {}
    if not isinstance(labels, Mapping):
        raise BadType("metadata", "metadata must be an object.")
    user = f.text(body, "user", most=512)
    every = {**{str(key): str(value) for key, value in labels.items()}, **({"user": user} if user else {})}
    if len(every) > MOST_LABELS or any(len(key) > 64 or len(value) > 512 for key, value in every.items()):
        raise BadField(
            "metadata", f"metadata is too large. Give {MOST_LABELS} labels at most, of up to 512 characters."
        )
    return tuple((must_keep(key), must_keep(value)) for key, value in every.items())


def must_keep(value: str) -> str:
    """A label that a database can keep. Raises BadField."""
    return f.text({"metadata": value}, "metadata", most=512) or ""


def _brought(body: Fields) -> Brought:
    """Everything that a request brings, whatever the field is called."""
    _refuse_what_cannot_be_used(body)
    brought = Brought()
    pictures = _structured(body.get("input_reference"), "input_reference")
    for place, each in enumerate(f.lines(pictures, "input_reference", most=9)):
        field = f"input_reference[{place}]" if isinstance(pictures, list) else "input_reference"
        brought.loose.append(given(each, Role.FIRST_FRAME, field))
    image = _structured(body.get("image_reference"), "image_reference")
    if image:
        brought.loose.append(given(image, Role.FIRST_FRAME, "image_reference"))
    for field in ("reference_images", "input_references"):
        for place, each in enumerate(f.lines(_structured(body.get(field), field), field, most=9)):
            brought.references.append(given(_untyped(each), Role.REFERENCE, f"{field}[{place}]"))
    for field in ("video", "video_reference"):
        for each in f.lines(_structured(body.get(field), field), field, most=2):
            brought.films.append(given(each, Role.SOURCE, field))
    media = _structured(body.get("media"), "media")
    for place, row in enumerate(f.rows(media, "media", most=16) if media else []):
        brought.add(*entry(row, f"media[{place}]"))
    return brought


def _untyped(value: object) -> object:
    """An entry such as {"type": "image_url", "image_url": …} without its type, which says nothing new."""
    return {key: each for key, each in value.items() if key != "type"} if isinstance(value, Mapping) else value


def _refuse_what_cannot_be_used(body: Fields) -> None:
    for field in ("audio_url", "audio_reference"):
        if body.get(field):
            raise BadField(field, f"{field}: sound cannot be given here, the film makes its own. Leave it out.")
    if body.get("last_frame"):
        raise BadField("last_frame", "A last frame cannot be set here. Give the first one as input_reference.")
    if body.get("characters"):
        raise BadField("characters", "Characters are not kept here. Give their pictures as reference_images.")
