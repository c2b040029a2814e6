"""Watches the cables of two cells and keeps what went from one cell to the other.

Raw packet sockets (AF_PACKET) see every frame at both ports of the bridge. A frame is a crossing when it comes from one
cell's network card and goes to the other's cable; a frame between a cell and the kit is counted and forgotten. The
kernel says how many frames the sockets have missed: a capture that missed any proves nothing, and says so.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from serving.conform.wires import End, Wires

__all__ = ["Capture", "Crossing", "Told", "read_frame"]

ETH_P_ALL: Final = 0x0003
ETH_P_IP: Final = 0x0800
SOL_PACKET: Final = 263
PACKET_STATISTICS: Final = 6
TCP: Final = 6
OUTGOING: Final = 4  # a frame that the bridge sends to the cable; all others come from it
ROOM: Final = 64 << 20  # bytes of frames that the kernel keeps for us
MOST_FRAME: Final = 1 << 17  # bytes; a virtual cable carries segments that no card would
MOST_KEPT: Final = 1_000  # crossings that are kept in full; more are counted


@dataclass(frozen=True, slots=True)
class Crossing:
    """A frame from one cell to the other."""

    source: str  # address, or the card's where it is not IPv4
    target: str
    ports: tuple[int, int] | None  # of TCP: source, target
    frame: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """What a capture saw."""

    frames: int
    missed: int
    crossings: tuple[Crossing, ...]
    crossed: int  # in all, kept or not


class Capture:
    """Captures from `with` on until its end; then `told` says what it saw."""

    def __init__(self, wires: Wires) -> None:
        self._ends = wires.ends
        self._stop = threading.Event()
        self._sockets = [self._opened(end) for end in wires.ends]  # here, so that they are in this thread's network
        self._frames = self._missed = self._crossed = 0
        self._kept: list[Crossing] = []
        self._thread = threading.Thread(target=self._watch, name="capture", daemon=True)

    def __enter__(self) -> Capture:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(10)
        for each in self._sockets:
            each.close()

    def told(self) -> Told:
        """What was seen so far."""
        return Told(self._frames, self._missed, tuple(self._kept), self._crossed)

    def _opened(self, end: End) -> socket.socket:
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
        opened.bind((end.port, ETH_P_ALL))
        opened.setblocking(False)
        return opened

    def _watch(self) -> None:
        with selectors.DefaultSelector() as ready:
            for number, each in enumerate(self._sockets):
                ready.register(each, selectors.EVENT_READ, number)
            while not self._stop.is_set():
                for key, _ in ready.select(0.2):
                    self._drain(self._sockets[key.data], key.data)
        for number, each in enumerate(self._sockets):
            self._drain(each, number)

    def _drain(self, opened: socket.socket, number: int) -> None:
        while True:
            try:
                frame, about = opened.recvfrom(MOST_FRAME)
            except BlockingIOError:
                break
            self._frames += 1
            if about[2] == OUTGOING:  # on its way into this cell
                self._judge(frame, self._ends[1 - number])
        _, missed = struct.unpack("II", opened.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        self._missed += missed

    def _judge(self, frame: bytes, other: End) -> None:
        """Counts a frame to one cell that comes from the other."""
        if frame[6:12] != other.mac:
            return
        self._crossed += 1
        if len(self._kept) < MOST_KEPT:
            self._kept.append(read_frame(frame))


def read_frame(frame: bytes) -> Crossing:
    """Who spoke to whom."""
    if len(frame) < 34 or int.from_bytes(frame[12:14], "big") != ETH_P_IP:
        return Crossing(frame[6:12].hex(":"), frame[0:6].hex(":"), None, frame)
    header = 14 + 4 * (frame[14] & 0x0F)
    source, target = socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34])
    spoken = frame[23] == TCP and len(frame) >= header + 4
    ports = struct.unpack(">HH", frame[header : header + 4]) if spoken else None
    return Crossing(source, target, (ports[0], ports[1]) if ports else None, frame)
