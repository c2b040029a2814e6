"""Makes a pod's folders ready for a cell, before the cell starts: `python -m serving.pod SETTINGS --secrets FROM TO`.

A mounted Secret is a link to a file of root's; a cell reads plain files of its own user alone. So the secrets are
copied, into memory, with a mode of their own. The tenants' books are made when there are none. Every step may be done
again, since pods start again.
"""

from __future__ import annotations

import os
import secrets
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from policies.errors import PolicyError
from policies.tenants.cell import Cell
from policies.tenants.folder import make_books
from serving.errors import CellError, Refused

__all__ = ["app", "close", "copy_secrets", "main", "make_ready"]

MOST_BYTES: Final = 1 << 16  # of one secret
OTHERS: Final = 0o077

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def make_ready(
    settings: Annotated[Path, typer.Argument(help="The cell's settings file.")],
    secret: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--secrets", help="Folder of mounted Secrets, and the folder to copy them to."),
    ] = None,
) -> None:
    """Copy secrets to where a cell may read them, and make the tenants' books when there are none."""
    if secret is not None:
        copied = copy_secrets(*secret)
        typer.echo(f"{copied} secrets are ready in {secret[1]}.")
    told = _told(settings)
    tenants = Path(told["policies"]["tenants"])
    if not tenants.exists():
        make_books(tenants.parent, Cell(told["cell"]["name"]), secrets.token_bytes)
        typer.echo(f"The tenants' books are made in {tenants}.")
    close(tenants)
    close(Path(told["folders"]["state"]))


def copy_secrets(source: Path, target: Path) -> int:
    """Copies SOURCE/SECRET/KEY to TARGET/SECRET/KEY, each for its owner alone; says how many.

    Raises Refused for what is no secret: a folder below, or a file that is too long.
    """
    count = 0
    for secret in sorted(source.iterdir()) if source.is_dir() else ():
        room = target / secret.name
        room.mkdir(mode=0o700, parents=True, exist_ok=True)
        for key in sorted(path for path in secret.iterdir() if not path.name.startswith("..")):
            _write(room / key.name, _read(key))
            count += 1
    return count


def close(folder: Path) -> None:
    """Takes files and folders of our own user away from everybody else.

    The kubelet opens a volume to the pod's group when it mounts it. The group is this pod's own, and a cell refuses
    secrets that anybody else can read all the same.
    """
    for path in (folder, *folder.rglob("*")) if folder.is_dir() else ():
        facts = path.lstat()
        if not path.is_symlink() and facts.st_uid == os.geteuid() and facts.st_mode & OTHERS:
            path.chmod(facts.st_mode & 0o7777 & ~OTHERS)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            body = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}). A key of a Secret is a file.") from None
    if len(body) > MOST_BYTES:
        raise Refused(f"{path} is longer than any secret. Name another key.")
    return body


def _write(path: Path, body: bytes) -> None:
    fresh = path.with_name(f".{path.name}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(body)
    fresh.replace(path)


def _told(settings: Path) -> dict[str, dict[str, str]]:
    try:
        told: dict[str, dict[str, str]] = tomllib.loads(settings.read_text("utf-8"))
        told["cell"]["name"], told["policies"]["tenants"], told["folders"]["state"]
    except (OSError, ValueError, KeyError, TypeError):
        raise Refused(f"{settings} names no cell, tenants and state. The chart writes this file.") from None
    return told


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs; gives the exit code."""
    try:
        app(arguments, standalone_mode=False)
    except (CellError, PolicyError) as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
