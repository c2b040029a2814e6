"""Words that must not leave, and a search for them in whatever a cell has let out.

A canary is a made-up word that stands for something private: a prompt, a file's name, a user. The search knows the ways
in which bytes disguise themselves without anybody's intent: base64 at each of its three alignments, hexadecimal,
percent signs, UTF-16, letter case, and the digest of the whole text.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from urllib.parse import quote

LEAST = 8  # letters; a shorter word might turn up by chance


def disguises(canary: str) -> set[bytes]:
    """How a canary may look. Base64 is without the letters that its neighbours have a part in."""
    assert len(canary) >= LEAST, "a canary is long, so that nothing else looks like it"
    raw = canary.lower().encode()
    found = {raw, raw.hex().encode(), canary.lower().encode("utf-16-le"), quote(canary.lower()).encode()}
    for each in {raw, canary.encode()}:
        found.add(hashlib.sha256(each).hexdigest().encode())
        for shift in range(3):
            coded = base64.b64encode(b"\0" * shift + each)
            found.add(coded[-(-shift * 4 // 3) + (1 if shift else 0) : len(coded) // 4 * 4 - 4].lower())
    return {each for each in found if len(each) >= LEAST}


def hunt(canaries: Iterable[str], places: Mapping[str, bytes]) -> set[tuple[str, str]]:
    """Every (place, canary) that is found."""
    shapes = {canary: disguises(canary) for canary in canaries}
    low = {place: body.lower() for place, body in places.items()}
    return {
        (place, canary)
        for place, body in low.items()
        for canary, looks in shapes.items()
        if any(look in body for look in looks)
    }
