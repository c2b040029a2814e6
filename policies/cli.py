"""`equerry policy …`."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback(help="Say where a request may run and why, and prove that the rules cannot leak.")
def front() -> None:
    """Holds the help of the group."""
