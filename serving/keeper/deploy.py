"""Sends the studios' application to a Ray that no KubeRay looks after: `python -m serving.keeper.deploy FILE ADDRESS`.

It is the call that KubeRay makes: `PUT /api/serve/applications/` with the configuration as JSON. What is there already
stays as it is, so it is sent again every half minute, and a head that has lost everything gets it back.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from serving.errors import CellError, Refused
from serving.secret import read_secret

__all__ = ["app", "deploy", "send"]

PACE: Final = 30.0  # seconds
SECONDS: Final = 20.0  # for one call
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def deploy(
    file: Annotated[Path, typer.Argument(help="Configuration of Ray Serve, JSON.")],
    address: Annotated[str, typer.Argument(help="Ray's dashboard, such as http://127.0.0.1:8265.")],
    token: Annotated[
        Path | None, typer.Option(envvar="RAY_AUTH_TOKEN_PATH", help="File with the token that Ray asks for.")
    ] = None,
) -> None:
    """Send the application, again and again."""
    told = _read(file)
    shown = {"authorization": f"Bearer {read_secret(token).decode('ascii')}"} if token else {}
    with httpx.Client(base_url=address, headers=shown, timeout=SECONDS, trust_env=False) as client:
        while True:
            send(client, told, lambda text: print(text, flush=True))
            time.sleep(PACE)


def send(client: httpx.Client, told: Mapping[str, Any], say: Callable[[str], None]) -> bool:
    """One call; says whether Ray has taken it. Raises Refused for what it will never take."""
    try:
        answer = client.put("/api/serve/applications/", json=dict(told))
    except httpx.HTTPError as error:
        say(f"Ray does not answer yet ({type(error).__name__}).")
        return False
    if answer.status_code in (400, 401, 403, 422):
        raise Refused(
            f"Ray does not take the application: {answer.status_code}. Check the configuration and the token."
        )
    say("Ray has the application." if answer.is_success else f"Ray answers {answer.status_code}.")
    return answer.is_success


def _read(file: Path) -> dict[str, Any]:
    try:
        told = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        told = None
    if not isinstance(told, dict) or not told.get("applications"):
        raise Refused(f"{file} names no application. The chart writes this file.")
    return told


if __name__ == "__main__":
    try:
        app(standalone_mode=False)
    except CellError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
