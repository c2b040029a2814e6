"""`equerry audit …`."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback(help="Verify the residency log, and hand out proofs and exports.")
def front() -> None:
    """Holds the help of the group."""
