"""A password that nobody has seen: drawn by Pulumi, kept in its encrypted state, handed on as a secret."""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_random as random

from infra.site import Site

__all__ = ["password"]

_LENGTH: Final = 40  # letters and digits: 238 bits


def password(site: Site, role: str) -> pulumi.Output[str]:
    """Drawn once, and then the same at every update."""
    drawn = random.RandomPassword(
        site.name(f"{role}-password"),
        length=_LENGTH,
        special=False,
        opts=pulumi.ResourceOptions(parent=site.parent, protect=True, additional_secret_outputs=["result"]),
    )
    return pulumi.Output.secret(drawn.result)
