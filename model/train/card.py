"""The model card that is written beside the weights."""

from __future__ import annotations

from string import Template
from typing import Final

from model.checkpoint import Model

_CARD: Final = Template("""\
# $name

A small generator of video with synchronised sound. One transformer decodes text, pictures, video and sound as
one sequence of codes. Trained by this project from nothing, on scenes that are drawn by a program; no picture,
film, voice or text of a person was used, and no other model's weights or outputs.

| | |
|---|---|
| parameters | trunk $trunk, video codec $video, audio codec $audio |
| trunk | $layers layers, width $width, $heads heads over $kv_heads key-value heads, feed-forward $ffn |
| video | $fps frames a second, one code for $frames frames of $patch x $patch pixels, $video_codes codes |
| sound | $rate Hz mono, one code for $hop samples, $audio_codes codes |
| makes | $sizes pixels natively; other sizes by scaling and cropping |
| length | windows of $window s, up to 15 s by windows that overlap |
| languages | English, Japanese, German, French, within a small grammar |
| licence | Apache-2.0, weights included |

## What it knows

Coloured shapes that rest, slide and bounce, alone or in pairs, on four plain backgrounds; knocks of wood, metal
and rubber at each contact; a face that sings a line of up to four notes. It goes on from a first picture,
dresses bodies in the looks of up to nine reference pictures, edits a film by a sentence, and extends one. A
prompt outside that grammar still gives a film, of whatever comes nearest; a photograph becomes soft patches of
colour.

## How it was trained

`equerry model train`, seed $seed$start. Last rows of the logs:

$logs

$results
## Do not

Take it for a picture of the world, or for a measure of what the large configuration would do.
""")


def card(model: Model, seed: int, logs: dict[str, dict[str, float]], results: str, start: str | None = None) -> str:
    """The card of a trained model, as Markdown."""
    c = model.config

    def millions(part: str) -> str:
        return f"{sum(p.numel() for p in getattr(model, part).parameters()) / 1e6:.1f} M"

    rows = [f"* {stage}: " + ", ".join(f"{k} {v:g}" for k, v in row.items()) for stage, row in logs.items() if row]
    return _CARD.substitute(
        name=c.name,
        trunk=millions("trunk"),
        video=millions("video"),
        audio=millions("audio"),
        layers=c.trunk.layers,
        width=c.trunk.width,
        heads=c.trunk.heads,
        kv_heads=c.trunk.kv_heads,
        ffn=c.trunk.ffn,
        fps=c.video.fps,
        frames=c.video.frames,
        patch=c.video.patch,
        video_codes=f"{c.video.codes:,}",
        rate=f"{c.audio.rate:,}",
        hop=c.audio.hop,
        audio_codes=f"{c.audio.codes:,}",
        sizes=", ".join(map(str, c.sizes)),
        window=float(c.window * c.chunk_seconds),
        seed=seed,
        start=f", going on from the model whose digest begins with {start[:12]}" if start else "",
        logs="\n".join(rows) or "* (none)",
        results=results and f"## What was measured\n\n{results}\n",
    )
