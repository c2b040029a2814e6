"""Three films that show what the pony does: a ball, a face, and the ball edited; and one sheet of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from model.clip import Clip, Film, Mode
from model.detect.picture import bodies
from model.make import OnChunk
from model.media import Event, Sheet, read_film, several
from model.report import Made, Timed, shoot

SECONDS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One film of the demonstration."""

    name: str
    prompt: str
    seed: int
    edits: str | None = None  # name of the film that is edited


SCENES: Final = (
    Scene(name="ball", prompt="a small red circle made of metal bounces up and down on a black background", seed=9),
    Scene(name="face", prompt="a yellow face sings C E G C on a navy background", seed=7),
    Scene(name="edit", prompt="make the circle blue", seed=1, edits="ball"),
)

Watch = Callable[[str], AbstractContextManager[OnChunk]]  # name of a film to who hears of its chunks


def show(generator: Timed, folder: Path, watch: Watch) -> Iterator[Made]:
    """Makes the films one after the other, then the sheet `folder/sheet.png`; `folder` must exist."""
    config, sheets = generator.model.config, []
    for scene in SCENES:
        source = None
        if scene.edits is not None:
            body = folder / f"{scene.edits}.mp4"
            source = read_film(body, fps=Fraction(config.video.fps), rate=config.audio.rate)
        clip = Clip(
            prompt=scene.prompt,
            mode=Mode.T2V if source is None else Mode.EDIT,
            size=config.sizes[0],
            seconds=SECONDS,
            seed=scene.seed,
            source=source,
        )
        with watch(scene.name) as on_chunk:
            made = shoot(generator, clip, folder / f"{scene.name}.mp4", on_chunk=on_chunk)
        sheets.append(Sheet(made.film, f"{scene.name}: {scene.prompt}", (*seen(made.film), *made.events)))
        yield made
    several(sheets, folder / "sheet.png")


def seen(film: Film) -> list[Event]:
    """The moments in which a body is seen to touch the floor or a wall."""
    return [Event(float(frame / film.fps), "touches") for track in bodies(film) for frame in track.contacts]
