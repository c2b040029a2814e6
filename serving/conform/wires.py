"""Two cells, each in a network of its own, joined by a bridge that the kit watches.

Linux network namespaces and virtual cables, made with iproute2 as root and gone afterwards. The kit itself stands in a
third namespace with the bridge, so nothing of the machine's own network is touched, and the cells can reach the kit,
each other, and nobody else. Neighbours are told, not asked for, and IPv6 is off: a frame that leaves one cell's cable
and comes out of the other's is then a cell that spoke to another.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from serving.errors import Unavailable

__all__ = ["End", "Wires", "absent", "laid"]

CLONE_NEWNET: Final = 0x40000000
HUB: Final = "10.213.87.1"
HUB_MAC: Final = bytes((0x02, 0x65, 0x71, 0, 0, 1))
PATIENCE: Final = 20.0  # seconds for one call of ip


@dataclass(frozen=True, slots=True)
class End:
    """One cell's end of a cable."""

    space: str  # name of its network namespace
    port: str  # the other end of its cable, at the bridge
    address: str
    mac: bytes

    def command(self, command: list[str]) -> list[str]:
        """The command inside this network."""
        return ["ip", "netns", "exec", self.space, *command]


@dataclass(frozen=True, slots=True)
class Wires:
    """The network of a run."""

    hub: str  # the kit's address, which both cells can reach
    ends: tuple[End, End]


def absent() -> str:
    """Why no such network can be made here; empty when it can."""
    if os.name != "posix" or not Path("/proc/self/ns/net").exists():
        return "this is not Linux, which has network namespaces"
    if shutil.which("ip") is None:
        return "iproute2 (the command ip) is not installed"
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    trial = f"eqk-try-{os.getpid()}"
    try:
        _ip("netns", "add", trial)
        _ip("-n", trial, "link", "add", "br0", "type", "bridge")
    except Unavailable as error:
        return f"this machine does not let root make them ({error})"
    finally:
        with suppress(Unavailable):
            _ip("netns", "del", trial)
    return ""


@contextmanager
def laid(name: str) -> Iterator[Wires]:
    """Makes the network, and moves this process into its middle until the block ends. `name` is short and of the run.

    Raises Unavailable when the machine does not let it be made.
    """
    hub, spaces = f"{name}-hub", (f"{name}-a", f"{name}-b")
    try:
        for space in (hub, *spaces):
            _ip("netns", "add", space)
            _only_ipv4(space)
            _ip("-n", space, "link", "set", "lo", "up")
        _bridge(hub)
        ends = tuple(_joined(hub, space, number) for number, space in enumerate(spaces))
        _acquaint(hub, ends)
        with _inside(hub):
            yield Wires(HUB, (ends[0], ends[1]))
    finally:
        for space in (*spaces, hub):
            with suppress(Unavailable):
                _ip("netns", "del", space)


def _bridge(hub: str) -> None:
    _ip("-n", hub, "link", "add", "br0", "type", "bridge", "stp_state", "0", "mcast_snooping", "0")
    _ip("-n", hub, "link", "set", "br0", "address", _spelled(HUB_MAC))
    _ip("-n", hub, "addr", "add", f"{HUB}/24", "dev", "br0")
    _ip("-n", hub, "link", "set", "br0", "up")


def _joined(hub: str, space: str, number: int) -> End:
    port, address = f"port{number}", f"10.213.87.{11 + number}"
    mac = bytes((0x02, 0x65, 0x71, 0, 0, 11 + number))
    _ip("-n", hub, "link", "add", port, "type", "veth", "peer", "name", "wire", "netns", space)
    _ip("-n", space, "link", "set", "wire", "address", _spelled(mac))
    _ip("-n", space, "addr", "add", f"{address}/24", "dev", "wire")
    _ip("-n", space, "link", "set", "wire", "up")
    _ip("-n", hub, "link", "set", port, "master", "br0")
    _ip("-n", hub, "link", "set", port, "up")
    return End(space, port, address, mac)


def _acquaint(hub: str, ends: tuple[End, ...]) -> None:
    """Everybody is told where everybody is, so that nobody has to call out for it."""
    here = [(hub, "br0", HUB, HUB_MAC), *((end.space, "wire", end.address, end.mac) for end in ends)]
    for space, device, _, _ in here:
        for other, _, address, mac in here:
            if other != space:
                known = ("lladdr", _spelled(mac), "dev", device, "nud", "permanent")
                _ip("-n", space, "neigh", "replace", address, *known)


def _only_ipv4(space: str) -> None:
    with _inside(space):
        for which in ("all", "default"):
            with suppress(FileNotFoundError):  # a kernel without IPv6
                Path(f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6").write_text("1", "ascii")


@contextmanager
def _inside(space: str) -> Iterator[None]:
    """This thread, and whatever it starts, stands in a network namespace."""
    with Path("/proc/self/ns/net").open("rb") as before, Path("/run/netns", space).open("rb") as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(before.fileno())


def _enter(descriptor: int) -> None:
    """Python has os.setns from 3.12 on."""
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise Unavailable(f"This process cannot change its network namespace ({reason}).")


def _spelled(mac: bytes) -> str:
    return mac.hex(":")


def _ip(*arguments: str) -> None:
    """One call of iproute2. Raises Unavailable with what it said."""
    try:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"ip {' '.join(arguments)} did not end: {type(error).__name__}") from None
    if done.returncode != 0:
        raise Unavailable(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
