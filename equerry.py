"""The `equerry` command: it joins the rooms' own commands and turns errors into exit codes.

A `cli.py` is imported only when one of its commands is used, so `equerry --help` answers at once, without torch.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

__all__ = ["DOORS", "app", "door", "main"]

#: Each group of commands: the module whose `app` holds it, and the line that `equerry --help` shows for it.
DOORS = {
    "model": ("model.cli", "Make films with sound, and train, measure and describe the model that makes them."),
    "policy": ("policies.cli", "Say where a request may run and why, and prove that the rules cannot leak."),
    "tenant": ("policies.tenants.cli", "Keep customers, what binds them, and their keys."),
    "audit": ("policies.log.cli", "Verify the residency log, and hand out proofs and exports."),
    "cell": ("serving.cli", "Run one region: make a cell, start it, look at it, stop it."),
    "simulate": ("serving.simulate.cli", "Simulate many cells: residency, promises, GPU-hours and money."),
    "meter": ("serving.meter.cli", "Bill films, report promises and costs, keep limits, and erase what a tenant left."),
    "marks": ("serving.marks_cli", "Find the mark in a film, and trace a film back to its record in the log."),
    "conform": ("serving.conform.cli", "Attack the border between two cells, and keep a report for auditors."),
    "infra": ("infra.cli", "Size a cell, look at the stacks, and see what a stack would make, without a cloud."),
    "job": ("serving.jobs.cli", "Look at jobs of a cell, and cancel them."),
}

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
IO_ERROR = 74  # of sysexits.h: a file that cannot be used
PIPE_WIDTH = 200  # columns of a table that nobody looks at in a window: a script wants names whole


def door(name: str) -> TyperGroup:
    """One group of commands, imported now."""
    return get_group(import_module(DOORS[name][0]).app)


class _Doors(TyperGroup):
    """Lists every group by its line in `DOORS`; imports the one that is used."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        if args and args[0] in DOORS:
            return args[0], door(args[0]), args[1:]
        return super().resolve_command(ctx, args)


app = typer.Typer(name="equerry", cls=_Doors, no_args_is_help=True, pretty_exceptions_enable=False)
for _name, (_, _line) in DOORS.items():
    app.add_typer(typer.Typer(), name=_name, help=_line)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"equerry {version('equerry')}")
        raise typer.Exit


@app.callback()
def _front(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Keep a video-and-audio generator inside the borders its owner names.

    To begin: equerry cell demo. Every command explains itself with --help.

    Exit codes: 0 done, 1 something was found, 2 not possible as asked,
    69 not there for now, 70 damaged, 74 a file cannot be used, 130 interrupted.
    """


def _exit_code(error: Exception) -> int | None:
    """The exit code of an error that a room has a name for; None for any other, which keeps its traceback."""
    code = getattr(error, "exit_code", None)
    return code if isinstance(code, int) else None


def _of_the_machine(error: Exception) -> str | None:
    """What to say of a file, a folder or a disk that no room has spoken of; None for any other error."""
    if not isinstance(error, OSError) or error.errno is None or error.strerror is None:
        return None
    if error.errno in FULL:
        return f"{error.strerror}. Make room, and run the command again."
    if error.filename is None:
        return None
    return f"{os.fsdecode(error.filename)}: {error.strerror}. Check the path, who may use it, and the room on its disk."


def _sentence(error: Exception) -> str:
    """The error's text on one line; its docstring speaks when it says nothing. Control characters show as marks."""
    text = str(error) or type(error).__doc__ or type(error).__name__
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in " ".join(text.split()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with the exit code."""
    if not sys.stdout.isatty():
        os.environ.setdefault("COLUMNS", str(PIPE_WIDTH))
    try:
        app(arguments, prog_name="equerry")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        code, told = _exit_code(error), _of_the_machine(error)
        if code is None and told is None:
            raise
        typer.echo(f"equerry: {told or _sentence(error)}", err=True)
        sys.exit(IO_ERROR if code is None else code)


if __name__ == "__main__":
    main()
