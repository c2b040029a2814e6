"""Media as requests name them: a file, a data URI, an address, an `oss://` key, an upload or a job.

Nothing is fetched or decoded here. What a file is, its bytes say later; its name and its type are never asked.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from serving.dialects.fields import must, text
from serving.errors import BadField, BadMedia, BadType, Missing
from serving.wish import Given, Role

__all__ = ["MOST_DATA", "MOST_URL", "File", "entry", "from_text", "given", "hexadecimal"]

MOST_URL: Final = 4_096  # characters
MOST_DATA: Final = 140 << 20  # characters of a data URI: 100 MiB of film
BLANKS: Final = b" \t\r\n\f\v"  # that may stand between the letters of base64
_SCHEMES: Final = ("http://", "https://", "oss://")
_HEX: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class File:
    """A file part of a form, in memory."""

    name: str
    body: bytes = field(repr=False)


def hexadecimal(value: str) -> str | None:
    """The 32 hexadecimal digits of a job's id, dashed or not; None for anything else."""
    bare = value.strip().lower().replace("-", "")
    return bare if _HEX.fullmatch(bare) else None


def from_text(value: str, role: Role, field: str) -> Given:
    """Media from a data URI or an address. Raises BadMedia, BadField."""
    if value[:5].lower() == "data:":
        return Given(role=role, field=field, body=_data(value, field))
    if len(value) > MOST_URL:
        raise BadField(field, f"{field} has {len(value):,} characters. Addresses have {MOST_URL:,} at most.")
    plain = value.isprintable() and (" " not in value or value.startswith("oss://"))  # a key ends in a file's own name
    if not value.lower().startswith(_SCHEMES) or not plain:
        raise BadMedia(field, f"{field} is no address. Give https://…, oss://… of an upload, or data:…;base64,….")
    return Given(role=role, field=field, url=value)


def _data(value: str, field: str) -> bytes:
    head, comma, body = value.partition(",")
    if not comma or not head.lower().endswith(";base64") or len(value) > MOST_DATA:
        raise BadMedia(field, f"{field} is a data URI of another kind. Write data:image/png;base64, and then base64.")
    try:
        plain = body.encode("ascii", "replace").translate(None, BLANKS)  # no list of pieces: a body may be all blanks
        found = base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError):
        raise BadMedia(field, f"{field} holds damaged base64. Encode the file again.") from None
    if not found:
        raise BadMedia(field, f"{field} is empty. Send the file itself.")
    return found


def given(value: object, role: Role, field: str) -> Given:
    """Media from whatever a field may hold: a file part, text, or an object that names one source.

    Objects are `{"image_url": …}`, `{"video_url": …}`, `{"url": …}`, `{"file_id": …}` or `{"id": …}`; an address may
    itself be `{"url": …}`. Raises BadType, BadField, BadMedia.
    """
    if isinstance(value, File):
        if not value.body:
            raise BadMedia(field, f"{field} is an empty file. Send the file itself.")
        return Given(role=role, field=field, body=value.body)
    if isinstance(value, str):
        return from_text(value, role, field)
    if not isinstance(value, Mapping):
        raise BadType(field, f"{field} must be a file, an address or an object that names one source.")
    return _named(value, role, field)


_SOURCES: Final = ("image_url", "video_url", "url", "file_id", "id")


def _named(value: Mapping[str, object], role: Role, field: str) -> Given:
    named = [name for name in _SOURCES if value.get(name) not in (None, "")]
    if len(named) != 1:
        raise BadField(field, f"{field} must name one source: image_url, file_id, or the id of a film.")
    name, spelled = named[0], f"{field}[{named[0]}]"
    inner = value[name]
    if isinstance(inner, Mapping):  # chat-like: {"image_url": {"url": …}}
        inner = text(inner, "url", most=MOST_DATA, spelled=f"{spelled}[url]")
    found = text({name: inner}, name, most=MOST_DATA, spelled=spelled)
    if found is None:
        raise BadField(field, f"{field} must name one source: image_url, file_id, or the id of a film.")
    if name == "file_id":
        return Given(role=role, field=spelled, file=text(value, name, most=256, spelled=spelled))
    return _job(found, role, spelled) if name == "id" else from_text(found, role, spelled)


def _job(value: str, role: Role, field: str) -> Given:
    found = hexadecimal(value.removeprefix("video_"))
    if found is None:
        raise BadMedia(field, f"{field} is no id of a film. Give the id as it was answered, such as video_5b0e….")
    return Given(role=role, field=field, job=found)


#: Kinds of a `media` list that are made here, with their role.
_KINDS: Final = {
    "first_frame": Role.FIRST_FRAME,
    "reference_image": Role.REFERENCE,
    "video": Role.SOURCE,
    "first_clip": Role.SOURCE,
}
_NOT_MADE: Final = {
    "last_frame": "A last frame cannot be set here. Give a first_frame, or reference_image entries.",
    "reference_video": "Films as references cannot be used here. Give pictures as reference_image.",
    "reference_voice": "Voices cannot be given here. Leave reference_voice out.",
    "reference_audio": "Sound cannot be given here: the film makes its own. Leave reference_audio out.",
    "driving_audio": "Sound cannot be given here: the film makes its own. Leave driving_audio out.",
    "file": "Entries of type file cannot be used here. Give first_frame, reference_image or video.",
    "link": "Entries of type link cannot be used here. Give first_frame, reference_image or video.",
}


def entry(row: Mapping[str, object], field: str) -> tuple[str, Given]:
    """One entry of a `media` list: its kind and what it names. Raises Missing, BadType, BadField, BadMedia."""
    kind = must(row, "type", spelled=f"{field}.type")
    if kind not in _KINDS:
        known = ", ".join(_KINDS)
        raise BadField(f"{field}.type", f"{field}: {_NOT_MADE.get(kind, f'the type must be one of {known}.')}")
    if row.get("reference_voice"):
        raise BadField(f"{field}.reference_voice", f"{field}: {_NOT_MADE['reference_voice']}")
    url = text(row, "url", most=MOST_DATA, spelled=f"{field}.url")
    if url is None:
        raise Missing(f"{field}.url", f"{field}.url is missing. Give the address of the {kind}.")
    return kind, from_text(url, _KINDS[kind], f"{field}.url")
