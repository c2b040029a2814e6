"""One vocabulary for everything a sequence can hold: text | control | video codes | audio codes.

Token ids therefore carry the whole state of a film: caching a prefix, keeping a checkpoint and resuming need nothing
else. The text names a reference by the same token that marks its picture, so that the two find each other without
learning how.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from model.clip import Mode, Size
from model.config import ModelConfig

TEXT_BLOCK: Final = 32  # text is padded with PAD to a multiple of this, in training and in serving alike
MOST_TEXT: Final = 128  # text tokens; what is longer is cut, and the caller is told


class Guide(IntEnum):
    """How strictly the text is followed: dropped in training, or obeyed."""

    NONE = 0
    PLAIN = 1


_FIXED: Final = ("bos", "pad", "begin", "image", "source")
_MODES: Final = tuple(Mode)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Where each kind of token begins."""

    config: ModelConfig

    @property
    def _base(self) -> int:
        return self.config.trunk.text

    def fixed(self, name: str) -> int:
        """Id of "bos", "pad", "begin", "image" or "source"."""
        return self._base + _FIXED.index(name)

    def mode(self, mode: Mode) -> int:
        return self._base + len(_FIXED) + _MODES.index(mode)

    def guide(self, guide: Guide) -> int:
        return self._base + len(_FIXED) + len(_MODES) + guide

    def reference(self, k: int) -> int:
        """Id that stands for reference k, counted from 1, in the text and before its picture."""
        return self._base + len(_FIXED) + len(_MODES) + len(Guide) + k - 1

    def seconds(self, seconds: int) -> int:
        return self.reference(self.config.most_references) + seconds

    def size(self, size: Size) -> int:
        return self.seconds(self.config.most_seconds) + 1 + self.config.sizes.index(size)

    @property
    def video(self) -> int:
        """Id of video code 0."""
        return self.seconds(self.config.most_seconds) + 1 + len(self.config.sizes)

    @property
    def audio(self) -> int:
        """Id of audio code 0."""
        return self.video + self.config.video.codes

    @property
    def size_in_all(self) -> int:
        """Number of token ids, rounded up so that eight ranks can share a table."""
        return -(-(self.audio + self.config.audio.codes) // 64) * 64

    def controls(self, mode: Mode, size: Size, seconds: int, guide: Guide = Guide.PLAIN) -> list[int]:
        """The tokens in front of the text."""
        return [self.fixed("bos"), self.mode(mode), self.size(size), self.seconds(seconds), self.guide(guide)]


CONTROLS: Final = 5  # tokens in front of the text
