"""One film on its way out while it is made: label, watermark and compression go along with its frames.

The sound is marked, and everything signed, when the film is whole: nothing of it can be had before.
"""

from __future__ import annotations

from collections.abc import Callable

from model.clip import Frames, Sound
from model.media import Encoder
from policies.log.entry import Manifest, Watermark
from serving.media.marks.c2pa import Signed
from serving.media.marks.label import label
from serving.media.marks.payload import chips_of
from serving.media.marks.watermark_sound import mark_sound
from serving.media.marks.watermark_video import FrameMarks
from serving.studio.marker import Delivery, Form, Seen

__all__ = ["ALGORITHM", "VERSION", "FilmMarking"]

ALGORITHM = "equerry"
VERSION = 1


class FilmMarking:
    """A `Marking`. One thread at a time."""

    def __init__(
        self,
        form: Form,
        key: bytes,
        pid: str,
        sign: Callable[[bytes], Signed],
        cert: str,
        *,
        labelled: bool,
        seen: Seen,
    ) -> None:
        """`sign` gives an encoded film its manifest, by the certificate whose digest is `cert`; see `Marker.begin`."""
        self._form, self._key, self._pid, self._sign, self._cert = form, key, pid, sign, cert
        self._labelled, self._seen = labelled, seen
        self._chips = chips_of(key, pid)
        self._marks = FrameMarks(form.size, form.fps, self._chips, key)
        self._encoder = Encoder(form.size, form.fps, form.rate)

    def add(self, frames: Frames) -> None:
        """See `Marking`."""
        self._take(self._marks.add(label(frames) if self._labelled else frames))

    def deliver(self, sound: Sound) -> Delivery:
        """See `Marking`."""
        self._take(self._marks.end())
        signed = self._sign(self._encoder.finish(mark_sound(sound, self._form.rate, self._chips, self._key)))
        return Delivery(
            body=signed.body,
            c2pa=Manifest(manifest=signed.manifest, cert=self._cert),
            watermark=Watermark(alg=ALGORITHM, ver=VERSION, pid=self._pid),
            label=self._labelled,
        )

    def _take(self, frames: Frames) -> None:
        self._encoder.add(frames)
        self._seen(frames)
