"""Every decision made again, under the documents that its entry names by digest, for every region of the catalogue.

A decision agrees when the same regions are eligible, the same rules deny the same number of others, and the chosen
region is among the eligible. With lists as of now the same entries say which requests ran on a provider that is
listed now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from policies.atlas import Atlas, LegalLists
from policies.canonical import encode
from policies.errors import Malformed, PolicyError
from policies.facts import facts
from policies.log.finding import Finding
from policies.log.reader import Log
from policies.log.scan import Row
from policies.replay import Archive, Question, replay

__all__ = ["DAY", "Replays"]

DAY = 86_400_000  # milliseconds
_REASONS = frozenset({b"stale_table", b"engine_missing", b"policy_refused", b"refused_wish", b"unknown_tenant"})

Grounds = tuple[bytes, bytes, bytes, bytes]  # digests: policy, catalogue, lists, constraints
Asked = tuple[bytes, bytes, bytes, int]  # class, purpose, subject's jurisdiction, day
Told = tuple[bytes, bytes | None]  # candidates as JSON, and the region that was chosen


class Replays:
    """Decisions and executions, gathered first; equal ones are asked once."""

    def __init__(self, log: Log, *, replay: bool, new_list: bytes | None) -> None:
        self._log, self._replay = log, replay
        self._lists = None if new_list is None else LegalLists.parse(new_list).lists
        self._asked: dict[Grounds, dict[Asked, dict[Told, list[int]]]] = {}
        self._ran: list[tuple[int, int, bytes, bytes]] = []  # index, day, request, region
        self._catalogue: dict[bytes, bytes] = {}  # of each request
        self._documents: dict[bytes, bytes] = {}
        self._missing: dict[bytes, Finding] = {}
        self.replayed = self.not_replayed = 0

    @property
    def wanted(self) -> bool:
        """Whether the fields that decisions rest on are to be read at all."""
        return self._replay or self._lists is not None

    def decided(self, index: int, row: Row) -> None:
        """A decision."""
        _, ts, _, _, request, verdict, cat, pol, lst, con, cls, pur, sub, cand, rules = row[:15]
        if self._lists is not None:
            self._catalogue[request] = cat
        if any(reason in rules for reason in _REASONS):
            self.not_replayed += 1
        elif self._replay:
            told = (cand, row[15] if verdict == b"allow" else None)
            questions = self._asked.setdefault((pol, cat, lst, con), {})
            questions.setdefault((cls, pur, sub, int(ts) // DAY), {}).setdefault(told, []).append(index)

    def executed(self, index: int, ts: int, request: bytes, region: bytes) -> None:
        """A request ran."""
        if self._lists is not None:
            self._ran.append((index, ts // DAY, request, region))

    def findings(self) -> Iterator[Finding]:
        """Where the documents decide otherwise, and what is listed now."""
        for grounds, questions in self._asked.items():
            yield from self._again(grounds, questions)
        yield from self._listed()
        yield from self._missing.values()

    def _again(self, grounds: Grounds, questions: dict[Asked, dict[Told, list[int]]]) -> Iterator[Finding]:
        documents = [self._document(digest) for digest in grounds]
        if any(document is None for document in documents):
            return
        try:
            answers = _answers(Archive(*(document or b"" for document in documents)), questions)
        except PolicyError as error:
            yield Finding("object.differs", f"objects for policy {grounds[0].decode()}", str(error))
            return
        for asked, told in questions.items():
            for (cand, region), indices in told.items():
                self.replayed += len(indices)
                if words := _difference(answers[asked], cand, region):
                    yield from (Finding("replay.differs", f"entry {index}", words, index) for index in indices)

    def _listed(self) -> Iterator[Finding]:
        known: dict[tuple[bytes, int], dict[str, frozenset[str]]] = {}
        for index, day, request, region in self._ran:
            cat = self._catalogue.get(request, b"")
            if (cat, day) not in known:
                known[cat, day] = self._lists_of(cat, day)
            if lists := known[cat, day].get(region.decode()):
                words = (
                    f"{request.decode()} ran in {region.decode()}, whose provider stands on {', '.join(sorted(lists))}."
                )
                yield Finding("listed", f"entry {index}", words, index)

    def _lists_of(self, cat: bytes, day: int) -> dict[str, frozenset[str]]:
        """The lists on which each region's provider stands now, by what was known of the provider that day."""
        document = self._document(cat) if cat else None
        if document is None or self._lists is None:
            return {}
        try:
            catalogue = Atlas.parse(document).catalogue
        except PolicyError as error:
            self._missing.setdefault(cat, Finding("object.differs", f"object {cat.decode()}", str(error)))
            return {}
        return {region: fact.provider.lists for region, fact in facts(catalogue, self._lists, day).items()}

    def _document(self, digest: bytes) -> bytes | None:
        if digest not in self._documents and digest not in self._missing:
            place = f"object {digest.decode()}"
            try:
                self._documents[digest] = self._log.object(digest.decode())
            except FileNotFoundError:
                words = "Decisions rest on this document, and it is not in the archive. Ask the operator for it."
                self._missing[digest] = Finding("object.missing", place, words)
            except Malformed as error:
                self._missing[digest] = Finding("object.differs", place, str(error))
        return self._documents.get(digest)


def _answers(archive: Archive, questions: Iterable[Asked]) -> dict[Asked, tuple[bytes, frozenset[bytes]]]:
    """What an entry must say of the candidates, and the eligible regions, for each question."""
    regions = [region.id for region in Atlas.parse(archive.catalogue).catalogue.regions]
    whole = [
        Question(cls.decode(), pur.decode(), sub.decode(), region, day)
        for cls, pur, sub, day in questions
        for region in regions
    ]
    answers = replay(archive, whole)
    found = {}
    for place, asked in enumerate(questions):
        mine = list(zip(regions, answers[place * len(regions) : (place + 1) * len(regions)], strict=True))
        eligible = frozenset(region.encode() for region, answer in mine if answer.allowed)
        denied = Counter(rule.replace("-", "_") for _, answer in mine if not answer.allowed for rule in answer.rules)
        found[asked] = (encode({"eligible": len(eligible), "denied": dict(denied)}), eligible)
    return found


def _difference(answer: tuple[bytes, frozenset[bytes]], cand: bytes, region: bytes | None) -> str:
    if region is not None and region not in answer[1]:
        return "The archived policy does not allow the region that was chosen. Ask the operator how it could be."
    if cand != answer[0]:
        return "The archived policy finds other regions eligible, or denies others, than the entry says."
    return ""
