"""The disk's twin in memory, which fails and crashes on demand, as a file system is allowed to.

Ships with the log because whoever builds on the log needs it in tests. Two faults per operation, as a pair: LOST, it
did not happen and says so; KEPT, it happened, durably where that was asked, and says that it did not.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import PurePosixPath

from policies.errors import Refused

__all__ = ["Fault", "Memory"]


class Fault(Enum):
    """How an operation fails."""

    LOST = auto()  # not done, reported as failed
    KEPT = auto()  # done, reported as failed


@dataclass(slots=True, eq=False)
class _File:
    data: bytes
    durable: bytes | None = None  # what the last sync of the file itself promised


@dataclass(slots=True, eq=False)
class _Folder:
    """The names that readers see, those that are durable, and the changes between the two, in order."""

    names: dict[str, _File | _Folder] = field(default_factory=dict)
    durable: dict[str, _File | _Folder] = field(default_factory=dict)
    pending: list[dict[str, _File | _Folder | None]] = field(default_factory=list)  # None: the name goes

    def change(self, change: dict[str, _File | _Folder | None]) -> None:
        _apply(self.names, change)
        self.pending.append(change)

    def sync(self) -> None:
        self.durable, self.pending = dict(self.names), []


def _apply(names: dict[str, _File | _Folder], change: dict[str, _File | _Folder | None]) -> None:
    for name, what in change.items():
        if what is None:
            names.pop(name, None)
        else:
            names[name] = what


Plan = Callable[[int, str, Sequence[str]], Fault | None]
"""(number of the operation, its name, its paths) to the fault it shall have."""


class Memory:
    """A disk that forgets, when it crashes, what was never synced: all of it, a part of it, or nothing."""

    def __init__(self, plan: Plan | None = None) -> None:
        self._root = _Folder()
        self._locked = False
        self.plan = plan
        self.operations: list[tuple[str, tuple[str, ...]]] = []  # that change something, in order

    def read(self, path: str) -> bytes:
        found = self._find(path)
        if not isinstance(found, _File):
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        return found.data

    def names(self, folder: str) -> list[str]:
        found = self._find(folder)
        return sorted(found.names) if isinstance(found, _Folder) else []

    def write(self, path: str, data: bytes) -> None:
        self._do("write", [path], lambda: self._holder(path).change({_name(path): _File(data)}))

    def sync(self, paths: Sequence[str]) -> None:
        self._do("sync", paths, lambda: self._settle(paths))

    def rename(self, old: str, new: str) -> None:
        def act() -> None:
            holder, there = self._holder(old), self._holder(new)
            moved = holder.names[_name(old)]
            if holder is there:
                holder.change({_name(old): None, _name(new): moved})
            else:
                there.change({_name(new): moved})
                holder.change({_name(old): None})

        self._do("rename", [old, new], act)

    def make(self, folder: str) -> list[str]:
        missing = [
            str(part)
            for part in reversed([PurePosixPath(folder), *PurePosixPath(folder).parents])
            if self._find(str(part)) is None
        ]
        if missing:
            self._do("make", missing, lambda: self._grow(missing))
        return [str(PurePosixPath(part).parent) for part in missing]

    def remove(self, path: str) -> None:
        found = self._find(path)
        if found is None or (isinstance(found, _Folder) and found.names):
            raise FileNotFoundError(errno.ENOENT, "nothing to remove", path)
        self._do("remove", [path], lambda: self._holder(path).change({_name(path): None}))

    def lock(self) -> None:
        if self._locked:
            raise Refused("Another process writes this log. A log has one writer: stop that one first.")
        self._locked = True

    def unlock(self) -> None:
        self._locked = False

    def crash(self, rng: random.Random) -> Memory:
        """The disk after a loss of power, as a new one: of what was not synced, `rng` draws what survived."""
        after = Memory()
        after._root = _survivor(self._root, rng)
        return after

    def _do(self, name: str, paths: Sequence[str], act: Callable[[], object]) -> None:
        fault = self.plan(len(self.operations), name, paths) if self.plan else None
        self.operations.append((name, tuple(paths)))
        if fault is not Fault.LOST:
            act()
        if fault is not None:
            raise OSError(errno.EIO, f"{name} was told to fail and {fault.name.lower()}", paths[0])

    def _grow(self, folders: Sequence[str]) -> None:
        for folder in folders:
            self._holder(folder).change({_name(folder): _Folder()})

    def _settle(self, paths: Sequence[str]) -> None:
        for path in paths:
            found = self._find(path)
            if isinstance(found, _Folder):
                found.sync()
            elif found is not None:
                found.durable = found.data
            else:
                raise FileNotFoundError(errno.ENOENT, "nothing to sync", path)

    def _find(self, path: str) -> _File | _Folder | None:
        found: _File | _Folder | None = self._root
        for part in PurePosixPath(path).parts:
            found = found.names.get(part) if isinstance(found, _Folder) else None
        return found

    def _holder(self, path: str) -> _Folder:
        found = self._find(str(PurePosixPath(path).parent))
        if not isinstance(found, _Folder):
            raise FileNotFoundError(errno.ENOENT, "no such folder", path)
        return found


def _name(path: str) -> str:
    return PurePosixPath(path).name


def _survivor(folder: _Folder, rng: random.Random) -> _Folder:
    """What a crash leaves of a folder. Changes of names survive in any selection, bytes whole, torn or not at all."""
    names = dict(folder.durable)
    for change in folder.pending:
        if rng.random() < 0.5:
            _apply(names, change)
    kept = {
        name: _survivor(what, rng) if isinstance(what, _Folder) else _torn(what, rng) for name, what in names.items()
    }
    return _Folder(kept, dict(kept))


def _torn(file: _File, rng: random.Random) -> _File:
    if file.durable is not None:
        return _File(file.durable, file.durable)
    length = rng.choice([0, rng.randint(0, len(file.data)), len(file.data)])
    data = file.data[:length] + bytes(rng.choice([0, len(file.data) - length]))  # a hole reads as zeros
    return _File(data, data)
