"""Keeps the hands of a cell full, so that a further film has to wait. Runs in a client's own environment too.

A tenant whose films wait for ever exists in the stand-in alone; in a real cell films wait for hands.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LONG = {"prompt": "a long film", "size": "64x64", "seconds": 15}
PATIENCE = 300  # seconds for an answer of a busy machine


@contextmanager
def full(url: str, key: str, films: int) -> Iterator[None]:
    """Within the block so many long films of this key are ahead of whatever is asked for; with 0 there are none."""

    def ask(method: str, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        asked = urllib.request.Request(url + path, data, headers, method=method)
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
            return json.loads(answer.read() or b"{}")

    made = [ask("POST", "/v1/jobs", LONG)["id"] for _ in range(films)]
    while made and ask("GET", f"/v1/jobs/{made[0]}")["state"] == "queued":
        time.sleep(0.05)
    try:
        yield
    finally:
        for each in reversed(made):  # those that wait first, so that none of them begins
            ask("DELETE", f"/v1/jobs/{each}")
