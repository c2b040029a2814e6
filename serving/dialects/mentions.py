"""How a prompt speaks of the pictures that come with it.

The model reads `[1]`. Clients write `[Image 1]`, `Image 1` or `character1`, each in the way of the API they come from.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["said"]

_MENTIONS: Final = re.compile(r"\[\s*image\s*([1-9])\s*\]|\bimage ([1-9])\b|\bcharacter ?([1-9])\b", re.IGNORECASE)


def said(prompt: str, references: int) -> str | None:
    """The prompt in the model's notation, or None when it is in it already. Numbers beyond the references stay."""

    def mention(found: re.Match[str]) -> str:
        number = found[1] or found[2] or found[3]
        return f"[{number}]" if int(number) <= references else found[0]

    told = _MENTIONS.sub(mention, prompt)
    return told if told != prompt else None
