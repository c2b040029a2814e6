"""A cell's folder, as far as tenants go: `tenants/store.sqlite` and `tenants/pepper`, closed to everybody else."""

from __future__ import annotations

import hmac
import shutil
import tempfile
from pathlib import Path
from typing import Final

from policies.errors import Doubt, Refused
from policies.tenants.cell import Cell
from policies.tenants.keytext import Draw
from policies.tenants.mishaps import told
from policies.tenants.pepper import make_pepper, read_pepper
from policies.tenants.registrar import Registrar
from policies.tenants.sqlite import SqliteStore, make_store

__all__ = ["make_books", "open_books"]

ROOM: Final = "tenants"
STORE: Final = "store.sqlite"
PEPPER: Final = "pepper"


def make_books(folder: Path, cell: Cell, draw: Draw) -> None:
    """A cell's store and pepper, whole or not at all. Refuses a folder that has them already."""
    room = folder / ROOM
    if room.exists():
        raise Refused(f"{room} is there already, so this folder is a cell's. Name another folder for another cell.")
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f"{ROOM}-", dir=folder))  # mode 0700
    try:
        pepper = make_pepper(fresh / PEPPER, draw)
        make_store(fresh / STORE, cell, pepper.check())
        with told(room):
            fresh.rename(room)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def open_books(folder: Path, draw: Draw) -> Registrar:
    """The books of a cell. Refuses when the store or the pepper is missing, open to others, or not of each other."""
    room = folder / ROOM
    if not room.is_dir():
        raise Refused(f"{folder} is no cell's folder. Make it one with `equerry tenant init`, or name one with --cell.")
    store = SqliteStore(room / STORE)
    try:
        pepper = read_pepper(room / PEPPER)
        if not hmac.compare_digest(pepper.check(), store.pepper):
            raise Doubt(f"{room / PEPPER} is not the pepper that this cell's keys were made with. Restore that one.")
    except BaseException:
        store.close()
        raise
    return Registrar(store, pepper, draw)
