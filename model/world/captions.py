"""What a scene is called, in four languages. The words stand in `phrases.py`; here chance puts them together.

A caption always names the colour, the shape and the motion of every body, or the notes of a face. The other parts are
said or left out, and `mentions` tells which were said, so that a film is never blamed for what nobody asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from model.world.phrases import PHRASES, Phrases
from model.world.scene import Body, Face, Scene, heard

LANGUAGES: Final = ("en", "ja", "de", "fr")
SAID: Final = 0.7  # how often an optional part is said
SAID_WHEN_HEARD: Final = 0.85  # the same for a material that can be heard
SAID_WHEN_SILENT: Final = 0.15  # and for one that cannot
STOPPED: Final = 0.2  # how often a caption ends with a full stop

_OPTIONAL: Final = re.compile("<([^<>]*)>")


@dataclass(frozen=True, slots=True)
class Caption:
    """A sentence, and the optional parts that it says.

    They are called "background", and "size:0", "material:0", "pace:0" for the body whose place is 0.
    """

    text: str
    language: str
    mentions: frozenset[str]


@cache
def _alternatives(entry: str) -> tuple[str, ...]:
    return tuple(entry.split("|"))


class Wording:
    """The words chosen so far for one clause in one language."""

    def __init__(self, phrases: Phrases, rng: np.random.Generator) -> None:
        self._phrases, self._rng = phrases, rng
        self._words: dict[str, str] = {}

    def pick(self, options: tuple[str, ...]) -> str:
        return options[int(self._rng.integers(len(options)))]

    def noun(self, shape: str) -> None:
        """Choose the shape, first of all, since the other words agree with it."""
        article, _, self._words["shape"] = self.pick(_alternatives(self._phrases.shapes[shape])).rpartition(" ")
        self._words |= self._phrases.genders[article]

    def word(self, field: str, entry: str) -> None:
        """Choose one of an entry's alternatives, in both of its forms."""
        first, _, second = self.pick(_alternatives(entry)).partition("/")
        self._words[field] = first.format_map(self._words)
        self._words[f"{field}2"] = (second or first).format_map(self._words)

    def put(self, field: str, text: str) -> None:
        """Set a field to a text as it is."""
        self._words[field] = text

    def say(self, patterns: tuple[str, ...]) -> str:
        """Fill one of the patterns with the words chosen so far."""
        chosen = _OPTIONAL.sub(self._optional, self.pick(patterns))
        return chosen.format_map(self._words)

    def _optional(self, part: re.Match[str]) -> str:
        try:
            return part[1].format_map(self._words)
        except KeyError:
            return ""


def language_of(rng: np.random.Generator, language: str | None) -> str:
    """The wanted language, or any."""
    return language or LANGUAGES[int(rng.integers(len(LANGUAGES)))]


def finish(rng: np.random.Generator, phrases: Phrases, text: str) -> str:
    """Mend what two words do to each other, and end the sentence now and then."""
    for wrong, right in phrases.repairs:
        text = re.sub(wrong, right, text)
    return text + phrases.stop if rng.random() < STOPPED else text


def caption(
    scene: Scene,
    rng: np.random.Generator,
    language: str | None = None,
    references: Mapping[int, int] | None = None,
) -> Caption:
    """One way to say what a scene shows; `references` maps the place of a body to the number it is called by."""
    language = language_of(rng, language)
    phrases = PHRASES[language]
    mentions: set[str] = set()
    if scene.face is not None:
        clauses = [_face(scene.face, Wording(phrases, rng), phrases)]
    else:
        names = references or {}
        clauses = [_body(i, b, names.get(i), rng, phrases, mentions) for i, b in enumerate(scene.bodies)]
    if not clauses:
        raise ValueError("an empty scene has no caption")
    text = _join(phrases, clauses)
    if rng.random() < SAID:
        mentions.add("background")
        whole = Wording(phrases, rng)
        whole.word("background", phrases.backgrounds[scene.background])
        whole.put("clauses", text)
        whole.put("inverted", _join(phrases, clauses, inverted=True))
        text = whole.say(phrases.scenes)
    return Caption(finish(rng, phrases, text), language, frozenset(mentions))


Clause = tuple[str, str]  # subject, predicate


def _face(face: Face, wording: Wording, phrases: Phrases) -> Clause:
    wording.noun("face")
    wording.word("colour", phrases.colours[face.colour])
    wording.put("notes", " ".join(face.notes))
    return wording.say(phrases.thing), wording.say(phrases.sings)


def _body(
    place: int, body: Body, name: int | None, rng: np.random.Generator, phrases: Phrases, mentions: set[str]
) -> Clause:
    wording = Wording(phrases, rng)

    def maybe(field: str, entry: str, chance: float = SAID) -> None:
        if rng.random() < chance:
            mentions.add(f"{field}:{place}")
            wording.word(field, entry)

    if name is None:
        wording.noun(body.shape)
        maybe("size", phrases.sizes[body.size])
        if not isinstance(body.skin, str):
            raise ValueError("no caption can name a look: call the body by a reference")
        wording.word("colour", phrases.colours[body.skin])
    else:
        wording.put("name", f"[{name}]")
    maybe("material", phrases.materials[body.material], SAID_WHEN_HEARD if heard(body) else SAID_WHEN_SILENT)
    if body.motion != "still":
        maybe("pace", phrases.paces[body.pace])
    if body.motion in phrases.ways:
        wording.word("way", phrases.ways[body.motion])
    move = "slide" if body.motion in phrases.ways else body.motion
    return wording.say(phrases.thing if name is None else phrases.named), wording.say(phrases.moves[move])


def _join(phrases: Phrases, clauses: Sequence[Clause], *, inverted: bool = False) -> str:
    said = [phrases.clause.format(subject=subject, predicate=predicate) for subject, predicate in clauses]
    if inverted:
        subject, predicate = clauses[0]
        verb, _, rest = predicate.partition(" ")
        said[0] = f"{verb} {subject} {rest}".rstrip()
    for i, clause in enumerate(said[:-1]):
        for end, linked in phrases.linked.items():
            if clause.endswith(end):
                said[i] = clause.removesuffix(end) + linked
    return phrases.link.join(said)
