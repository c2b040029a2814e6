"""Where a log's files lie: the one seam between the log and the world.

Nothing is durable until `sync` returns, and a name is durable only when the folder that holds it was synced too. An
error of `sync` is final: the kernel may have dropped what it could not write, so asking again proves nothing.
Paths are relative to the log's folder and use `/`. See memory.py for the twin that crashes on demand.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Protocol

from policies.errors import Refused

__all__ = ["Disk", "Folder", "put"]


class Disk(Protocol):
    """What a log asks of its storage. Every method may raise OSError; FileNotFoundError means just that."""

    def read(self, path: str) -> bytes:
        """The bytes of a file as readers see them now, durable or not."""

    def names(self, folder: str) -> list[str]:
        """The names in a folder, sorted; none when there is no such folder."""

    def write(self, path: str, data: bytes) -> None:
        """Make or replace a file. Not durable."""

    def sync(self, paths: Sequence[str]) -> None:
        """Return only once all of these files and folders are durable. Never called again after it failed."""

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, in the place of any file that has it; a reader sees the old or the new."""

    def make(self, folder: str) -> list[str]:
        """Make a folder and what it lies in. Returns the folders that now hold a new name, to be synced."""

    def remove(self, path: str) -> None:
        """Remove a file, or a folder that is empty."""

    def lock(self) -> None:
        """Become the one writer until `unlock` or the end of the process. Raises Refused when there is one."""

    def unlock(self) -> None:
        """Let another writer in."""


def put(disk: Disk, files: Mapping[str, bytes], folders: Iterable[str] = ()) -> None:
    """Return only once every file stands under its name, whole and durable.

    Temporary files first, then their bytes, then their names, then the folders: a crash leaves each file as it was or
    as it shall be. `folders` were made earlier and are synced with the rest.
    """
    touched = set(folders)
    for folder in {_folder(path) for path in files}:
        touched.update(disk.make(folder))
        touched.add(folder)
    temporary = {path: _beside(path) for path in files}
    for path, data in files.items():
        disk.write(temporary[path], data)
    disk.sync(list(temporary.values()))
    for path, name in temporary.items():
        disk.rename(name, path)
    disk.sync(sorted(touched))


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _beside(path: str) -> str:
    """The temporary name in the same folder; recovery knows it by its dot."""
    return str(PurePosixPath(path).with_name(f".{PurePosixPath(path).name}.tmp"))


class Folder:
    """A log on a POSIX file system. Used by the writer's thread; `write` of other threads must be of other paths."""

    def __init__(self, root: Path, *, streams: int = 4) -> None:
        self._root = root
        self._open: dict[str, int] = {}  # written and not yet synced: an error shows on this descriptor
        self._folders: set[str] = set()  # known to be there
        self._lock: int | None = None
        # Concurrent syncs share one flush of the file system's journal.
        self._pool = ThreadPoolExecutor(streams, thread_name_prefix="log-sync")

    def read(self, path: str) -> bytes:
        return (self._root / path).read_bytes()

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(path.name for path in (self._root / folder).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def write(self, path: str, data: bytes) -> None:
        descriptor = os.open(self._root / path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        self._open[path] = descriptor
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    def sync(self, paths: Sequence[str]) -> None:
        if len(paths) == 1:
            self._sync(paths[0])
            return
        for done in [self._pool.submit(self._sync, path) for path in paths]:
            done.result()

    def _sync(self, path: str) -> None:
        descriptor = self._open.pop(path, None)
        if descriptor is None:
            descriptor = os.open(self._root / path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, old: str, new: str) -> None:
        (self._root / old).replace(self._root / new)

    def make(self, folder: str) -> list[str]:
        if folder in self._folders:
            return []
        touched: list[str] = []
        for part in reversed([PurePosixPath(folder), *PurePosixPath(folder).parents]):
            path = self._root / part
            if not path.is_dir():
                path.mkdir(mode=0o750)
                touched.append(str(part.parent))
        self._folders.add(folder)
        return touched

    def remove(self, path: str) -> None:
        target = self._root / path
        if target.is_dir() and not target.is_symlink():
            target.rmdir()
            self._folders.discard(path)
        else:
            target.unlink()

    def lock(self) -> None:
        (self._root / ".state").mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(self._root / ".state" / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise Refused(
                f"Another process writes the log in {self._root}. A log has one writer: stop that one first."
            ) from None
        self._lock = descriptor

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
