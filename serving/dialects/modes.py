"""From what was given to what is made: the mode of a film, and the role of each piece of media.

A model name may fix the mode; then the media have to go with it. Where it does not, the media choose: none is text to
video, one picture is its first frame, several are references, and a film is edited or continued.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from model.clip import Mode
from serving.dialects.names import Name
from serving.errors import BadField, Missing
from serving.wish import Given, Role

__all__ = ["Brought", "settle"]


@dataclass(slots=True)
class Brought:
    """What came with a request, in the order of the client."""

    loose: list[Given] = field(default_factory=list)  # pictures whose role the mode decides
    first: list[Given] = field(default_factory=list)
    references: list[Given] = field(default_factory=list)
    films: list[Given] = field(default_factory=list)
    goes_on: bool = False  # the film is continued rather than changed

    def add(self, kind: str, given: Given) -> None:
        """Takes one entry of a `media` list."""
        {Role.FIRST_FRAME: self.first, Role.REFERENCE: self.references, Role.SOURCE: self.films}[given.role].append(
            given
        )
        self.goes_on = self.goes_on or kind == "first_clip"


def settle(name: Name, brought: Brought, picture: str, film: str) -> tuple[Mode, tuple[Given, ...]]:
    """The mode, and the media with their roles. `picture` and `film` are the fields where these usually stand.

    Raises Missing and BadField.
    """
    mode = name.mode or _chosen(brought)
    if mode is Mode.I2V:
        return mode, _first_frame(brought, picture)
    if mode is Mode.R2V:
        _none(brought.first, "A first frame does not go with references here. Give either.")
        _none(brought.films, "A film does not go with reference-to-video. Give pictures.")
        return mode, _references(name, [*brought.loose, *brought.references], picture, least=1)
    if mode in (Mode.EDIT, Mode.EXTEND):
        return mode, _film(name, mode, brought, picture, film)
    _none(
        [*brought.loose, *brought.first, *brought.references, *brought.films],
        "This model makes films from text alone. Leave the media out, or name a model for them.",
    )
    return mode, ()


def _chosen(brought: Brought) -> Mode:
    if brought.films:
        return Mode.EXTEND if brought.goes_on else Mode.EDIT
    if brought.references or len(brought.loose) > 1:
        return Mode.R2V
    return Mode.I2V if brought.loose or brought.first else Mode.T2V


def _first_frame(brought: Brought, picture: str) -> tuple[Given, ...]:
    _none([*brought.references, *brought.films], "This model starts from one picture. Give a first frame alone.")
    pictures = [*brought.loose, *brought.first]
    if not pictures:
        raise Missing(picture, f"{picture} is missing. This model needs the first frame of the film.")
    _none(pictures[1:], "This model starts from one picture. Give exactly one.")
    return (replace(pictures[0], role=Role.FIRST_FRAME),)


def _references(name: Name, pictures: list[Given], picture: str, *, least: int = 0) -> tuple[Given, ...]:
    if len(pictures) < least:
        raise Missing(picture, f"{picture} is missing. This model needs at least one reference picture.")
    _none(pictures[name.references :], f"This model takes {name.references} references at most. Give fewer.")
    return tuple(replace(each, role=Role.REFERENCE) for each in pictures)


def _film(name: Name, mode: Mode, brought: Brought, picture: str, film: str) -> tuple[Given, ...]:
    if not brought.films:
        raise Missing(film, f"{film} is missing. Give the film to start from.")
    _none(brought.films[1:], "One film at a time can be changed or continued. Give exactly one.")
    _none(brought.first, "A first frame does not go with a film. Give either.")
    pictures = [*brought.loose, *brought.references]
    if mode is Mode.EXTEND:
        _none(pictures, "References do not go with a continuation. Leave the pictures out.")
    return (brought.films[0], *_references(name, pictures, picture))


def _none(unwanted: Iterable[Given], text: str) -> None:
    for each in unwanted:
        raise BadField(each.field, text)
