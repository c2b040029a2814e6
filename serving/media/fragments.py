"""A finished film as fragmented MP4, which plays while it arrives. The streams are copied, never decoded."""

from __future__ import annotations

from io import BytesIO

import av

__all__ = ["fragmented"]


def fragmented(body: bytes) -> bytes:
    """The same pictures and sound, one fragment from each key frame on."""
    out = BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(BytesIO(body), "r") as source, av.open(out, "w", format="mp4", options=options) as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return out.getvalue()
