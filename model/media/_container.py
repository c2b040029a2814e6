"""What a film's container says of itself, looked at before FFmpeg opens it.

FFmpeg plays what is left of a file that was cut off in transfer, so a missing end is found here: each of these
containers states the length of its largest part. And FFmpeg makes a table with a row for every sample that an MP4
claims to hold, so a file of 5 kB could ask for 4 GiB; the claims are added up here first. Box and element layouts are
those of ISO/IEC 14496-12, RFC 9559 and the RIFF specification.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

MOST_SAMPLES = 4_000_000  # 83 s of uncompressed 48 kHz sound; FFmpeg takes up to 40 bytes for each
MOST_BOXES = 100_000  # at the top of an MP4; a film in fragments of one frame has about 1,000
SEGMENT = b"\x18\x53\x80\x67"  # the element that holds everything but the head of a Matroska or WebM file
COUNTS = re.compile(rb"(?=(?:stsz.{8}|stz2.{8}|trun.{4})(.{4}))", re.DOTALL)  # looks ahead, so that none hides another
PACKED = b"cmov"  # a compressed table, which could hide such a number; nothing has written it for 20 years


def is_cut_off(kind: str, body: bytes) -> bool:
    """Whether `body`, a file of one of `read.FILMS`, ends before the length it states. Unknown lengths pass."""
    if kind == "mp4":
        return any(name in (b"mdat", b"moov") and end > len(body) for name, _, end in _boxes(body))
    if kind == "matroska":
        return _matroska_is_cut_off(body)
    return kind == "avi" and int.from_bytes(body[4:8], "little") + 8 > len(body)


def claims_too_much(kind: str, body: bytes) -> bool:
    """Whether the tables of an MP4 claim more than `MOST_SAMPLES` samples in all, or may hide that they do."""
    claimed = 0
    for name, start, end in _boxes(body) if kind == "mp4" else ():
        if name == b"mdat":
            continue
        tables = body[start:end]
        claimed += sum(int.from_bytes(each[1], "big") for each in COUNTS.finditer(tables))
        if claimed > MOST_SAMPLES or PACKED in tables:
            return True
    return False


def _boxes(body: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and stated end of each top box of an MP4. Its length has 32 bits; 1 says 64 follow, 0 the rest."""
    start = 0
    for number in range(MOST_BOXES + 1):
        if start + 8 > len(body):
            return
        length, name = struct.unpack_from(">I4s", body, start)
        if length == 1:
            length = int.from_bytes(body[start + 8 : start + 16], "big")
        if length < 8 or number == MOST_BOXES:  # 0, or nonsense: the rest belongs to this box
            length = len(body) - start
        yield name, start, start + length
        start += length


def _matroska_is_cut_off(body: bytes) -> bool:
    """A head whose length is one variable-length number, then the segment with another."""
    start = body.find(SEGMENT, 0, 4096) + len(SEGMENT)
    if start < len(SEGMENT) or start >= len(body) or body[start] == 0:
        return False
    width = 9 - body[start].bit_length()  # the leading zero bits say how many bytes the number has
    unknown = (1 << 7 * width) - 1
    number = int.from_bytes(body[start : start + width], "big") & unknown
    return number != unknown and number > len(body) - start - width
