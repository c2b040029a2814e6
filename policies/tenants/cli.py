"""`equerry tenant …`."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback(help="Keep customers, what binds them, and their keys.")
def front() -> None:
    """Holds the help of the group."""
