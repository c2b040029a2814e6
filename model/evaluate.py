"""What the model can do, measured: every capability beside its ceiling and its floor.

For each row the same detectors look at three films of a caption: the rendered truth after the codec (the ceiling), the
model's own film, and the model's film of another caption (the floor). Rows about sound and picture keeping time have
another floor: a film's picture beside the sound of another, since each film by itself may well be in time. Nothing is
left out: a row that fails is shown failing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property
from itertools import permutations
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from model.clip import Clip, Film, Mode, Picture, Size
from model.detect.picture import PATCH, FaceTrack, Track, background, bodies, face
from model.detect.regions import grow
from model.detect.scores import WITHIN, bootstrap, interval, lips, pairs, psnr
from model.detect.sound import edit_distance, envelope, materials, notes, onsets, silent
from model.world.captions import LANGUAGES
from model.world.edits import EDITS, Background, Recolour, Remove, Replace, Reshape, Resound
from model.world.episodes import Episode, sample_episode
from model.world.render import contacts, cover, render
from model.world.scene import FPS, RADII, Body, Scene, heard
from model.world.sound import RATE, sound

if TYPE_CHECKING:
    from rich.table import Table

SIZE: Final = Size(64, 64)
SECONDS: Final = 2
FRAMES: Final = SECONDS * FPS
BATCH: Final = 32  # clips handed to the model together
LIKE: Final = 40.0  # mean difference of R, G and B below which two looks are taken for each other
SOFT: Final = 1.5  # pixels, standard deviation of the blur before looks are compared
KEPT: Final = 30.0  # dB between a film and its source, or the codec's copy of it, for a picture that was kept
MARGIN: Final = 4  # pixels around an edit that may change with it

Make = Callable[[Sequence[Clip]], Sequence[Film]]
Codec = Callable[[Film], Film]
Progress = Callable[[int, int], None]  # films made, films in all


# What is asked


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One clip to make, and what its film should be."""

    episode: Episode
    clip: Clip
    truth: Film
    kept: Film | None = None  # a sound edit's picture as the codec gives it back


def filmed(scene: Scene) -> Film:
    """A scene as it is."""
    return Film(frames=render(scene, FRAMES), fps=Fraction(FPS), sound=sound(scene, FRAMES), rate=RATE)


def _text(rng: np.random.Generator, i: int, held: bool) -> Episode:
    return sample_episode(rng, Mode.T2V, SIZE, held=held, kind="two" if i % 4 == 3 else "one")


def _knocking(rng: np.random.Generator) -> Episode:
    while True:
        episode = sample_episode(rng, Mode.T2V, SIZE, kind="one")
        if "material:0" in episode.caption.mentions and contacts(episode.scene, FRAMES):
            return episode


Draw = Callable[[np.random.Generator, int], Episode]  # from chance and the number of the case
# name: share of n, and how its cases are drawn
GROUPS: Final[dict[str, tuple[float, Draw]]] = {
    "seen": (1.0, lambda rng, i: _text(rng, i, held=False)),
    "held": (0.5, lambda rng, i: _text(rng, i, held=True)),
    "knocks": (0.5, lambda rng, _: _knocking(rng)),
    "faces": (1.0, lambda rng, _: sample_episode(rng, Mode.T2V, SIZE, kind="face")),
    "faces held": (0.5, lambda rng, _: sample_episode(rng, Mode.T2V, SIZE, held=True, kind="face")),
    "i2v": (1.0, lambda rng, _: sample_episode(rng, Mode.I2V, SIZE)),
    "r2v": (1.0, lambda rng, _: sample_episode(rng, Mode.R2V, SIZE)),
    "edit": (1.0, lambda rng, i: sample_episode(rng, Mode.EDIT, SIZE, change=EDITS[i % len(EDITS)])),
    "resound": (0.5, lambda rng, _: sample_episode(rng, Mode.EDIT, SIZE, change="resound")),
}


def cases(group: str, n: int, seed: int, codec: Codec) -> Iterator[Case]:
    """The cases of a group; a case is the same whatever n is."""
    share, draw = GROUPS[group]
    place = tuple(GROUPS).index(group)
    for i in range(max(2, round(share * n))):
        episode = draw(np.random.default_rng([seed, place, i]), i)
        source = None if episode.source is None else filmed(episode.source)
        clip = Clip(
            prompt=episode.caption.text,
            mode=episode.mode,
            size=SIZE,
            seconds=SECONDS,
            seed=(seed * len(GROUPS) + place) * 1_000_000 + i,
            image=render(episode.scene, 1)[0] if episode.mode is Mode.I2V else None,
            references=episode.references,
            source=source,
        )
        kept = codec(source) if source is not None and isinstance(episode.edit, Resound) else None
        yield Case(episode=episode, clip=clip, truth=filmed(episode.scene), kept=kept)


# What is found


class Watched:
    """A film, and what the detectors find in it, each once."""

    def __init__(self, film: Film) -> None:
        self.film = film

    @cached_property
    def bodies(self) -> list[Track]:
        return bodies(self.film)

    @cached_property
    def looks(self) -> list[Track]:
        """The bodies, whatever they wear."""
        return bodies(self.film, plain=False)

    @cached_property
    def face(self) -> FaceTrack | None:
        return face(self.film)

    @cached_property
    def background(self) -> str:
        return background(self.film)

    @cached_property
    def onsets(self) -> list[float]:
        return onsets(self.film.sound, self.film.rate)

    def materials(self, at: float) -> set[str]:
        return materials(self.film.sound, self.film.rate, at)


# How it is judged: each measure gives pairs (how much was right, out of how much), none where it does not apply

Outcomes = list[tuple[float, float]]
Measure = Callable[[Case, Watched, Watched], Outcomes]  # of a case, the picture of a film and the sound of a film


def _matched(wanted: Sequence[Body], tracks: Sequence[Track]) -> list[tuple[Body, Track | None]]:
    """Bodies and tracks, paired so that they agree in as much as possible; extra tracks are those seen least."""
    seen = [*tracks[: len(wanted)], *[None] * (len(wanted) - len(tracks))]

    def agreement(order: Iterable[Track | None]) -> int:
        return sum(
            (t.colour == b.skin) + (t.shape == b.shape) + (t.motion == b.motion)
            for b, t in zip(wanted, order, strict=True)
            if t is not None
        )

    return list(zip(wanted, max(permutations(seen), key=agreement), strict=True))


def _body(name: str, track_name: str) -> Measure:
    def measure(case: Case, picture: Watched, _: Watched) -> Outcomes:
        found = _matched(case.episode.scene.bodies, picture.bodies)
        return [(t is not None and getattr(t, track_name) == getattr(b, name), 1) for b, t in found]

    return measure


_colour, _shape, _motion = _body("skin", "colour"), _body("shape", "shape"), _body("motion", "motion")


def _background(case: Case, picture: Watched, _: Watched) -> Outcomes:
    said = "background" in case.episode.caption.mentions
    return [(picture.background == case.episode.scene.background, 1)] if said else []


def _language(language: str) -> Measure:
    def measure(case: Case, picture: Watched, sound: Watched) -> Outcomes:
        if case.episode.caption.language != language:
            return []
        return [o for part in (_colour, _shape, _motion, _background) for o in part(case, picture, sound)]

    return measure


def _material(case: Case, picture: Watched, sound: Watched) -> Outcomes:
    """At every contact that is seen: the said material is heard, and none that the scene does not have."""
    scene, mentions = case.episode.scene, case.episode.caption.mentions
    every = {b.material for b in scene.bodies}
    out: Outcomes = []
    for body, track in _matched(scene.bodies, picture.bodies):
        if track is None or f"material:{scene.bodies.index(body)}" not in mentions:
            continue
        for time in (f / FPS for f in track.contacts):
            near = [at for at in sound.onsets if abs(at - time) <= WITHIN]
            heard_there = sound.materials(min(near, key=lambda at: abs(at - time))) if near else set()
            out.append((body.material in heard_there and heard_there <= every, 1))
    return out


def _silence(case: Case, _: Watched, sound: Watched) -> Outcomes:
    quiet = case.episode.scene.face is None and not any(map(heard, case.episode.scene.bodies))
    return [(silent(sound.film.sound, sound.film.rate), 1)] if quiet else []


def _late(case: Case, picture: Watched, sound: Watched) -> tuple[list[float], int]:
    """Seconds by which the sounds of contacts are late, and how many contacts were seen and onsets heard."""
    if not any(map(heard, case.episode.scene.bodies)):
        return [], 0
    touched = sorted({f / FPS for t in picture.bodies for f in t.contacts})
    return pairs(touched, sound.onsets), len(touched) + len(sound.onsets)


def _sync(case: Case, picture: Watched, sound: Watched) -> Outcomes:
    late, total = _late(case, picture, sound)
    return [(2 * len(late), total)] if total else []


def _offset(case: Case, picture: Watched, sound: Watched) -> Outcomes:
    return [(1000 * abs(late), 1) for late in _late(case, picture, sound)[0]]


def _lips(_: Case, picture: Watched, sound: Watched) -> Outcomes:
    if picture.face is None:
        return [(0, 1)]
    return [(lips(picture.face.openness, envelope(sound.film.sound, sound.film.rate)).in_sync, 1)]


def _notes(case: Case, _: Watched, sound: Watched) -> Outcomes:
    wanted = case.episode.scene.face
    assert wanted is not None
    sung = [name for name in notes(sound.film.sound, sound.film.rate) if name is not None]
    return [(edit_distance(sung, wanted.notes), len(wanted.notes))]


def _first_frame(case: Case, picture: Watched, _: Watched) -> Outcomes:
    assert case.clip.image is not None
    return [(psnr(picture.film.frames[:1], case.clip.image[None]), 1)]


def _identity(case: Case, picture: Watched, _: Watched) -> Outcomes:
    scene = case.episode.scene
    if scene.face is not None:
        return [(picture.face is not None and picture.face.colour == scene.face.colour, 1)]
    found = _matched(scene.bodies, picture.bodies)
    return [(all(t is not None and (t.colour, t.shape) == (b.skin, b.shape) for b, t in found), 1)]


def nearest(track: Track, references: Sequence[Picture]) -> tuple[int, float]:
    """Number (from 1) of the reference that a body looks most like, and how far apart their softened surfaces are."""
    at = np.arange(PATCH, dtype=np.float32) - PATCH // 2 + 0.5
    body = cover(track.shape, RADII[track.size] - 1.0, at[None, :], at[:, None]) > 0.5
    apart = []
    for reference in references:
        both = body & (reference.max(-1) > 100)
        far = np.abs(_soft(track.picture, body) - _soft(reference, reference.max(-1) > 100))
        apart.append(float(far[both].mean()) if both.sum() >= 12 else np.inf)
    k = int(np.argmin(apart))
    return k + 1, apart[k]


def _soft(picture: Picture, surface: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A picture blurred within a surface, as far as any codec would."""
    at = np.arange(PATCH, dtype=np.float32)
    blur = np.exp(-0.5 * ((at[:, None] - at) / SOFT) ** 2)
    weight = blur @ surface.astype(np.float32) @ blur
    colours = np.einsum("ij,jkc,kl->ilc", blur, picture * surface[..., None].astype(np.float32), blur, optimize=True)
    return np.asarray(colours / np.maximum(weight, 1e-3)[..., None], np.float32)


def _named(case: Case, picture: Watched, _: Watched) -> Outcomes:
    """Each named reference is what a body looks most like."""
    named, references = case.episode.named, case.episode.references
    if len(references) < 2:
        return []
    tracks = picture.looks[: len(named)]
    found = [nearest(t, references)[0] for t in tracks] + [0] * (len(named) - len(tracks))
    best = max(permutations(found), key=lambda order: sum(a == b for a, b in zip(order, named, strict=True)))
    return [(a == b, 1) for a, b in zip(best, named, strict=True)]


def _no_distractor(case: Case, picture: Watched, _: Watched) -> Outcomes:
    """No body looks like a reference that was not named."""
    named, references = case.episode.named, case.episode.references
    if len(references) == len(named):
        return []
    likes = [nearest(t, references) for t in picture.looks]
    return [(not any(k not in named and apart < LIKE for k, apart in likes), 1)]


def _changed(case: Case, picture: Watched, sound: Watched) -> Outcomes:
    """The attribute that the edit names is the new one, and the old one is gone."""
    edit, source, scene = case.episode.edit, case.episode.source, case.episode.scene
    assert source is not None
    seen = {(t.colour, t.shape) for t in picture.bodies}
    match edit:
        case Recolour(body=None, colour=colour):
            right = picture.face is not None and picture.face.colour == colour
        case Recolour(body=int(k)) | Reshape(body=k):
            new, old = scene.bodies[k], source.bodies[k]
            right = (new.skin, new.shape) in seen and (old.skin, old.shape) not in seen
        case Remove(body=k):
            gone = source.bodies[k]
            right = (gone.skin, gone.shape) not in seen and len(picture.bodies) <= len(scene.bodies)
        case Background(background=name):
            right = picture.background == name
        case Resound(material=material):
            if not contacts(scene, FRAMES):
                return []
            right = {m for at in sound.onsets for m in sound.materials(at)} == {material}
        case Replace(reference=number):
            likes = [nearest(t, case.episode.references) for t in picture.looks]
            right = any(k == number and apart < LIKE for k, apart in likes)
        case _:
            raise ValueError(f"not an edit: {edit}")
    return [(right, 1)]


def _outside(case: Case, picture: Watched, _: Watched) -> Outcomes:
    """Likeness to the source wherever the edit changes nothing."""
    source = case.clip.source
    assert source is not None
    if isinstance(case.episode.edit, Background | Resound):
        return []
    differs = (case.truth.frames != source.frames).any(-1)
    near = grow(differs.astype(np.uint8), np.ones_like(differs), MARGIN) > 0
    return [(psnr(picture.film.frames, source.frames, ~near), 1)]


def _same_picture(case: Case, picture: Watched, _: Watched) -> Outcomes:
    if case.kept is None or case.clip.source is None:
        return []
    likeness = max(psnr(picture.film.frames, f.frames) for f in (case.kept, case.clip.source))
    return [(likeness >= KEPT, 1)]


# What is reported


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the report."""

    capability: str
    what: str
    groups: tuple[str, ...]
    measure: Measure
    target: float | None = None  # None for a row that only informs
    unit: str = "%"  # "%" of outcomes or of a ratio; "F1"; "dB", a mean; "ms", a median
    at_most: bool = False  # the target is the most that passes, rather than the least
    crossed: bool = False  # its floor is a picture beside another film's sound


_TEXT: Final = ("seen", "held", "knocks")
_FACES: Final = ("faces", "faces held")
_LEARNT: Final = (("", "seen"), (", held out", "held"))
ROWS: Final = (
    *(
        Row(capability="text", what=what + part, groups=(group,), measure=measure, target=None if part else target)
        for what, measure, target in (("colour", _colour, 0.98), ("shape", _shape, 0.95), ("motion", _motion, 0.92))
        for part, group in _LEARNT
    ),
    Row(capability="text", what="background", groups=("seen", "faces"), measure=_background, target=0.98),
    *(
        Row(capability="text", what=f"all of these, {name}", groups=("seen",), measure=_language(name))
        for name in LANGUAGES
    ),
    Row(capability="sound", what="material at contacts", groups=_TEXT, measure=_material, target=0.95),
    Row(capability="sound", what="silence when silent", groups=("seen", "held", "i2v"), measure=_silence, target=0.98),
    Row(
        capability="sync", what="onsets at contacts", groups=_TEXT, measure=_sync,
        target=0.93, unit="F1", crossed=True,
    ),
    Row(
        capability="sync", what="median offset", groups=_TEXT, measure=_offset,
        target=31, unit="ms", at_most=True, crossed=True,
    ),
    Row(capability="lips", what="lag of one frame at most", groups=_FACES, measure=_lips, target=0.95, crossed=True),
    Row(capability="lips", what="note errors", groups=("faces",), measure=_notes, target=0.10, at_most=True),
    Row(capability="lips", what="note errors, held out", groups=("faces held",), measure=_notes, at_most=True),
    Row(capability="i2v", what="first frame", groups=("i2v",), measure=_first_frame, target=28, unit="dB"),
    Row(capability="i2v", what="identity kept", groups=("i2v",), measure=_identity, target=0.97),
    Row(capability="r2v", what="named reference nearest", groups=("r2v",), measure=_named, target=0.95),
    Row(capability="r2v", what="distractor absent", groups=("r2v",), measure=_no_distractor, target=0.97),
    Row(capability="edit", what="attribute changed", groups=("edit",), measure=_changed, target=0.92),
    Row(capability="edit", what="outside the edit", groups=("edit",), measure=_outside, target=30, unit="dB"),
    Row(
        capability="edit", what="sound edit keeps the picture", groups=("edit", "resound"),
        measure=_same_picture, target=0.95,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Score:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int  # outcomes, or films for F1, errors, dB


def score(row: Row, outcomes: Outcomes) -> Score:
    """The statistic of a row's outcomes."""
    found = np.array(outcomes, np.float64).reshape(-1, 2)
    n = len(found)
    if n == 0:
        return Score(float("nan"), float("nan"), float("nan"), 0)

    def statistic(sample: Any) -> float:
        if row.unit == "ms":
            return float(np.median(sample[:, 0]))
        return float(sample[:, 0].sum() / max(sample[:, 1].sum(), 1e-9))

    value = statistic(found)
    whole = row.unit == "%" and bool((found[:, 1] == 1).all())
    low, high = interval(found[:, 0].sum(), n) if whole else bootstrap(found, statistic)
    return Score(value, low, high, n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row with its three scores."""

    capability: str
    what: str
    unit: str
    target: float | None
    at_most: bool
    ceiling: Score
    model: Score
    floor: Score

    @property
    def passed(self) -> bool | None:
        """Whether the model's value meets the target; None when there is no target, False when nothing was measured."""
        if self.target is None:
            return None
        return self.model.value <= self.target if self.at_most else self.model.value >= self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Every row that was asked for."""

    n: int
    seed: int
    lines: tuple[Line, ...]

    def json(self) -> dict[str, Any]:
        """The report as plain values; shares are between 0 and 1, and what was not measured is None."""
        rows = [asdict(line) | {"passed": line.passed} for line in self.lines]
        for row in rows:
            for name in ("ceiling", "model", "floor"):
                row[name] = {k: None if np.isnan(v) else v for k, v in row[name].items()}
        return {"n": self.n, "seed": self.seed, "size": str(SIZE), "seconds": SECONDS, "rows": rows}

    def table(self) -> Table:
        """The report for a terminal."""
        from rich.table import Table

        table = Table(title=f"n = {self.n}, seed {self.seed}; 95 % intervals")
        for name in ("capability", "what", "target", "ceiling", "model", "floor", "n", ""):
            table.add_column(name, justify="left" if name in ("capability", "what", "") else "right")
        for line in self.lines:
            scale, digits = (100, 1) if line.unit == "%" else (1, 3 if line.unit == "F1" else 1)

            def shown(s: Score, scale: int = scale, digits: int = digits) -> str:
                if s.n == 0:
                    return "–"
                value, low, high = (f"{scale * v:.{digits}f}" for v in (s.value, s.low, s.high))
                return f"{value} ({low}–{high})"

            target = (
                "" if line.target is None else f"{'≤' if line.at_most else '≥'} {scale * line.target:g} {line.unit}"
            )
            verdict = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[line.passed]
            scores = (shown(line.ceiling), shown(line.model), shown(line.floor))
            counted = str(line.model.n) if line.model.n == line.ceiling.n else f"{line.model.n} of {line.ceiling.n}"
            table.add_row(line.capability, line.what, target, *scores, counted, verdict)
        return table


def evaluate(
    make: Make,
    codec: Codec,
    *,
    n: int = 200,
    seed: int = 0,
    rows: Sequence[Row] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Makes about 7 n films, none of them twice, and reports `rows`, or all of them.

    `make` is the model: clips to films of the size asked for. `codec` is its round trip through codes.
    """
    chosen = ROWS if rows is None else tuple(rows)
    wanted = [group for group in GROUPS if any(group in row.groups for row in chosen)]
    total = sum(max(2, round(GROUPS[group][0] * n)) for group in wanted)
    found: dict[tuple[Row, str], Outcomes] = {
        (row, name): [] for row in chosen for name in ("ceiling", "model", "floor")
    }
    done = 0
    for group in wanted:
        asked = list(cases(group, n, seed, codec))
        made: list[Watched] = []
        for start in range(0, len(asked), BATCH):
            made += map(Watched, make([case.clip for case in asked[start : start + BATCH]]))
            if progress is not None:
                progress(done + len(made), total)
        done += len(made)
        step = 1 + int(np.random.default_rng([seed, done]).integers(len(asked) - 1))
        for i, case in enumerate(asked):
            ceiling, own, other = Watched(codec(case.truth)), made[i], made[(i + step) % len(made)]
            for row in chosen:
                if group in row.groups:
                    found[row, "ceiling"] += row.measure(case, ceiling, ceiling)
                    found[row, "model"] += row.measure(case, own, own)
                    found[row, "floor"] += row.measure(case, own if row.crossed else other, other)
    lines = tuple(
        Line(
            capability=row.capability,
            what=row.what,
            unit=row.unit,
            target=row.target,
            at_most=row.at_most,
            **{name: score(row, found[row, name]) for name in ("ceiling", "model", "floor")},
        )
        for row in chosen
    )
    return Report(n=n, seed=seed, lines=lines)
