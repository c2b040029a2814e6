"""What the commands of this room share. Its clock and its random numbers are read here and nowhere else."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from policies.tenants.folder import open_books
from policies.tenants.registrar import Registrar
from policies.tenants.tenant import Instant

__all__ = ["HERE", "AsJson", "AtCell", "WhichTenant", "books", "now"]

HERE: Final = Path("cell")
AtCell = Annotated[Path, typer.Option("--cell", help="The cell's folder.", metavar="DIR")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
WhichTenant = Annotated[str, typer.Argument(help="The tenant's id, such as t-0123456789abcdef.", metavar="TENANT")]


def books(cell: Path) -> Registrar:
    """The books in this folder."""
    return open_books(cell, secrets.token_bytes)


def now() -> Instant:
    """The time of this machine."""
    return Instant(time.time_ns() // 1_000_000)
