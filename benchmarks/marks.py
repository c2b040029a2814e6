"""What the marks outlive, what breaks them, how often they are seen where there are none, and what they cost.

`python -m benchmarks.marks [--films 200] [--pieces 30000] [--json]`. Films are the toy world's at the small model's
sizes, the same grown to a client's sizes, drifting clouds and noise at both; every film is marked as a cell marks it,
encoded as a cell encodes it, treated as others treat films, and read again from the bytes.
"""

from __future__ import annotations

import io
import json
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import av
import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from model.clip import Film, Frames, Size, Sound
from model.media import encode_film, fit, read_film, resample
from model.train.codecs import any_scene, clouds
from model.world.render import render
from model.world.sound import sound as heard
from serving.media.marks.c2pa import Residency, Standing, inspect, sign
from serving.media.marks.canvas import _MADE, CANVASES, contrast, seen, waves_of
from serving.media.marks.carrier import directions
from serving.media.marks.certificate import development
from serving.media.marks.detect import FPS, LIKE, detect
from serving.media.marks.payload import Chips, chips_of, pid_of, read_many
from serving.media.marks.watermark_sound import RATE, _spectra, mark_sound, read_sound
from serving.media.marks.watermark_video import MOST_READ, mark_frames, read_frames

KEY: Final = sha256(b"benchmark").digest()
SMALL: Final = (Size(64, 64), Size(80, 48), Size(48, 80))
GROWN: Final = (Size(1280, 768), Size(832, 480), Size(480, 832), Size(640, 640))
AUDIBLE: Final = 1e-3  # peak from which a film has sound to be marked

Treatment = Callable[[Film], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlived:
    """One treatment of all films."""

    treatment: str
    films: int
    found: int  # by picture or sound
    picture: int  # films whose picture alone gave all 48 bits
    sounding: int  # films that have sound
    sound: int  # of these, those whose sound alone did
    wrong: int  # films that gave another id


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """Readings of what is not marked."""

    pieces: int  # film and key
    alarms: int
    bound: float  # 95 % upper bound of the rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What marking takes, beside rendering and encoding of the same film."""

    film: str
    picture_ms: float
    sound_ms: float
    sign_ms: float
    encode_ms: float
    render_ms: float | None  # decoding codes and all before; None where no model of this size is here

    @property
    def share(self) -> float | None:
        """Of rendering and encoding."""
        marking = self.picture_ms + self.sound_ms + self.sign_ms
        return None if self.render_ms is None else marking / (self.render_ms + self.encode_ms)


def films(count: int) -> Iterator[tuple[str, Film]]:
    """Films by kind: of ten, six small toys, two grown, one of small clouds or noise, one of grown clouds or noise."""
    for number in range(count):
        rng = np.random.default_rng(number)
        grown, natural = number % 10 in (6, 7, 9), number % 10 in (8, 9)
        small, size = SMALL[number % 3], GROWN[number // 10 % 4]
        seconds = 2 + number % 2
        scene = any_scene(rng, small)
        sound = heard(scene, 8 * seconds).astype(np.float32)
        if natural:
            frames = (_clouds, _noise)[number // 10 % 2](rng, size if grown else small, 8 * seconds)
            sound = _music(rng, seconds)
        else:
            frames = render(scene, 8 * seconds)
        frames = fit(frames, size) if grown else frames
        kind = f"{'grown' if grown else 'small'} {'natural' if natural else 'toy'}"
        yield kind, Film(frames=frames, fps=Fraction(8), sound=sound, rate=8_000)


def _clouds(rng: np.random.Generator, size: Size, frames: int) -> Frames:
    """Soft patches that drift, and back again: they are drawn large enough for two seconds one way."""
    there = clouds(rng, size, 16)
    return np.concatenate([there, there[::-1]])[:frames]


def _noise(rng: np.random.Generator, size: Size, frames: int) -> Frames:
    """Texture at every scale that drifts, with grain."""
    whole = np.full((size.height, size.width, 3), 128.0, np.float32)
    for cells in (4, 8, 16, 32, 64):
        grid = rng.normal(0, 80 / cells**0.5, (cells, cells, 3)) + 128
        whole += fit(np.clip(grid, 0, 255).astype(np.uint8)[None], size)[0] - 128.0
    drift = [np.roll(whole, (n, 2 * n), (0, 1)) + rng.normal(0, 2, whole.shape) for n in range(frames)]
    return np.clip(np.stack(drift), 0, 255).astype(np.uint8)


def _music(rng: np.random.Generator, seconds: int) -> Sound:
    """Three notes a second with overtones, over faint hiss."""
    at = np.arange(seconds * 8_000) / 8_000
    whole = rng.normal(0, 0.05, len(at))
    for start in np.arange(0, seconds, 1 / 3):
        pitch = 220 * 2 ** (rng.integers(0, 24) / 12)
        for tone in range(1, 8):
            whole += (at >= start) * np.exp(-3 * np.abs(at - start)) * np.sin(6.2832 * pitch * tone * at) / tone
    return (whole / np.abs(whole).max() * 0.7).astype(np.float32)


def written(
    film: Film, picture: tuple[str, dict[str, str]] | None, sound: tuple[str, int] | None, container: str = "mp4"
) -> bytes:
    """A film encoded by others: codec and options of the picture, codec and bits per second of the sound."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        seen: Any = (
            file.add_stream(picture[0], rate=film.fps, options={"threads": "1", **picture[1]}) if picture else None
        )
        voice: Any = file.add_stream(sound[0], rate=48_000, layout="mono") if sound else None
        if seen:
            seen.width, seen.height, seen.pix_fmt = film.size.width, film.size.height, "yuv420p"
        if voice and sound:
            voice.codec_context.bit_rate = sound[1]
        for number, pixels in enumerate(film.frames if seen else ()):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=1, dst_color_range=1)
            frame.pts, frame.time_base = number, 1 / film.fps
            file.mux(seen.encode(frame))
        if seen:
            file.mux(seen.encode(None))
        _write_sound(file, voice, resample(film.sound, film.rate, 48_000))
    return out.getvalue()


def _write_sound(file: Any, voice: Any, sound: Sound) -> None:
    if voice is None:
        return
    whole = voice.codec_context.name == "libopus"
    for start in range(0, len(sound), 960):
        piece = np.pad(sound[start : start + 960], (0, max(start + 960 - len(sound), 0)))[None]
        piece = (np.clip(piece, -1, 1) * 32767).astype(np.int16) if whole else np.ascontiguousarray(piece)
        frame = av.AudioFrame.from_ndarray(piece, format="s16" if whole else "fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, start
        file.mux(voice.encode(frame))
    file.mux(voice.encode(None))


def _h264(crf: int, bits: int = 96_000) -> Treatment:
    return lambda film: written(film, ("libx264", {"crf": str(crf)}), ("aac", bits))


def _half(film: Film) -> bytes:
    size = Size(film.size.width // 4 * 2, film.size.height // 4 * 2)
    return _h264(23)(replace(film, frames=fit(film.frames, size)))


def _vp9(film: Film) -> bytes:
    return written(film, ("libvpx-vp9", {"crf": "34", "b": "0", "cpu-used": "4"}), ("libopus", 48_000), "webm")


def _trimmed(film: Film) -> bytes:
    return _h264(23)(replace(film, frames=film.frames[round(film.fps) :], sound=film.sound[film.rate :]))


def _cropped(share: float) -> Treatment:
    def crop(film: Film) -> bytes:
        rows, columns = (max(round(side * share / 2), 1) for side in (film.size.height, film.size.width))
        inner = film.frames[:, rows : film.size.height - rows, columns : film.size.width - columns]
        return _h264(23)(replace(film, frames=fit(inner, film.size)))

    return crop


def _stretched(share: float) -> Treatment:
    def stretch(film: Film) -> bytes:
        return _h264(23)(replace(film, sound=resample(film.sound, 10_000, round(10_000 * (1 + share)))))

    return stretch


def _slower(share: float) -> Treatment:
    """Picture and sound, as a player does it that keeps the pitch of neither."""

    def slow(film: Film) -> bytes:
        fps = film.fps / (1 + Fraction(share).limit_denominator(1000))
        return _h264(23)(replace(film, fps=fps, sound=resample(film.sound, 10_000, round(10_000 * (1 + share)))))

    return slow


def _mirrored(film: Film) -> bytes:
    return _h264(23)(replace(film, frames=film.frames[:, :, ::-1]))


def _brighter(film: Film) -> bytes:
    frames = np.clip(film.frames * 0.85 + 25, 0, 255).astype(np.uint8)
    return _h264(23)(replace(film, frames=frames, sound=film.sound * np.float32(0.5)))


PROMISED: Final[dict[str, Treatment]] = {
    "H.264 CRF 28": _h264(28),
    "H.264 CRF 35": _h264(35),
    "half size": _half,
    "VP9, Opus 48k": _vp9,
    "AAC 64k": _h264(20, 64_000),
    "trim of 1 s": _trimmed,
}
BEYOND: Final[dict[str, Treatment]] = {
    "H.264 CRF 40, AAC 32k": _h264(40, 32_000),
    "brightness, contrast, volume": _brighter,
    "crop of 2 %": _cropped(0.02),
    "crop of 5 %": _cropped(0.05),
    "crop of 10 %": _cropped(0.10),
    "sound 0.1 % slower": _stretched(0.001),
    "sound 1 % slower": _stretched(0.01),
    "picture and sound 4 % slower": _slower(0.04),
    "mirrored": _mirrored,
}


def outlive(count: int, treatments: dict[str, Treatment], console: Console) -> tuple[list[Outlived], list[float]]:
    """Every treatment of every film, and the noise ratios in decibels that the picture's mark leaves."""
    tally: Counter[tuple[str, str]] = Counter()
    ratios = []
    for number, (_, film) in enumerate(track(films(count), "films", count, console=console)):
        pid = pid_of(KEY, f"{number:032x}")
        chips = chips_of(KEY, pid)
        frames = mark_frames(film.frames, film.fps, chips, KEY)
        ratios.append(_decibels(film.frames, frames))
        marked = replace(film, frames=frames, sound=mark_sound(film.sound, film.rate, chips, KEY))
        delivered = read_film(encode_film(marked), fps=film.fps, rate=48_000)
        for name, treatment in treatments.items():
            _judge(tally, name, treatment(delivered), pid, sounding=float(np.abs(film.sound).max()) > AUDIBLE)
    rows = [
        Outlived(
            treatment=name,
            films=count,
            **{kind: tally[name, kind] for kind in ("found", "picture", "sounding", "sound", "wrong")},
        )
        for name in treatments
    ]
    return rows, ratios


def _judge(tally: Counter[tuple[str, str]], name: str, body: bytes, pid: str, *, sounding: bool) -> None:
    film = read_film(body, fps=FPS, rate=RATE, cut=True)
    found = detect(film, KEY)
    mine = found is not None and found.pid == pid
    tally[name, "found"] += mine
    tally[name, "picture"] += found is not None and mine and found.picture > 0
    tally[name, "sounding"] += sounding
    tally[name, "sound"] += found is not None and mine and sounding and found.sound > 0
    tally[name, "wrong"] += found is not None and not mine


def _decibels(before: Frames, after: Frames) -> float:
    error = float(np.mean((before.astype(np.float32) - after) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def alarms(pieces: int, console: Console, tell: Callable[[Alarms], None] = lambda _: None) -> Alarms:
    """Films without a mark, each under many keys, as delivered bytes would be read. What the key does not change is
    reckoned once for each film, which a check holds to the reader. `tell` hears how far it is."""
    unmarked = [read_film(encode_film(film), fps=FPS, rate=RATE, cut=True) for _, film in films(60)]
    heights = [_heights(film) for film in unmarked]
    raised = done = 0
    for number in track(range(-(-pieces // len(unmarked))), "unmarked", console=console):
        key = sha256(b"false alarm %d" % number).digest()
        for place, film in enumerate(unmarked):
            chips = [
                waves @ waves_of(canvas, key).secret for canvas, waves in zip(CANVASES, heights[place], strict=True)
            ]
            if number == 0 and not all(map(_alike, chips, read_frames(film.frames, key))):
                raise AssertionError("The reader reads otherwise than this benchmark.")
            readings: list[Chips] = [*chips, *read_sound(film.sound, film.rate, key)]
            raised += any(read and read.likeness >= LIKE for read in read_many(key, np.stack(readings)))
        done += len(unmarked)
        _forget()
        tell(Alarms(pieces=done, alarms=raised, bound=_bound(raised, done)))
    return Alarms(pieces=done, alarms=raised, bound=_bound(raised, done))


def _alike(one: Chips, other: Chips) -> bool:
    """Whether two readings are the same but for the last digits of sums in another order."""
    return bool(np.allclose(one, other, rtol=1e-3, atol=1e-4))


def _heights(film: Film) -> list[np.ndarray]:
    """What each canvas sees of a film before any key is known, as `read_frames` sees it."""
    whole = []
    for canvas in CANVASES:
        looks = seen(film.frames, canvas.side, MOST_READ)
        whole.append(waves_of(canvas, KEY).heights(np.stack([contrast(look) for look in looks])).mean(0))
    return whole


def _forget() -> None:
    """The directions of a key: a cell has one key, and this benchmark hundreds."""
    _MADE.clear()
    directions.cache_clear()
    _spectra.cache_clear()


def _bound(alarms: int, pieces: int) -> float:
    """Upper end of the one-sided 95 % interval of a rate (Clopper and Pearson), by bisection."""
    from math import comb

    low, high = 0.0, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        passed = sum(comb(pieces, k) * rate**k * (1 - rate) ** (pieces - k) for k in range(alarms + 1))
        low, high = (rate, high) if passed > 0.05 else (low, rate)
    return high


def costs(model: str) -> list[Cost]:
    """Of a film that the small model makes here, and of one of 1920x1080."""
    from model.checkpoint import load
    from model.cli import find
    from model.clip import Clip, Mode
    from model.generate import Generator
    from model.make import Maker

    maker = Maker(Generator(load(str(find(model)))))
    clip = Clip(prompt="a red circle bounces on a grey background", mode=Mode.T2V, size=Size(64, 64), seconds=5, seed=1)
    maker.make(replace(clip, seconds=1))
    begun = time.process_time()
    film, _ = maker.make(clip)
    rendering = 1000 * (time.process_time() - begun)
    grown = replace(film, frames=fit(film.frames[:24], Size(1920, 1080)), fps=Fraction(24), sound=film.sound[:8_000])
    return [_cost("64x64, 5 s at 8 fps", film, rendering), _cost("1920x1080, 1 s at 24 fps", grown, None)]


def _cost(name: str, film: Film, rendering: float | None) -> Cost:
    chips = chips_of(KEY, pid_of(KEY, name))
    mark_frames(film.frames[:2], film.fps, chips, KEY)  # draws the directions, once per process
    mark_sound(film.sound, film.rate, chips, KEY)
    with TemporaryDirectory() as folder:
        credential = development(Path(folder), "benchmark", datetime.now(UTC))
    residency = Residency(origin="example/equerry/benchmark", request="0" * 64, cell="benchmark", jurisdiction="EU")
    body = encode_film(film)
    return Cost(
        film=name,
        picture_ms=_took(lambda: mark_frames(film.frames, film.fps, chips, KEY)),
        sound_ms=_took(lambda: mark_sound(film.sound, film.rate, chips, KEY)),
        sign_ms=_took(lambda: sign(body, credential, residency=residency, pid="0" * 12)),
        encode_ms=_took(lambda: encode_film(film)),
        render_ms=rendering,
    )


def _took(call: Callable[[], object], times: int = 3) -> float:
    """Milliseconds of the processor, the middle of a few; other work on the machine does not count."""
    took = []
    for _ in range(times):
        begun = time.process_time()
        call()
        took.append(1000 * (time.process_time() - begun))
    return statistics.median(took)


def flips(count: int) -> tuple[int, int]:
    """Bytes of the pictures and sounds that were flipped, and how many of these C2PA found."""
    rng = np.random.default_rng(0)
    with TemporaryDirectory() as folder:
        credential = development(Path(folder), "benchmark", datetime.now(UTC))
    residency = Residency(origin="example/equerry/benchmark", request="0" * 64, cell="benchmark", jurisdiction="EU")
    signed = sign(encode_film(next(films(1))[1]), credential, residency=residency, pid="0" * 12).body
    start, found = signed.index(b"mdat"), 0
    for place in rng.integers(start + 4, len(signed), count):
        broken = bytearray(signed)
        broken[place] ^= 1 << int(rng.integers(8))
        found += inspect(bytes(broken)).standing is Standing.INVALID
    return count, found


def main(
    count: Annotated[int, typer.Option("--films", help="Films that are treated.")] = 200,
    pieces: Annotated[int, typer.Option(help="Unmarked pieces that are read.")] = 30_000,
    beyond: Annotated[int, typer.Option(help="Films that are treated worse than promised.")] = 40,
    model: Annotated[str, typer.Option(help="The model whose rendering is the yardstick.")] = "pony",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> None:
    """What the marks outlive, what breaks them, how often they are seen where there are none, and what they cost."""
    console = Console(stderr=True, quiet=as_json or not os.isatty(2))
    cost = costs(model)
    promised, ratios = outlive(count, PROMISED, console)
    worse, _ = outlive(beyond, BEYOND, console)
    alarm = alarms(pieces, console)
    flipped, caught = flips(200)
    whole = {
        "outlived": [asdict(each) for each in (*promised, *worse)],
        "psnr_db": {"median": statistics.median(ratios), "least": min(ratios)},
        "alarms": asdict(alarm),
        "costs": [{**asdict(each), "share": each.share} for each in cost],
        "flips": {"bytes": flipped, "found": caught},
    }
    if as_json:
        typer.echo(json.dumps(whole, indent=1))
        return
    _show(Console(), (*promised, *worse), ratios, alarm, cost, (flipped, caught))


def _show(
    console: Console,
    rows: tuple[Outlived, ...],
    ratios: list[float],
    alarm: Alarms,
    cost: list[Cost],
    flipped: tuple[int, int],
) -> None:
    table = Table("treatment", "films", "found", "by picture", "by sound", "wrong id")
    for row in rows:
        sound = f"{row.sound}/{row.sounding}"
        table.add_row(row.treatment, *map(str, (row.films, row.found, row.picture, sound, row.wrong)))
    console.print(table)
    console.print(f"The picture's mark: median {statistics.median(ratios):.1f} dB PSNR, least {min(ratios):.1f} dB.")
    console.print(f"False alarms: {alarm.alarms} in {alarm.pieces:,} unmarked; below {alarm.bound:.1e} (95 %).")
    console.print(f"C2PA found {flipped[1]} of {flipped[0]} flipped bytes.")
    for each in cost:
        share = "" if each.share is None else f", {each.share:.1%} of rendering and encoding"
        console.print(
            f"{each.film}: picture {each.picture_ms:.0f} ms, sound {each.sound_ms:.0f} ms,"
            f" signing {each.sign_ms:.0f} ms; encoding {each.encode_ms:.0f} ms,"
            f" rendering {each.render_ms or 0:.0f} ms{share}."
        )


if __name__ == "__main__":
    typer.run(main)
