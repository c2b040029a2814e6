"""Reading a log that somebody handed over: a folder or a zip, by strangers, so nothing about it is believed.

Every read names the most bytes it will take. A path that leads out, a link, a device, a name twice, or a file that
unpacks to more than it should is refused before its bytes are used.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from policies.canonical import Digest, sha256
from policies.errors import Malformed, Refused
from policies.log.note import MOST_NOTE, Note
from policies.log.tiles import HASH, WIDTH, decode_bundle, decode_tile, entries_path, tile_path

__all__ = ["Folder", "Log", "Source", "Zip", "open_source"]

MOST_FILES: Final = 4_000_000
MOST_OBJECT: Final = 1 << 24  # bytes of one archived document
MOST_BUNDLE: Final = WIDTH * (2 + 65_535)
_NAME = re.compile(r"(?!/)(?:(?!\.{1,2}(?:/|$))[A-Za-z0-9._+-]{1,128}(?:/|$)){1,16}", re.ASCII)


class Source(Protocol):
    """Files by path, with `/` between the parts."""

    def read(self, path: str, most: int) -> bytes:
        """A file's bytes. Raises FileNotFoundError when there is none, Malformed when it has more than `most`."""

    def paths(self, under: str) -> Iterator[str]:
        """The files below a folder, sorted."""


class Folder:
    """A folder. Links are not followed, whether to files or to folders."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._real: set[str] = {""}  # folders that were seen to be folders

    def read(self, path: str, most: int) -> bytes:
        self._check(path.rpartition("/")[0])
        try:
            descriptor = os.open(self._root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Malformed(f"{path} cannot be read as a file: {error.strerror}.") from None
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Malformed(f"{path} is not a plain file.")
            return _bounded(path, file.read(most + 1), most)

    def paths(self, under: str) -> Iterator[str]:
        for folder, folders, names in os.walk(self._root / under):
            folders.sort()
            here = Path(folder).relative_to(self._root)
            yield from (str(here / name) for name in sorted(names))

    def _check(self, folder: str) -> None:
        if folder in self._real:
            return
        self._check(folder.rpartition("/")[0])
        if (self._root / folder).is_symlink():
            raise Malformed(f"{folder} is a link. A log has none: copy the folder it leads to.")
        self._real.add(folder)


class Zip:
    """A zip archive, such as an evidence bundle. It is never unpacked to disk."""

    def __init__(self, path: Path) -> None:
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, struct.error, NotImplementedError) as error:
            raise Malformed(f"{path.name} is not a zip archive that can be read: {error}.") from None
        self._files: dict[str, zipfile.ZipInfo] = {}
        for member in self._archive.infolist():
            self._take(member)

    def _take(self, member: zipfile.ZipInfo) -> None:
        name, mode = member.filename, member.external_attr >> 16
        shown = ascii(name[:80])
        if not _NAME.fullmatch(name):
            raise Malformed(f"The zip holds {shown}, a name that could lead elsewhere. Nothing of it was read.")
        if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR} or member.flag_bits & 1:
            raise Malformed(f"The zip holds {shown}, which is a link, a device or encrypted. Nothing of it was read.")
        if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise Malformed(f"{shown} is compressed in a way that is not read here. Use plain zip.")
        if name in self._files or len(self._files) >= MOST_FILES:
            raise Malformed(f"The zip holds {shown} twice, or more than {MOST_FILES:,} files.")
        if not member.is_dir():
            self._files[name] = member

    def read(self, path: str, most: int) -> bytes:
        member = self._files.get(path)
        if member is None:
            raise FileNotFoundError(path)
        if member.file_size > most:
            raise Malformed(f"{path} claims {member.file_size:,} bytes; at most {most:,} belong there.")
        try:
            with self._archive.open(member) as file:
                return _bounded(path, file.read(most + 1), most)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, struct.error) as error:
            raise Malformed(f"{path} cannot be unpacked: {error}.") from None

    def paths(self, under: str) -> Iterator[str]:
        return (name for name in sorted(self._files) if name.startswith(f"{under}/"))


def _bounded(path: str, data: bytes, most: int) -> bytes:
    if len(data) > most:
        raise Malformed(f"{path} has more than the {most:,} bytes that belong there.")
    return data


def open_source(path: Path) -> Source:
    """The folder or zip at a path. Raises Refused when there is neither."""
    if path.is_dir():
        return Folder(path)
    if path.is_file():
        return Zip(path)
    raise Refused(f"There is no folder or zip {path}. Name the folder of a log, or an evidence zip.")


class Log:
    """The parts of a log, decoded and not yet believed."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def head(self, path: str = "checkpoint") -> Note:
        """A signed note: the newest head, or one that was kept."""
        try:
            return Note.parse(self.source.read(path, MOST_NOTE))
        except FileNotFoundError:
            raise Refused(f"There is no file {path}, so this is not a log. Name the folder that holds it.") from None
        except Malformed as error:
            raise Malformed(f"{path} is no head of a log: {error}") from None

    def kept(self) -> list[str]:
        """Paths of the heads that were kept."""
        return [path for path in self.source.paths("checkpoints") if re.fullmatch(r"[^.].*/[0-9]{1,19}", path)]

    @cached_property
    def minimum(self) -> int:
        """The index below which entries may be gone (C2SP tlog-tiles, pruning). It is a claim of the log's owner."""
        try:
            text = self.source.read("minimum", 32)
        except FileNotFoundError:
            return 0
        if not re.fullmatch(rb"(?:0|[1-9][0-9]{0,18})\n", text):
            raise Malformed("The file minimum does not hold a number and a newline.")
        return int(text)

    def tile(self, level: int, n: int, width: int) -> list[bytes]:
        """The hashes of a tile; of a full one that has taken a partial one's place, the beginning."""
        try:
            return decode_tile(self.source.read(tile_path(level, n, width), width * HASH), width)
        except FileNotFoundError:
            if width == WIDTH:
                raise
            return decode_tile(self.source.read(tile_path(level, n), WIDTH * HASH))[:width]

    def bundle(self, n: int, width: int) -> list[bytes]:
        """The entries of a bundle, in the same way."""
        try:
            entries = decode_bundle(self.source.read(entries_path(n, width), MOST_BUNDLE))
        except FileNotFoundError:
            if width == WIDTH:
                raise
            return decode_bundle(self.source.read(entries_path(n), MOST_BUNDLE))[:width]
        if len(entries) != width:
            raise Malformed(f"A bundle of width {width} holds {len(entries)} entries.")
        return entries

    def object(self, digest: str) -> bytes:
        """An archived document, held to its digest. Raises FileNotFoundError or Malformed."""
        data = self.source.read(f"objects/sha256/{digest[:2]}/{digest[2:]}", MOST_OBJECT)
        if sha256(data) != Digest(digest):
            raise Malformed(f"The document {digest} is not the one that its name says: it was changed.")
        return data
