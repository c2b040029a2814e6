"""The model names that clients send, and what each of them means here.

One model makes every film; a name chooses what may be given to it and which defaults its vendor documents. A name that
is not in the table is UnknownModel, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from model.clip import Mode
from serving.dialects.fields import shown
from serving.errors import UnknownModel

__all__ = ["NAMES", "Family", "Name", "Names", "Shape", "look_up"]


class Family(StrEnum):
    """Whose defaults and whose usage figures a name follows."""

    OWN = "own"
    SORA = "sora"
    HAPPYHORSE = "happyhorse"
    WAN25 = "wan2.5"
    WAN26 = "wan2.6"
    WAN27 = "wan2.7"
    WAN30 = "wan3.0"


class Shape(StrEnum):
    """How DashScope's parameters spell the size for a name."""

    SIZE = "size"  # W*H
    RATIO = "ratio"  # resolution and ratio
    RESOLUTION = "resolution"  # the shape follows the image or the film


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """One model name."""

    family: Family
    mode: Mode | None = None  # None: what is given decides
    shape: Shape = Shape.RATIO
    tier: int = 1080  # where nothing is said, in the DashScope dialect
    shortest: int = 2  # seconds
    longest: int = 15  # seconds
    only: tuple[int, ...] = ()  # seconds, where just a few lengths are documented
    references: int = 9  # at most
    watermark: bool = False  # visible, where nothing is said, in the DashScope dialect
    switches_audio: bool = False  # usage says whether there is sound


Names = Mapping[str, Name]


def _horse(mode: Mode, shape: Shape = Shape.RATIO, references: int = 9) -> Name:
    return Name(family=Family.HAPPYHORSE, mode=mode, shape=shape, shortest=3, references=references, watermark=True)


_OWN = Name(family=Family.OWN, shortest=1)
_SORA = Name(family=Family.SORA)
_EDIT = _horse(Mode.EDIT, Shape.RESOLUTION, 5)
_I2V_26 = Name(family=Family.WAN26, mode=Mode.I2V, shape=Shape.RESOLUTION)
_R2V_26 = Name(family=Family.WAN26, mode=Mode.R2V, shape=Shape.SIZE, longest=10, references=5)

#: Each name that is known here. A cell may offer fewer of them to a key.
NAMES: Final[Names] = MappingProxyType(
    {
        "equerry": _OWN,
        "pony": _OWN,
        "horse": _OWN,
        "sora-2": _SORA,
        "sora-2-2025-10-06": _SORA,
        "sora-2-2025-12-08": _SORA,
        "sora-2-pro": _SORA,
        "sora-2-pro-2025-10-06": _SORA,
        **{f"happyhorse-{v}-t2v": _horse(Mode.T2V) for v in ("1.0", "1.1")},
        **{f"happyhorse-{v}-i2v": _horse(Mode.I2V, Shape.RESOLUTION) for v in ("1.0", "1.1")},
        **{f"happyhorse-{v}-r2v": _horse(Mode.R2V) for v in ("1.0", "1.1")},
        **{f"happyhorse-{v}-video-edit": _EDIT for v in ("1.0", "1.1")},
        "wan2.5-t2v-preview": Name(family=Family.WAN25, mode=Mode.T2V, shape=Shape.SIZE, only=(5, 10)),
        "wan2.5-i2v-preview": Name(family=Family.WAN25, mode=Mode.I2V, shape=Shape.RESOLUTION, only=(5, 10)),
        "wan2.6-t2v": Name(family=Family.WAN26, mode=Mode.T2V, shape=Shape.SIZE),
        "wan2.6-i2v": _I2V_26,
        "wan2.6-i2v-flash": Name(family=Family.WAN26, mode=Mode.I2V, shape=Shape.RESOLUTION, switches_audio=True),
        "wan2.6-r2v": _R2V_26,
        "wan2.6-r2v-flash": _R2V_26,
        "wan2.7-t2v": Name(family=Family.WAN27, mode=Mode.T2V),
        "wan2.7-i2v": Name(family=Family.WAN27, shape=Shape.RESOLUTION, references=0),  # a first frame, or a first clip
        "wan2.7-r2v": Name(family=Family.WAN27, mode=Mode.R2V, references=5),
        "wan2.7-videoedit": Name(family=Family.WAN27, mode=Mode.EDIT, shape=Shape.RESOLUTION, references=3),
        "wan3.0-video": Name(family=Family.WAN30),
        "wan3.0-video-prime": Name(family=Family.WAN30),
    }
)


def look_up(name: str, names: Names = NAMES) -> Name:
    """What a name means. Raises UnknownModel."""
    if name not in names:
        raise UnknownModel(f"There is no model {shown(name)} here. GET /v1/models is the list of models; name one.")
    return names[name]
