"""What a watermark carries: 48 bits that name a job, 16 that check them, made robust by a convolutional code.

64 bits become 128 chips (rate 1/2, constraint length 9, generators 753 and 561 octal, tail-biting), read by soft
decisions. They are scrambled by the cell's key, so that neither an id's many zeros nor another cell's mark looks like
a mark. The check alone lets one of 65,536 random readings pass.
"""

from __future__ import annotations

import hmac
from binascii import crc_hqx
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256, shake_256
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["CHIPS", "Chips", "Read", "chips_of", "pid_of", "read_chips", "read_many"]

Chips = NDArray[np.float32]  # [CHIPS]; +1 or -1 when written, any size when read

ID_BYTES: Final = 6
BITS: Final = 64
RATE: Final = 2
CHIPS: Final = BITS * RATE
STATES: Final = 256
GENERATORS: Final = (0o753, 0o561)  # the usual pair of constraint length 9, free distance 12
LAPS: Final = 3  # times that a tail-biting word is gone round, until the state at its seam has settled


@dataclass(frozen=True, slots=True)
class Read:
    """A reading of which the check holds."""

    pid: str  # 12 hexadecimal digits
    likeness: float  # of what was read with what was written, 0..1; noise comes to about 0.6


def pid_of(key: bytes, job: str) -> str:
    """The 48 bits that stand for a job in this cell, as 12 hexadecimal digits."""
    return hmac.digest(key, b"equerry/pid/1\0" + job.encode(), "sha256")[:ID_BYTES].hex()


def chips_of(key: bytes, pid: str) -> Chips:
    """The chips that carry an id of 12 hexadecimal digits."""
    body = bytes.fromhex(pid)
    if len(body) != ID_BYTES:
        raise ValueError(f"An id has 12 hexadecimal digits, not {pid!r}.")
    bits = np.unpackbits(np.frombuffer(body + crc_hqx(body, 0xFFFF).to_bytes(2, "big"), np.uint8))
    return (1 - 2.0 * _coded(bits)).astype(np.float32) * _scramble(key)


def read_chips(key: bytes, soft: Chips) -> Read | None:
    """The id in chips [CHIPS] as they were read, or None when the check fails."""
    return read_many(key, soft[None])[0]


def read_many(key: bytes, soft: Chips) -> list[Read | None]:
    """The same for many readings [readings, CHIPS] at once."""
    heard = soft * _scramble(key)
    bits = _decoded(heard)
    return [_checked(chips, word) for chips, word in zip(heard, bits, strict=True)]


def _checked(heard: Chips, bits: NDArray[np.uint8]) -> Read | None:
    body = np.packbits(bits).tobytes()
    size = float(np.linalg.norm(heard))
    if crc_hqx(body[:ID_BYTES], 0xFFFF).to_bytes(2, "big") != body[ID_BYTES:] or not size > 0:
        return None
    likeness = float(heard @ (1 - 2.0 * _coded(bits))) / (size * CHIPS**0.5)
    return Read(body[:ID_BYTES].hex(), likeness)


@lru_cache(maxsize=8)
def _scramble(key: bytes) -> Chips:
    drawn = shake_256(sha256(b"equerry/scramble/1\0" + key).digest()).digest(CHIPS // 8)
    return (1 - 2.0 * np.unpackbits(np.frombuffer(drawn, np.uint8))).astype(np.float32)


def _parity(words: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array([int(word).bit_count() & 1 for word in words.flat], np.int64).reshape(words.shape)


#: Which of the four sums of two chips each of the 512 windows of nine bits asks for: both, the first less the second, …
_WINDOWS: Final = np.arange(2 * STATES)
_SUMS: Final = 2 * _parity(_WINDOWS & GENERATORS[0]) + _parity(_WINDOWS & GENERATORS[1])


def _coded(bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Chips 0 or 1 [CHIPS]. The register starts with the last bits, so every bit is protected alike."""
    window = 0
    for bit in bits[-8:]:
        window = window >> 1 | int(bit) << 8
    out = []
    for bit in bits:
        window = window >> 1 | int(bit) << 8
        out += [(window & g).bit_count() & 1 for g in GENERATORS]
    return np.array(out, np.int64)


def _decoded(soft: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The likeliest bits [readings, BITS], by Viterbi's algorithm around the circle; those of the middle lap count."""
    first, second = np.asarray(soft.reshape(len(soft), BITS, RATE).transpose(2, 1, 0), np.float32)
    sums = np.stack([first + second, first - second, second - first, -first - second], 1)  # [BITS, 4, readings]
    score = np.zeros((STATES, len(soft)), np.float32)
    came = np.zeros((LAPS * BITS, STATES, len(soft)), np.bool_)
    for step in range(LAPS * BITS):
        # Register s and newest bit b make window b<<8|s, whose next register drops the lowest bit: b<<7|s>>1.
        reached = np.concatenate([score, score])
        reached += sums[step % BITS, _SUMS]
        np.greater(reached[1::2], reached[0::2], out=came[step])
        score = np.maximum(reached[0::2], reached[1::2])
    return _traced(score.argmax(0), came)


def _traced(state: NDArray[np.intp], came: NDArray[np.bool_]) -> NDArray[np.uint8]:
    bits, each = np.zeros((len(state), len(came)), np.uint8), np.arange(len(state))
    for step in range(len(came) - 1, -1, -1):
        bits[:, step] = state >> 7
        state = (state << 1 | came[step, state, each]) & (STATES - 1)
    return bits[:, BITS : 2 * BITS]
