"""Training of the two codecs on scenes of the toy world, drawn as they are needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as fn

from model.clip import Frames, Size, Sound
from model.codec.audio import AudioCodec
from model.codec.video import VideoCodec
from model.train.run import Plan, Step
from model.world.render import reference, render
from model.world.scene import (
    BACKGROUNDS,
    BAR,
    SHAPES,
    Scene,
    sample_bodies,
    sample_face,
    sample_look,
)
from model.world.sound import PER_FRAME, sound

VIDEO_PLAN: Final = Plan(steps=2_500, rate=2e-3, muon=4e-3, average=0.995, decay=0.65)
AUDIO_PLAN: Final = Plan(steps=2_000, rate=2e-3, muon=4e-3, average=0.995)
SIZES: Final = (Size(64, 64), Size(80, 48), Size(48, 80))
BATCH: Final = 16  # films of two chunks
HEARD: Final = 16  # frames of sound in one example


def any_scene(rng: np.random.Generator, size: Size) -> Scene:
    """A scene of any kind, also with looks that only references have, and bodies off the grid."""
    kind = rng.random()
    if kind < 0.22:
        return sample_face(rng, size, held=None)
    count = 1 + int(rng.integers(2))
    looks = tuple(sample_look(rng) for _ in range(count)) if kind < 0.45 else ()
    scene = sample_bodies(rng, size, count, held=None, looks=looks)
    if rng.random() < 0.4:
        moved = (replace(b, x=b.x + int(rng.integers(-3, 4)), y=b.y + int(rng.integers(-3, 4))) for b in scene.bodies)
        scene = replace(scene, bodies=tuple(moved))
    return scene


def clouds(rng: np.random.Generator, size: Size, frames: int) -> Frames:
    """Soft patches of any colour that drift: what a photograph is to this codec."""
    cells = rng.integers(0, 256, (int(rng.integers(2, 6)), int(rng.integers(2, 6)), 3)).astype(np.float32)
    drift = rng.uniform(-1.5, 1.5, 2)
    picture = torch.from_numpy(cells).permute(2, 0, 1)[None]
    wide = fn.interpolate(picture, (size.height + 64, size.width + 64), mode="bicubic", align_corners=False)[0]
    out = np.empty((frames, size.height, size.width, 3), np.uint8)
    for f in range(frames):
        x, y = (int(32 + round(float(d) * f)) for d in drift)
        cut = wide[:, y : y + size.height, x : x + size.width].permute(1, 2, 0)
        out[f] = cut.clamp(0, 255).numpy().astype(np.uint8)
    return out


def _references(rng: np.random.Generator, size: Size) -> Frames:
    """Reference pictures laid side by side and held still."""
    rows, columns = size.height // 16 // 2 + 1, size.width // 16 // 2 + 1
    tiles = [
        [reference(sample_look(rng), SHAPES[int(rng.integers(len(SHAPES)))]) for _ in range(columns)]
        for _ in range(rows)
    ]
    wall = np.concatenate([np.concatenate(row, 1) for row in tiles], 0)[: size.height, : size.width]
    return np.broadcast_to(wall, (8, *wall.shape)).copy()


def example(rng: np.random.Generator, size: Size) -> tuple[Frames, NDArray[np.float32]]:
    """Two chunks of film and the weight of each pixel: bodies count more than the background around them."""
    kind = rng.random()
    if kind < 0.06:
        frames = clouds(rng, size, 8)
        return frames, np.ones(frames.shape[:3], np.float32)
    if kind < 0.12:
        frames = _references(rng, size)
        ground = np.array(BACKGROUNDS["black"])
    else:
        scene = any_scene(rng, size)
        ground = np.array(BACKGROUNDS[scene.background])
        if kind < 0.22:
            frames = np.repeat(render(scene, 1, int(rng.integers(BAR))), 8, 0)
        else:
            frames = render(scene, 8, 4 * int(rng.integers(6)))
    body = (np.abs(frames.astype(np.int16) - ground) > 10).any(-1).reshape(2, 4, *frames.shape[1:3])
    passed = np.broadcast_to(body.any(1, keepdims=True), body.shape)
    return frames, (1.0 + 3.0 * body + 2.0 * passed).astype(np.float32).reshape(frames.shape[:3])


def video_step(codec: VideoCodec, device: torch.device) -> Step:
    """One step of the video codec: weighted distance of pixels after quantisation."""

    def step(number: int, rng: np.random.Generator) -> dict[str, float]:
        size = SIZES[0] if number % 4 else SIZES[1 + number // 4 % 2]
        pairs = [example(rng, size) for _ in range(BATCH)]
        frames = torch.from_numpy(np.stack([p[0] for p in pairs])).to(device)
        weight = torch.from_numpy(np.stack([p[1] for p in pairs])).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            made = codec.render(codec.fsq(codec.latents(frames)))
        error = (codec.pixels(made) - frames.float()) / 127.5
        distance = (error.square() * 3 + error.abs() * 0.3).mean(-1)
        loss = (distance * weight).sum() / weight.sum()
        psnr = -10 * torch.log10((error.detach() / 2).square().mean((1, 2, 3, 4)) + 1e-8).mean()
        loss.backward()
        return {"loss": float(loss.detach()), "psnr": float(psnr)}

    return step


def heard(rng: np.random.Generator) -> Sound:
    """Two seconds of a scene's sound; one in five begins off the frame, or is louder or softer, as a stranger's
    would."""
    scene = sample_face(rng, SIZES[0], held=None) if rng.random() < 0.4 else None
    while scene is None:
        scene = sample_bodies(rng, SIZES[0], 1 + int(rng.integers(2)), held=None)
        if not any(b.motion in ("bounce", "sideways") for b in scene.bodies) and rng.random() < 0.9:
            scene = None
    start = 4 * int(rng.integers(8)) if rng.random() < 0.5 else 0
    wave = sound(scene, HEARD + 1, start)
    if rng.random() < 0.2:
        shift = int(rng.integers(PER_FRAME))
        return (wave[shift : shift + HEARD * PER_FRAME] * rng.uniform(0.3, 1.2)).astype(np.float32)
    return wave[: HEARD * PER_FRAME]


def _spectra(wave: Tensor, size: int) -> Tensor:
    window = torch.hann_window(size, device=wave.device)
    return torch.stft(wave, size, size // 4, window=window, return_complex=True).abs()


def audio_step(codec: AudioCodec, device: torch.device) -> Step:
    """One step of the audio codec: distance of samples and of spectra at three resolutions."""

    def step(_: int, rng: np.random.Generator) -> dict[str, float]:
        wave = torch.from_numpy(np.stack([heard(rng) for _ in range(BATCH)])).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            made = codec.render(codec.fsq(codec.latents(wave)))[0]
        error = made - wave
        loss = 60 * error.square().mean() + 2 * error.abs().mean()
        for size in (128, 512, 1024):
            loss = loss + 0.3 * (_spectra(made, size) - _spectra(wave, size)).abs().mean()
        power = wave.square().mean(1)
        snr = 10 * torch.log10((power + 1e-6) / (error.detach().square().mean(1) + 1e-6)).mean()
        loss.backward()
        return {"loss": float(loss.detach()), "snr": float(snr)}

    return step
