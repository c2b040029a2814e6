"""Where documents lie: the shipped ones, or files that an operator names. The only part here that opens files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from policies.atlas import Atlas, LegalLists
from policies.errors import Refused
from policies.policy import Policy
from policies.signatures import Signed, Trust

__all__ = ["Shelf", "read", "read_policy", "read_signed", "write"]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Which files to read; None is the one that comes with this package."""

    catalogue: Path | None = None
    lists: Path | None = None
    trust: Path | None = None
    overlays: Sequence[Path] = ()
    policy: Path | None = None  # a folder with `rules.cedar` and `schema.cedarschema`, or a bundle

    def read_atlas(self, day: int) -> Atlas:
        """Catalogue and overlays, once trusted keys vouch for them on this day."""
        catalogue = read_signed(self.catalogue or _shipped("catalogue.json"))
        overlays = [read_signed(path) for path in self.overlays]
        return Atlas.open(catalogue, overlays, self.read_trust(shipped=self.catalogue is None), day)

    def read_lists(self, day: int) -> LegalLists:
        """Lists, once a trusted key vouches for them on this day."""
        lists = read_signed(self.lists or _shipped("lists.json"))
        return LegalLists.open(lists, self.read_trust(shipped=self.lists is None), day)

    def read_trust(self, *, shipped: bool = True) -> Trust:
        """The keys that count: those of a trust file, and the shipped key where a shipped document is read."""
        own = Trust.parse(read(self.trust)).keys if self.trust else ()
        starter = Trust.parse(read(_shipped("trust.json"))).keys if shipped or not self.trust else ()
        return Trust(keys=(*own, *starter))

    def read_policy(self) -> Policy:
        """Rules and schema."""
        return read_policy(self.policy) if self.policy else Policy.shipped()


def read_policy(path: Path) -> Policy:
    """A policy from a folder or a bundle. Raises Malformed or Refused."""
    if not path.is_dir():
        return Policy.parse(read(path).strip())
    schema, rules = read(path / "schema.cedarschema"), read(path / "rules.cedar")
    try:
        return Policy(schema.decode(), rules.decode())
    except UnicodeDecodeError:
        raise Refused(f"The policy in {path} is not text in UTF-8.") from None


def read_signed(path: Path | Traversable) -> Signed:
    """A document and the signature that lies beside it as `NAME.sig`, if there is one."""
    beside = path.parent / f"{path.name}.sig" if isinstance(path, Path) else _shipped(f"{path.name}.sig")
    return Signed(read(path), read(beside) if beside.is_file() else None)


def read(path: Path | Traversable) -> bytes:
    """A file's bytes. Raises Refused with the reason when there are none to be had."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror or error}.") from None


def _shipped(name: str) -> Traversable:
    return files("policies") / "data" / name


def write(path: Path, text: bytes) -> None:
    """Writes a file. Raises Refused with the reason when that is not possible."""
    try:
        path.write_bytes(text)
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror or error}.") from None
