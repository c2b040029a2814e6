"""Decides past requests again, from nothing but the documents that the log names by digest.

`pol`, `cat`, `lst` and `con` of a log entry name four documents, and the archive holds their bytes. With them and the
question that the entry records, every decision can be made again, by anyone, on any day. With another list in the
archive the same questions say which requests ran on a provider that is listed now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from policies.atlas import Atlas, LegalLists
from policies.cedar import Cedar, World
from policies.constraints import Constraints, DataClass, Purpose
from policies.decision import Asked
from policies.facts import facts, window
from policies.policy import Policy

__all__ = ["Answer", "Archive", "Question", "replay"]


@dataclass(frozen=True, slots=True)
class Archive:
    """The documents behind decisions, byte for byte as their digests name them (canonical JSON, each of them)."""

    policy: bytes  # `pol`: the bundle of schema and rules
    catalogue: bytes  # `cat`: the catalogue with the operator's overlays
    lists: bytes  # `lst`: lists of entities, and of countries that are adequate
    constraints: bytes  # `con`: what the caller demanded, narrowed


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked."""

    data_class: str
    purpose: str
    subject_region: str  # the jurisdiction of the people whom the content concerns, such as `EU`
    region: str  # the id of the region that was chosen, or that was asked about
    day: int  # whole days since 1970-01-01, UTC


@dataclass(frozen=True, slots=True)
class Answer:
    """What the rules say: deciding rules are the permit's id, or the ids of all that forbid, sorted."""

    allowed: bool
    rules: tuple[str, ...]


def replay(archive: Archive, questions: Sequence[Question]) -> list[Answer]:
    """The answers, in the order of the questions. Raises Malformed when a document is not what it claims to be.

    A region, class or purpose that the documents do not know is an answer too: denied, with `unknown_region`,
    `unknown_class` or `unknown_purpose`.
    """
    past = _Past(archive)
    answers: dict[Question, Answer] = {}
    for batch in past.batches(dict.fromkeys(questions)):
        answers.update(zip(batch, past.ask(batch), strict=True))
    return [answers.get(question) or past.unknown(question) for question in questions]


class _Past:
    """The documents of an archive, read once."""

    def __init__(self, archive: Archive) -> None:
        self.cedar = Cedar.load(Policy.parse(archive.policy), whole=False)
        self.catalogue = Atlas.parse(archive.catalogue).catalogue
        self.lists = LegalLists.parse(archive.lists).lists
        self.tenant = Constraints.parse(archive.constraints)
        self.regions = {region.id for region in self.catalogue.regions}
        # A day outside the documents' own days has a span too: one that does not hold it, so that the rules deny.
        self.worlds: dict[tuple[int, int], World] = {}  # by the days on which their facts hold

    def batches(self, questions: Iterable[Question]) -> Iterable[list[Question]]:
        """Questions that can be asked together: all that is the same but the region."""
        together: dict[tuple[str, str, str, int], list[Question]] = {}
        for question in questions:
            if not self.doubt(question):
                key = (question.data_class, question.purpose, question.subject_region, question.day)
                together.setdefault(key, []).append(question)
        return together.values()

    def ask(self, batch: Sequence[Question]) -> list[Answer]:
        """The answers to questions that differ in the region only."""
        first = batch[0]
        asked = Asked(DataClass(first.data_class), Purpose(first.purpose), first.subject_region, first.day)
        regions = [question.region for question in batch]
        verdicts = self.cedar.ask(self.world(first.day), self.tenant.digest, regions, asked)
        return [Answer(verdict.allowed, verdict.rules) for verdict in verdicts]

    def world(self, day: int) -> World:
        """Regions as they were known on a day, and the one tenant."""
        span = window(self.catalogue, self.lists, day)
        if span not in self.worlds:
            self.worlds[span] = self.cedar.world(facts(self.catalogue, self.lists, day).values(), [self.tenant])
        return self.worlds[span]

    def doubt(self, question: Question) -> str:
        """Which word of a question the documents do not know, or ""."""
        if question.region not in self.regions:
            return "unknown_region"
        if question.data_class not in set(DataClass):
            return "unknown_class"
        return "" if question.purpose in set(Purpose) else "unknown_purpose"

    def unknown(self, question: Question) -> Answer:
        """The answer to a question that cannot be asked."""
        return Answer(False, (self.doubt(question),))
