"""From DashScope's video-synthesis requests to a Wish.

Three clients send one envelope `{model, input, parameters}` with their own habits: unknown keywords land in either of
the two objects, and old names of one thing stand beside new ones. Aliases are folded into one list, in the order in
which they came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from model.clip import Mode, Size
from serving.dialects import fields as f
from serving.dialects.fields import Fields
from serving.dialects.media import MOST_DATA, entry, from_text
from serving.dialects.mentions import said
from serving.dialects.modes import Brought, settle
from serving.dialects.names import NAMES, Family, Name, Names, Shape, look_up
from serving.dialects.sizes import RATIOS, TIERS, bucket, read_size
from serving.errors import BadField, BadType, Missing
from serving.wish import Audio, Given, Role, Wish

__all__ = ["read"]

DEFAULT_SECONDS: Final = 5
MOST_PROMPT: Final = 20_000  # characters that are taken at all; the model reads the first of them
READ: Final = {Family.WAN25: 1_500, Family.WAN26: 1_500}  # characters that a family reads
READ_ELSE: Final = 5_000
READ_CHINESE: Final = 2_500
MOST_SEED: Final = 2_147_483_647
WORDLESS: Final = "the picture begins to move"  # what the model reads when a picture comes without words
#: Old names of single pieces of media.
_PICTURES: Final = {
    "img_url": Role.FIRST_FRAME,
    "first_frame_url": Role.FIRST_FRAME,
    "head_frame": Role.FIRST_FRAME,
    "video_url": Role.SOURCE,
    "reference_urls": Role.REFERENCE,
    "reference_url": Role.REFERENCE,
    "ref_images_url": Role.REFERENCE,
}
_NOT_MADE: Final = {
    "last_frame_url": "a last frame cannot be set here. Give the first one alone.",
    "tail_frame": "a last frame cannot be set here. Give the first one alone.",
    "reference_video_urls": "films as references cannot be used here. Give pictures as reference_urls.",
    "audio_url": "sound cannot be given here, the film makes its own. Leave it out.",
}
_UNDERSTOOD: Final = frozenset(
    {
        *("prompt", "media", "extend_prompt", "function", "seed", "size", "resolution", "ratio", "duration"),
        *("watermark", "audio", "audio_setting", *_PICTURES, *_NOT_MADE),
    }
)


def read(body: Fields, *, names: Names = NAMES) -> Wish:
    """POST …/video-synthesis. Raises UnknownModel, Missing, BadType, BadField, BadMedia."""
    model = f.must(body, "model", most=128)
    name = look_up(model, names)
    inputs, parameters = _object(body, "input"), _object(body, "parameters")
    both: Fields = {**inputs, **parameters}
    prompt = f.text(inputs, "prompt", most=MOST_PROMPT, spelled="input.prompt") or ""
    mode, media = settle(name, _brought(inputs, parameters), "input.media", "input.media")
    if not prompt.strip() and mode is not Mode.I2V:
        raise Missing("input.prompt", "input.prompt is missing. Give it as text that is not empty.")
    if name.shape is Shape.RESOLUTION and not media:
        raise Missing("input.media", "input.media is missing. This model needs a first_frame or a first_clip.")
    size, tier = _size(both, name, mode)
    return Wish(
        dialect="dashscope",
        model=model,
        mode=mode,
        prompt=prompt,
        said=_said(prompt, name, media),
        size=size,
        tier=None if size else tier,
        seconds=None if mode is Mode.EDIT else _seconds(both, name),
        seed=f.whole(both, "seed", 0, MOST_SEED, spelled="parameters.seed"),
        audio=_audio(both, mode),
        watermark=_watermark(both, name),
        given=media,
        ignored=f.unread(both, _UNDERSTOOD),
    )


def _object(body: Fields, field: str) -> Fields:
    value = body.get(field)
    if value is None or value == "":
        return {}
    if not isinstance(value, Mapping):
        raise BadType(field, f"{field} must be an object.")
    return value


def _said(prompt: str, name: Name, media: tuple[Given, ...]) -> str | None:
    """What the model reads: longer prompts are cut where the vendor documents it."""
    if not prompt.strip():
        return WORDLESS
    most = READ.get(name.family, READ_ELSE)
    if name.family is Family.HAPPYHORSE and 2 * sum("\u3400" <= letter <= "\u9fff" for letter in prompt) > len(prompt):
        most = READ_CHINESE
    told = said(prompt[:most], sum(each.role is Role.REFERENCE for each in media))
    return told or (prompt[:most] if len(prompt) > most else None)


def _brought(inputs: Fields, parameters: Fields) -> Brought:
    brought = Brought()
    for field, text in _NOT_MADE.items():
        if inputs.get(field) or parameters.get(field):
            raise BadField(f"input.{field}", f"input.{field}: {text}")
    for field, value in inputs.items():  # in the order of the client
        if field == "media" and value:
            for place, row in enumerate(f.rows(value, "input.media", most=16)):
                brought.add(*entry(row, f"input.media[{place}]"))
        elif field in _PICTURES:
            _add(brought, field, value)
    return brought


def _add(brought: Brought, field: str, value: object) -> None:
    for place, each in enumerate(f.lines(value, f"input.{field}", most=9)):
        spelled = f"input.{field}[{place}]" if isinstance(value, list) else f"input.{field}"
        url = f.text({field: each}, field, most=MOST_DATA, spelled=spelled)
        if url is not None:
            brought.add(field, from_text(url, _PICTURES[field], spelled))


def _seconds(both: Fields, name: Name) -> int:
    if both.get("duration") in (-1, "-1"):
        return DEFAULT_SECONDS  # the model decides
    seconds = f.whole(both, "duration", name.shortest, name.longest, spelled="parameters.duration")
    if seconds is None:
        return DEFAULT_SECONDS
    if name.only and seconds not in name.only:
        lengths = " or ".join(map(str, name.only))
        raise BadField("parameters.duration", f"parameters.duration is {seconds}. This model makes {lengths} seconds.")
    return seconds


def _size(both: Fields, name: Name, mode: Mode) -> tuple[Size | None, int | None]:
    """Exact pixels, or the tier where the shape follows what was given; an edit without either keeps its pixels."""
    asked = f.text(both, "size", spelled="parameters.size")
    resolution = f.choice(both, "resolution", [f"{tier}P" for tier in TIERS], spelled="parameters.resolution")
    ratio = f.choice(both, "ratio", (*RATIOS, "adaptive"), spelled="parameters.ratio")
    if asked is not None:
        return read_size(asked, "parameters.size"), None
    tier = int(resolution[:-1]) if resolution else name.tier
    if mode in (Mode.I2V, Mode.EDIT, Mode.EXTEND) and (name.shape is Shape.RESOLUTION or ratio in (None, "adaptive")):
        return None, tier if resolution or mode is Mode.I2V else None
    return bucket(tier, ratio if ratio and ratio != "adaptive" else "16:9"), tier


def _audio(both: Fields, mode: Mode) -> Audio:
    if f.flag(both, "audio", spelled="parameters.audio") is False:
        return Audio.NONE
    setting = f.choice(both, "audio_setting", ("auto", "origin"), spelled="parameters.audio_setting")
    return Audio.ORIGIN if setting == "origin" and mode is Mode.EDIT else Audio.MADE


def _watermark(both: Fields, name: Name) -> bool:
    asked = f.flag(both, "watermark", spelled="parameters.watermark")
    return name.watermark if asked is None else asked
