"""Whom a reader trusts: logs, witnesses, and how many of these must have vouched (C2SP tlog-policy).

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <member>…
    quorum <name>|none

The key's name of a log is its origin. Names of witnesses and groups are octets, which are kept as they came.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from policies.errors import Malformed, Untrusted
from policies.log.note import Checkpoint, Held, Kind, Note, Vkey, parse_vkey, verify

__all__ = ["Group", "Trust", "parse_trust"]

MOST_BYTES: Final = 1 << 20
MOST_LINES: Final = 10_000
NONE: Final = "none"

_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_GAP = re.compile(r"[ \t]+")


@dataclass(frozen=True, slots=True)
class Group:
    """Vouches when at least `needed` of its members do."""

    needed: int
    members: tuple[str, ...]  # witnesses, or groups defined before this one


@dataclass(frozen=True, slots=True)
class Trust:
    """A trust policy, parsed. A checkpoint is valid when a listed log signed it and the quorum vouched."""

    logs: tuple[Vkey, ...]
    witnesses: dict[str, Vkey]
    groups: dict[str, Group]  # in the order of the file: a group names only what stands before it
    quorum: str  # a witness, a group, or `none`

    def vkeys(self) -> tuple[Vkey, ...]:
        """Every key in this policy."""
        return tuple(dict.fromkeys((*self.logs, *self.witnesses.values())))

    def vouched(self, held: tuple[Held, ...]) -> set[str]:
        """The names of the witnesses and groups that vouch, given the signatures that hold."""
        keys = {one.vkey for one in held}
        names = {name for name, key in self.witnesses.items() if key in keys}
        for name, group in self.groups.items():
            if sum(member in names for member in group.members) >= group.needed:
                names.add(name)
        return names

    def quorum_met(self, note: Note) -> bool:
        """Whether enough witnesses cosigned this note. A known key's signature that does not hold means no."""
        if self.quorum == NONE:
            return True
        try:
            return self.quorum in self.vouched(verify(note, self.witnesses.values()))
        except Untrusted:
            return False

    def check(self, note: Note) -> Checkpoint:
        """The checkpoint of a note that is valid under this policy. Raises Untrusted with what is missing."""
        head = Checkpoint.parse(note.text)
        held = verify(note, self.vkeys())
        if not any(one.vkey in self.logs and one.vkey.name == head.origin for one in held):
            raise Untrusted(
                f"The checkpoint of {head.origin!r} is not signed by a log of that name that is trusted here."
            )
        if not self.quorum_met(note):
            names = ", ".join(sorted(one.vkey.name for one in held if one.vkey not in self.logs)) or "nobody"
            raise Untrusted(f"The quorum {self.quorum!r} has not vouched for this checkpoint; {names} did.")
        return head


def parse_trust(text: str | bytes) -> Trust:
    """The policy in a file. Raises Malformed with the number of the line that is wrong."""
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    if len(data) > MOST_BYTES or _CONTROL.search(data):
        raise Malformed("A trust policy has at most 1 MiB and no control characters but tab and newline.")
    if not data.endswith(b"\n"):
        raise Malformed("The last line of this trust policy has no newline, so its end may be missing.")
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    if len(lines) > MOST_LINES:
        raise Malformed(f"A trust policy has at most {MOST_LINES:,} lines.")
    return _Reader().read(lines)


@dataclass(slots=True)
class _Reader:
    """What the lines so far have defined."""

    logs: list[Vkey] = field(default_factory=list)
    witnesses: dict[str, Vkey] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)  # of any group: each name counts in one place only
    quorum: str | None = None

    def read(self, lines: list[str]) -> Trust:
        for number, line in enumerate(lines, 1):
            words = [word for word in _GAP.split(line) if word]
            if not words or words[0].startswith("#"):
                continue
            try:
                self._line(words[0], words[1:])
            except Malformed as error:
                raise Malformed(f"Line {number} of the trust policy: {error}") from None
        if self.quorum is None:
            raise Malformed("This trust policy has no `quorum` line. Write `quorum none` if no witness is needed.")
        return Trust(tuple(self.logs), self.witnesses, self.groups, self.quorum)

    def _line(self, word: str, rest: list[str]) -> None:
        lines: dict[str, Callable[[list[str]], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum,
        }
        if word not in lines:
            raise Malformed(f"{_show(word)} is not one of log, witness, group, quorum.")
        lines[word](rest)

    def _log(self, rest: list[str]) -> None:
        if len(rest) not in {1, 2}:
            raise Malformed("it reads `log <vkey> [<url>]`.")
        key = parse_vkey(rest[0])
        if any(key.public == other.public for other in self.logs):
            raise Malformed("this log's key stands there already.")
        self.logs.append(key)

    def _witness(self, rest: list[str]) -> None:
        if len(rest) not in {2, 3}:
            raise Malformed("it reads `witness <name> <vkey> [<url>]`.")
        key = parse_vkey(rest[1])
        if key.kind is Kind.ED25519:
            raise Malformed("a witness has a cosigner's key, of type 4 or 6.")
        if any(key.public == other.public for other in self.witnesses.values()):
            raise Malformed("this witness's key stands there already.")
        self.witnesses[self._fresh(rest[0])] = key

    def _group(self, rest: list[str]) -> None:
        if len(rest) < 3:
            raise Malformed("it reads `group <name> all|any|<k> <member>…`.")
        name, needed, members = self._fresh(rest[0]), rest[1], rest[2:]
        for member in members:
            self._known(member)
            if member in self.members:
                raise Malformed(f"{_show(member)} is a member of a group already.")
            self.members.add(member)
        self.groups[name] = Group(_needed(needed, len(members)), tuple(members))

    def _quorum(self, rest: list[str]) -> None:
        if len(rest) != 1 or self.quorum is not None:
            raise Malformed("it reads `quorum <name>` and stands there once.")
        self.quorum = rest[0] if rest[0] == NONE else self._known(rest[0])

    def _fresh(self, name: str) -> str:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise Malformed(f"the name {_show(name)} is taken.")
        return name

    def _known(self, name: str) -> str:
        if name not in self.witnesses and name not in self.groups:
            raise Malformed(f"{_show(name)} is not defined above.")
        return name


def _needed(word: str, members: int) -> int:
    if word in {"all", "any"}:
        return members if word == "all" else 1
    if not re.fullmatch(r"[1-9][0-9]{0,4}", word, re.ASCII) or int(word) > members:
        raise Malformed(f"a group of {members} needs `all`, `any` or 1 to {members} of them, not {_show(word)}.")
    return int(word)


def _show(word: str) -> str:
    return ascii(word[:60])
