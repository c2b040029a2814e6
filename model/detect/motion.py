"""How a body moves and when it touches something, from nothing but its centres.

A motion is named by the trajectory of the world that fits best. While it fits well, its contacts are those that a
viewer sees; otherwise they are the frames in which the body turns round at the floor or at a wall.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.clip import Size
from model.world.render import centre
from model.world.render import contacts as contacts_of
from model.world.scene import CROSSING, MOTIONS, PACES, PERIOD, RADII, Body, Scene

Centres = NDArray[np.float32]  # [frames, 2], x and y in pixels; NaN where the body is not seen
CLEAR: Final = 1.5  # pixels, mean distance from a trajectory that a body still follows
FAR: Final = 8.0  # pixels; a frame further from a trajectory counts no worse
NEAR: Final = 10.0  # pixels from floor or wall within which a turn is a contact
RISE: Final = 1.2  # pixels that a body must come from and go to within two frames, for a turn


@dataclass(frozen=True, slots=True)
class Move:
    """What a body does in a film."""

    motion: str
    pace: str  # means nothing when the body is still
    contacts: list[int]  # frames in which it touches the floor or a wall


def wrapped(step: Centres, size: Size) -> Centres:
    """The shortest way on the torus."""
    sides = np.array((size.width, size.height), np.float32)
    return np.asarray((step + sides / 2) % sides - sides / 2, np.float32)


@cache
def _trajectories(size: Size, radius: str, frames: int) -> tuple[list[Move], Centres]:
    """Every motion and pace at every phase, and its centres [trajectories, frames, 2]; a slide starts at the corner."""
    moves, paths = [], []
    for motion in MOTIONS:
        for pace in PACES if motion != "still" else PACES[:1]:
            for phase in range({"bounce": PERIOD[pace], "sideways": 2 * CROSSING[pace]}.get(motion, 1)):
                body = Body(
                    shape="circle", size=radius, skin="red", material="wood",
                    motion=motion, pace=pace, x=0, y=0, phase=phase,
                )  # fmt: skip
                scene = Scene(size=size, background="black", bodies=(body,))
                moves.append(Move(motion, pace, [c.frame for c in contacts_of(scene, frames)]))
                paths.append(np.stack(centre(body, scene, np.arange(frames)), -1))
    return moves, np.stack(paths).astype(np.float32)


def move(centres: Centres, size: Size, radius: str) -> Move:
    """The move whose trajectory lies nearest, wherever it starts."""
    moves, paths = _trajectories(size, radius, len(centres))
    seen = ~np.isnan(centres[:, 0])
    away = wrapped(centres[seen] - paths[:, seen], size)
    place = away[:, :1]
    place = place + np.median(wrapped(away - place, size), 1, keepdims=True)
    off = np.minimum(np.abs(wrapped(away - place, size)).sum(-1), FAR).mean(1)
    # Floor and walls stand still, so a bounce that hangs elsewhere is a little less likely.
    astray = np.minimum(np.abs(wrapped(place, size))[:, 0], FAR)
    kind = np.array([m.motion for m in moves])
    unlikely = off + 0.1 * (astray[:, 1] * (kind == "bounce") + astray[:, 0] * (kind == "sideways"))
    best = int(unlikely.argmin())
    found = moves[best]
    if off[best] < CLEAR:
        return found
    return Move(found.motion, found.pace, turns(centres, size, found.motion, radius))


def turns(centres: Centres, size: Size, motion: str, radius: str) -> list[int]:
    """Frames in which a bouncing body turns at the floor, or one that goes sideways at a wall."""
    r = RADII[radius]
    if motion == "bounce":
        return _turns(size.height - r - centres[:, 1])
    if motion == "sideways":
        return sorted({*_turns(centres[:, 0] - r), *_turns(size.width - r - centres[:, 0])})
    return []


def _turns(gap: NDArray[np.float32]) -> list[int]:
    """Frames in which the gap to a wall is smallest: turns within the film, and its ends when they touch the wall."""
    found: list[int] = []
    for f in np.flatnonzero(gap < NEAR):
        before, after = _seen(gap[max(0, f - 2) : f]), _seen(gap[f + 1 : f + 3])
        if before and after:
            turn = min(before + after) >= gap[f] and min(max(before), max(after)) > gap[f] + RISE
        else:
            # With one side only, the turn may lie beyond what is seen: ask for less than half a step to the wall.
            near = after[0] if after else before[-1] if before else np.nan
            turn = bool(gap[f] < 0.5 * (near - gap[f]))
        if turn and not (found and f - found[-1] <= 2):
            found.append(int(f))
    return found


def _seen(gap: NDArray[np.float32]) -> list[float]:
    return [float(g) for g in gap if not np.isnan(g)]
