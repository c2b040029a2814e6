"""How much one fetch of a client's address may cost this cell."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How much one fetch may cost."""

    bytes: int = 100 << 20
    """Size of a body, declared or received."""
    whole: float = 60.0
    """Seconds for all of it, redirects included."""
    connect: float = 5.0
    """Seconds for one connection; each address of a host is tried in turn."""
    read: float = 10.0
    """Seconds without a byte."""
    redirects: int = 3
    """Redirects that are followed."""
    at_once: int = 2
    """Fetches of one tenant at the same time; further ones wait, so that slow hosts of one hold up nobody else."""
