"""What a viewer sees in a film: its background, the bodies and how they move, a face and its mouth.

The detectors know the palette, the shapes and the sizes of the world, and nothing of the scene. They first give every
pixel the name of the nearest colour. Bodies grow from the inside of areas of one name, so that soft edges, which pass
through other colours, take the name of their body. A shape is the softened template that correlates best at any half
pixel nearby: a codec blurs small bodies, and blurred bodies are told apart by how they fade.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from model.clip import Film, Frames, Picture, Size
from model.detect.motion import Centres, move, wrapped
from model.detect.regions import grow, inner, label, parted
from model.world.render import cover
from model.world.scene import BACKGROUNDS, COLOURS, FACE_RADIUS, RADII, SHAPES

Field = NDArray[np.float32]

PALETTE: Final = (*BACKGROUNDS, *COLOURS)
SPECK: Final = 20  # pixels; anything smaller is not a body
BODY_AREA: Final = 760  # pixels; anything larger is not a body either
LONGEST: Final = 29  # pixels; anything longer is two bodies that touch
PATCH: Final = 32  # pixels, the side of the square that is cut out around a body
REACH: Final = 2.0  # pixels around the centroid in which a template is tried, in steps of a half
STEP: Final = 24.0  # pixels that a body may go in a frame
SOFT: Final = 2.0  # pixels, standard deviation of the blur of templates
CONTRAST: Final = 60.0  # sum over R, G, B that tells a body of a named colour from the background
LOOK_CONTRAST: Final = 100.0  # the same for looks, which are never as close to a background


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Track:
    """One body from the first frame to the last."""

    colour: str  # the nearest of the named colours
    rgb: Field  # [3], mean of the inside, 0..255
    shape: str
    size: str
    centres: Centres
    motion: str
    pace: str  # means nothing when the body is still
    contacts: list[int]  # frames in which it is seen to touch the floor or a wall
    picture: Picture  # [PATCH, PATCH, 3], mean over the frames, with the body's centre in the middle
    fit: float  # correlation with its template, up to 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceTrack:
    """A face, and its mouth from the first frame to the last."""

    colour: str
    centre: tuple[int, int]
    openness: Field  # [frames], 0 closed .. 1 open

    @property
    def open(self) -> NDArray[np.bool_]:
        """Frames in which the mouth is more open than closed."""
        return self.openness > 0.5


@cache
def _nearest() -> NDArray[np.uint8]:
    """Place in PALETTE of the colour nearest to each RGB of five bits a channel.

    A body's colour may be a quarter darker or a little brighter: dim yellow is closer to yellow than to orange.
    """
    step = np.arange(32, dtype=np.float32) * 8 + 4
    rgb = np.stack(np.meshgrid(step, step, step, indexing="ij"), -1).reshape(-1, 3)
    return _distances(rgb).argmin(1).astype(np.uint8)


def _distances(rgb: Field) -> Field:
    """Squared distance of each of [n, 3] colours from each of PALETTE: [n, names]."""
    palette = np.array([{**BACKGROUNDS, **COLOURS}[name] for name in PALETTE], np.float32)
    light = np.clip(rgb @ palette.T / (palette**2).sum(1), 0.75, 1.08)
    light[:, : len(BACKGROUNDS)] = 1.0
    return np.asarray(((rgb[:, None] - light[..., None] * palette) ** 2).sum(-1), np.float32)


def named(frames: Frames) -> NDArray[np.uint8]:
    """Place in PALETTE of the colour nearest to each pixel."""
    five = (frames >> 3).astype(np.uint16)
    return _nearest()[(five[..., 0] << 10) | (five[..., 1] << 5) | five[..., 2]]


def colour_of(rgb: Field) -> str:
    """The named colour, backgrounds left out, nearest to a mean."""
    return PALETTE[len(BACKGROUNDS) + int(_distances(rgb[None])[0, len(BACKGROUNDS) :].argmin())]


def background(film: Film) -> str:
    """The background: no other colour of the dark palette covers as many pixels."""
    return PALETTE[_ground(named(film.frames))]


def _ground(names: NDArray[np.uint8]) -> int:
    return int(np.bincount(names.ravel(), minlength=len(PALETTE))[: len(BACKGROUNDS)].argmax())


def _away(frames: Frames, names: NDArray[np.uint8]) -> NDArray[np.int16]:
    """How each pixel differs from the background as it is seen: [frames, height, width, 3]."""
    few = frames[:, ::2, ::2][names[:, ::2, ::2] == _ground(names)]
    seen = np.rint(few.mean(0)).astype(np.int16) if len(few) else np.zeros(3, np.int16)
    return np.asarray(frames.astype(np.int16) - seen, np.int16)


def _contrast(away: NDArray[np.int16]) -> Field:
    """Distance from the background, summed over R, G, B: in proportion to what a body covers."""
    far = np.abs(away)
    return (far[..., 0] + far[..., 1] + far[..., 2]).astype(np.float32)


# Bodies


def bodies(film: Film, *, plain: bool = True) -> list[Track]:
    """The bodies of a film, those seen in most frames first.

    `plain` tells bodies that touch apart by their named colours. Without it a body may wear any pattern and hue, and
    what is too long for one body is taken for two.
    """
    names = named(film.frames)
    away = _away(film.frames, names)
    contrast = _contrast(away)
    if plain:
        classes, strength = _by_colour(names, away, contrast > CONTRAST)
    else:
        classes, strength = (contrast > LOOK_CONTRAST).astype(np.uint8), contrast
    regions = label(classes) if plain else parted(label(classes), LONGEST)
    ways = _ways(_spots(classes, regions), film.size)
    found = [t for t in (_track(film, strength, regions, way, plain) for way in ways) if t]
    return sorted(found, key=lambda t: -int((~np.isnan(t.centres[:, 0])).sum()))


def _by_colour(
    names: NDArray[np.uint8], away: NDArray[np.int16], body: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], Field]:
    """The class of each pixel, one for each colour that the film's bodies have, and how much of it is seen."""
    colours = np.where(body & (names >= len(BACKGROUNDS)), names, 0).astype(np.uint8)
    seeds = np.where(inner(colours), colours, 0).astype(np.uint8)
    counts = np.bincount(seeds.ravel(), minlength=len(PALETTE))
    counts[0] = 0
    seeds[~np.isin(seeds, np.flatnonzero(counts >= max(1.0, 0.08 * counts.max())))] = 0
    classes = grow(seeds, body, 12)
    strength = np.zeros(classes.shape, np.float32)
    for colour in np.unique(seeds[seeds > 0]):
        way = away[seeds == colour].mean(0).astype(np.float32)
        at = classes == colour
        strength[at] = away[at] @ (way / (way @ way))
    classes[strength < 0.3] = 0  # also what differs from the background in another direction: eyes, halos
    return classes, strength


@dataclass(frozen=True, slots=True)
class _Spot:
    """A region of one frame."""

    frame: int
    region: int
    colour: int
    centroid: Field  # [2], x and y


def _spots(classes: NDArray[np.uint8], regions: NDArray[np.int32]) -> list[_Spot]:
    """Every region that can be a body, in order of time."""
    t, y, x = np.nonzero(regions)
    if not len(t):
        return []
    of = regions[t, y, x]
    area = np.bincount(of)
    _, height, width = regions.shape

    def mean(at: NDArray[np.int64], side: int) -> NDArray[np.float64]:
        turn = np.exp(2j * np.pi * (np.arange(side) + 0.5) / side)[at]
        whole = np.bincount(of, turn.real) + 1j * np.bincount(of, turn.imag)
        middle = np.angle(whole) / (2 * np.pi) * side
        away = (at + 0.5 - middle[of] + side / 2) % side - side / 2
        return (middle + np.bincount(of, away) / np.maximum(area, 1)) % side

    cx, cy = mean(x, width), mean(y, height)
    first = np.zeros(len(area), np.int64)
    first[of[::-1]] = np.arange(len(of))[::-1]
    good = [r for r in range(1, len(area)) if SPECK <= area[r] <= BODY_AREA]
    return [
        _Spot(int(t[i]), r, int(classes[t[i], y[i], x[i]]), np.array((cx[r], cy[r]), np.float32))
        for r in good
        for i in (first[r],)
    ]


def _ways(spots: list[_Spot], size: Size) -> list[list[_Spot]]:
    """Spots joined over time, nearest first, of the same colour rather than another; short ones are left out."""
    ways: list[list[_Spot]] = []
    frames = 1 + max((s.frame for s in spots), default=0)
    for frame in range(frames):
        here = [s for s in spots if s.frame == frame]
        pairs = []
        for i, way in enumerate(ways):
            last = way[-1]
            for j, spot in enumerate(here):
                gone = float(np.hypot(*wrapped(spot.centroid - last.centroid, size)))
                if gone <= STEP * min(2, frame - last.frame):
                    pairs.append((gone + STEP * (spot.colour != last.colour), i, j))
        used_ways: set[int] = set()
        used: set[int] = set()
        for _, i, j in sorted(pairs):
            if i not in used_ways and j not in used:
                ways[i].append(here[j])
                used_ways.add(i)
                used.add(j)
        ways += [[s] for j, s in enumerate(here) if j not in used]
    return [way for way in ways if len(way) >= frames / 4]


def _track(film: Film, strength: Field, regions: NDArray[np.int32], way: list[_Spot], plain: bool) -> Track | None:
    """What the spots of one body tell together."""
    size = film.size
    time = np.array([s.frame for s in way])
    middle = np.array([np.floor(s.centroid) for s in way], np.int64)  # [n, 2]
    cut = _cut(time, middle, size)
    mine = (regions[cut] == np.array([s.region for s in way])[:, None, None]).astype(np.uint8)
    core = inner(mine)
    if not core.any():
        return None
    seen = strength[cut] * mine
    full = float(np.quantile(seen[core], 0.8 if plain else 0.35))  # the weaker colour of a pattern, not its edge
    shape, radius, place, fit = _shape(np.minimum(seen / full, 1.2 if plain else 1.0), _at_border(mine, middle, size))
    centres = np.full((len(film.frames), 2), np.nan, np.float32)
    centres[time] = (middle + place) % np.array((size.width, size.height))
    core &= seen > 0.85 * full
    pixels = film.frames[cut][core] if core.any() else film.frames[cut][mine > 0]
    rgb = pixels.mean(0, dtype=np.float64).astype(np.float32)
    does = move(centres, size, radius)
    return Track(
        colour=_majority(film.frames[cut], core, rgb),
        rgb=rgb,
        shape=shape,
        size=radius,
        centres=centres,
        motion=does.motion,
        pace=does.pace,
        contacts=does.contacts,
        picture=_mean_picture(film.frames, time, centres, size),
        fit=fit,
    )


def _cut(time: NDArray[np.int64], middle: NDArray[np.int64], size: Size) -> tuple[NDArray[np.int64], ...]:
    """Indices of the square around each (x, y) pixel, on the torus."""
    reach = np.arange(PATCH) - PATCH // 2
    rows = (middle[:, 1, None] + reach) % size.height
    columns = (middle[:, 0, None] + reach) % size.width
    return time[:, None, None], rows[:, :, None], columns[:, None, :]


def _at_border(mine: NDArray[np.uint8], middle: NDArray[np.int64], size: Size) -> NDArray[np.bool_]:
    """True for the patches whose body reaches over an edge of the frame."""
    reach = np.arange(PATCH) - PATCH // 2
    x, y = middle[:, 0, None] + reach, middle[:, 1, None] + reach
    over_x = mine.any(1) & ((x < 0) | (x >= size.width))
    over_y = mine.any(2) & ((y < 0) | (y >= size.height))
    return np.asarray(over_x.any(1) | over_y.any(1))


def _majority(patches: Frames, core: NDArray[np.bool_], rgb: Field) -> str:
    """The colour named most often by the mean of a frame's inside."""
    count = core.sum((1, 2))
    if not count.any():
        return colour_of(rgb)
    means = ((patches * core[..., None]).sum((1, 2)) / np.maximum(count, 1)[:, None]).astype(np.float32)
    votes = _distances(means[count > 0])[:, len(BACKGROUNDS) :].argmin(1)
    return tuple(COLOURS)[int(np.bincount(votes).argmax())]


@cache
def _bank() -> tuple[list[tuple[str, str]], Field, Field]:
    """Names, centres [k, o, 2] from the middle pixel's corner, and templates [pixels, k * o] of mean 0 and energy 1."""
    at = np.arange(PATCH, dtype=np.float32) - PATCH // 2 + 0.5
    ys, xs = np.meshgrid(at, at, indexing="ij")
    steps = np.arange(-REACH, REACH + 0.1, 0.5, dtype=np.float32) + 0.5
    oy, ox = (o.ravel() for o in np.meshgrid(steps, steps, indexing="ij"))
    names, centres, templates = [], [], []
    for shape in SHAPES:
        for name, radius in RADII.items():
            whole = cover(shape, radius, xs, ys)
            cy = oy - float((whole * ys).sum() / whole.sum())  # a triangle's centroid is not its centre
            templates.append(cover(shape, radius, xs[None] - ox[:, None, None], ys[None] - cy[:, None, None]))
            names.append((shape, name))
            centres.append(np.stack((ox, cy), -1))
    blur = np.exp(-0.5 * ((at[:, None] - at) / SOFT) ** 2)
    flat = (blur @ np.concatenate(templates) @ blur).reshape(-1, PATCH * PATCH)
    flat -= flat.mean(1, keepdims=True)
    flat /= np.sqrt((flat**2).sum(1, keepdims=True))
    return names, np.stack(centres), np.ascontiguousarray(flat.T)


def _shape(seen: Field, border: NDArray[np.bool_]) -> tuple[str, str, Field, float]:
    """Shape, size, centre in each patch and correlation; frames in which the body crosses the border count little."""
    names, centres, templates = _bank()
    flat = seen.reshape(len(seen), -1)
    flat = flat - flat.mean(1, keepdims=True)
    flat /= np.sqrt((flat**2).sum(1, keepdims=True)) + 1e-6
    alike = (flat @ templates).reshape(len(seen), len(names), -1)
    weight = np.where(border, 0.1, 1.0)
    best = weight @ alike.max(2)
    k = int(best.argmax())
    return *names[k], centres[k, alike[:, k].argmax(1)], float(best[k] / weight.sum())


def _mean_picture(frames: Frames, time: NDArray[np.int64], centres: Centres, size: Size) -> Picture:
    middle = np.rint(centres[time]).astype(np.int64)
    return np.rint(frames[_cut(time, middle, size)].mean(0)).astype(np.uint8)


# Faces

_DARK: Final = np.array((20, 20, 20), np.float32)
_SIDE: Final = 2 * FACE_RADIUS + 8  # pixels of the square that holds a face and a rim around it


@dataclass(frozen=True, slots=True)
class _Mask:
    """Places in a square of _SIDE pixels around a face's centre."""

    disc: Field  # skin that neither eyes nor mouth ever cover
    rim: Field  # background all around
    eyes: Field
    mouth: Field  # wherever the mouth can be
    closed: float  # pixels of the mouth when closed, and when open
    open: float


@cache
def _mask() -> _Mask:
    at = np.arange(_SIDE, dtype=np.float32) + 0.5 - _SIDE / 2
    ys, xs = np.meshgrid(at, at, indexing="ij")
    far = np.hypot(xs, ys)
    eyes = np.minimum(np.hypot(np.abs(xs) - 8, ys + 6), 9)
    mouth = (np.abs(xs) < 9.5) & (ys > 0.5) & (ys < 17.5)
    return _Mask(
        disc=((far < FACE_RADIUS - 1) & (eyes > 4.5) & ~mouth).astype(np.float32),
        rim=((far > FACE_RADIUS + 1.5) & (far < FACE_RADIUS + 4)).astype(np.float32),
        eyes=(eyes < 2.5).astype(np.float32),
        mouth=(mouth & (far < FACE_RADIUS - 1)).astype(np.float32),
        closed=float(np.pi * 8 * 1),
        open=float(np.pi * 8 * 7),
    )


def face(film: Film) -> FaceTrack | None:
    """The face of a film, if there is one: a large disc with dark eyes."""
    names = named(film.frames)
    mean = film.frames.mean(0, dtype=np.float32)
    at = _find_face((_contrast(_away(film.frames, names)) > CONTRAST).mean(0, dtype=np.float32))
    if at is None:
        return None
    mask, (x, y) = _mask(), at
    still = _square(mean, x, y)
    skin = np.array([np.median(still[..., c][mask.disc > 0]) for c in range(3)], np.float32)
    if not _dark(still, skin)[mask.eyes > 0].mean() > 0.5:
        return None
    colours = _square(names.transpose(1, 2, 0), x, y)[mask.disc > 0].astype(np.int64)
    counts = np.bincount(colours.ravel(), minlength=len(PALETTE))[len(BACKGROUNDS) :]
    mouth = np.stack([_dark(_square(frame, x, y), skin) for frame in film.frames])
    area = (mouth * mask.mouth).sum((1, 2))
    return FaceTrack(
        colour=tuple(COLOURS)[int(counts.argmax())],
        centre=(x, y),
        openness=np.clip((area - mask.closed) / (mask.open - mask.closed), 0, 1).astype(np.float32),
    )


def _find_face(body: Field) -> tuple[int, int] | None:
    """Centre of the place that is body all over a face's disc and background all around it."""
    mask, half = _mask(), _SIDE // 2
    padded = np.pad(body, half - FACE_RADIUS)
    if min(padded.shape) < _SIDE:
        return None
    test = mask.disc / mask.disc.sum() - mask.rim / mask.rim.sum()
    score = np.tensordot(sliding_window_view(padded, (_SIDE, _SIDE)), test, 2)
    y, x = np.unravel_index(int(score.argmax()), score.shape)
    return (int(x) + FACE_RADIUS, int(y) + FACE_RADIUS) if score[y, x] > 0.6 else None


def _square(picture: NDArray[np.uint8] | Field, x: int, y: int) -> Field:
    """The square around a face, [_SIDE, _SIDE, channels], edges repeated."""
    half = _SIDE // 2
    rows = np.clip(np.arange(y - half, y + half), 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(x - half, x + half), 0, picture.shape[1] - 1)
    return picture[rows[:, None], columns].astype(np.float32)


def _dark(picture: Field, skin: Field) -> Field:
    """How far each pixel has gone from the skin's colour to that of eyes and mouth, 0..1."""
    way = _DARK - skin
    return np.clip((picture - skin) @ way / max(float(way @ way), 1.0), 0, 1)
