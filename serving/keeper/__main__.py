"""`python -m serving.keeper SETTINGS`: what the keeper's pod runs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from policies.errors import PolicyError
from serving.errors import CellError
from serving.keeper.keeper import run

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def keeper(settings: Annotated[Path, typer.Argument(help="The cell's settings file.")]) -> None:
    """Write the log, keep house, let clients in, and take entries from the studios' pods. SIGTERM stops it gently."""
    from serving.settings_file import load
    from serving.telemetry import say_little

    say_little(load(settings).telemetry.level)
    asyncio.run(run(settings.absolute()))


if __name__ == "__main__":
    try:
        app(standalone_mode=False)
    except (CellError, PolicyError) as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
